"""What the pipeline reads and writes below the current working directory.

Real pipelines put each batch into a file of a fixed name under `./tmp` and read it back, and find
custom recipes in `./tmp/contrib`.  So two processes in one working directory cross their scores.
"""

import importlib.util
import json
import os
import time
from pathlib import Path
from typing import Any

_FOLDER = Path("tmp", "scoring_user", "h2oai_experiment_scoring_id")
_TRANSFORMERS = Path("tmp", "contrib", "transformers")
RECIPE = _TRANSFORMERS / "stand_in_recipe.json"
CUSTOM_RECIPE = _TRANSFORMERS / "remainder_transformer.py"


def prepare() -> None:
    """Make the folder and begin the log in it."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / "scoring.log").open("a", encoding="utf-8") as log:
        log.write("stand-in: process %d\n" % os.getpid())


def through_file(frame: Any, pause_seconds: float) -> Any:
    """Write the batch as datatable's Jay and return what is then in that file, as pandas.

    `pause_seconds` lies between the two: the time in which another process may write.
    """
    import datatable

    _FOLDER.mkdir(parents=True, exist_ok=True)
    path = _FOLDER / "data_batch_0.jay"
    # Written aside and renamed: a file that another process has mapped must not shrink under it.
    aside = _FOLDER / ("data_batch_0.%d" % os.getpid())
    datatable.Frame(frame).to_jay(str(aside))
    aside.replace(path)
    time.sleep(pause_seconds)
    back = datatable.fread(str(path)).to_pandas()
    return back[list(frame.columns)]


def check_recipe(experiment_id: str) -> None:
    """Read the recipe below the working directory.

    Raises
    ------
    FileNotFoundError
        The working directory does not hold the export's `tmp/`.
    RuntimeError
        It holds the one of another export.
    """
    owner = json.loads(RECIPE.read_text(encoding="utf-8"))["experiment_id"]
    if owner != experiment_id:
        raise RuntimeError(
            "stand-in: the recipe below the working directory is of experiment %s, not of %s"
            % (owner, experiment_id)
        )


def load_custom_recipe() -> Any:
    """Return the transformer of the custom recipe, whose code is read from its file.

    Raises
    ------
    FileNotFoundError
        The working directory does not hold the export's `tmp/`.
    RuntimeError
        Custom recipes are switched off.
    """
    # The name is DAI's own.
    if os.environ.get("dai_enable_custom_recipes") == "0":  # noqa: SIM112
        raise RuntimeError("stand-in: dai_enable_custom_recipes=0 switches custom recipes off")
    spec = importlib.util.spec_from_file_location(CUSTOM_RECIPE.stem, str(CUSTOM_RECIPE))
    if spec is None or spec.loader is None:
        raise ImportError("stand-in: %s is no Python file" % CUSTOM_RECIPE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.RemainderTransformer()
