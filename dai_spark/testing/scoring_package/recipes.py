"""Recipes below the current working directory, where a pipeline finds them: `./tmp/contrib`."""

import importlib.util
import json
import os
from pathlib import Path
from typing import Any

_TRANSFORMERS = Path("tmp", "contrib", "transformers")
RECIPE = _TRANSFORMERS / "stand_in_recipe.json"
CUSTOM_RECIPE = _TRANSFORMERS / "remainder_transformer.py"


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
