"""Runs the training of a stand-in in the pipeline's Python, as a child process."""

import hashlib
import json
import os
import pkgutil
import subprocess
from pathlib import Path
from typing import Any, Dict, Mapping, Tuple

import pandas as pd
import pyarrow as pa

from dai_spark.errors import OptionError, PipelineError
from dai_spark.testing.scoring_package.recipes import CUSTOM_RECIPE

__all__ = ["SCORING_MODULES", "scoring_source", "train"]

# Copied into the scoring wheel, with the scorer module of one DAI line.
SCORING_MODULES = (
    "boosters",
    "columns",
    "encoding",
    "fates",
    "history",
    "license_check",
    "noise",
    "recipes",
    "scorer",
    "spoils",
    "working_folder",
)
# Models that this process has trained, by content: exports that differ in habits or layout alone
# are built without training again.
_trained: Dict[str, Tuple[Dict[str, Any], str, bytes]] = {}

_MODEL_FILES = {"lightgbm": "model.txt", "xgboost": "model.bin"}


def scoring_source(module: str) -> bytes:
    """Read the source of a module of the scoring package, also out of a zip on sys.path.

    Parameters
    ----------
    module : str
        Name of the module, ``"scorer"``.

    Returns
    -------
    bytes
        Its source.

    Raises
    ------
    FileNotFoundError
        There is no such module.
    """
    data = pkgutil.get_data("dai_spark.testing", f"scoring_package/{module}.py")
    if data is None:
        raise FileNotFoundError(f"dai_spark/testing/scoring_package/{module}.py")
    return data


def _child_environment(python: str) -> Dict[str, str]:
    """Make the variables of the child: ours, but those that would mislead another Python."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTHON", "VIRTUAL_ENV", "CONDA", "SPARK_", "PYSPARK_"))
        and name != "LD_PRELOAD"
    }
    kept.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")
    libraries = str(Path(python).absolute().parent.parent / "lib")
    kept["LD_LIBRARY_PATH"] = ":".join(
        part for part in (libraries, os.environ.get("LD_LIBRARY_PATH", "")) if part
    )
    return kept


def _arrow_table(table: pd.DataFrame, dtypes: Mapping[str, str]) -> pa.Table:
    # Plain types only: the reader may be pyarrow 0.15.
    columns = {}
    for name, dtype in dtypes.items():
        values = table[name]
        if dtype == "object":
            texts = [None if pd.isna(value) else str(value) for value in values]
            columns[name] = pa.array(texts, pa.string())
        else:
            numbers = pd.to_numeric(values).astype("float64").astype("float32")
            columns[name] = pa.array(numbers.to_numpy(), pa.float32(), from_pandas=True)
    return pa.table(columns)


def train(
    folder: Path,
    table: pd.DataFrame,
    spec: Mapping[str, Any],
    dtypes: Mapping[str, str],
    *,
    python: str,
    timeout_s: float,
) -> Tuple[Dict[str, Any], str, bytes]:
    """Train in the interpreter `python`, using the empty folder `folder`.

    Parameters
    ----------
    folder : Path
        Empty folder for what is handed over and for the model.
    table : pandas.DataFrame
        Training rows.
    spec : mapping
        What `scoring_package/training.py` reads as `spec.json`.
    dtypes : mapping
        Columns to hand over, "float32" or "object" each.
    python : str
        Interpreter that has the pipeline's packages.
    timeout_s : float
        Seconds that the training may take.

    Returns
    -------
    trained : dict
        Content of `trained.json`.
    model_file : str
        Name of the model's file.
    model : bytes
        Its content.

    Raises
    ------
    OptionError
        There is no such interpreter.
    PipelineError
        Training failed or took longer than `timeout_s`.
    """
    if not os.access(python, os.X_OK):
        raise OptionError(
            f"There is no Python interpreter at {python}; pass one that has the pipeline's "
            "packages, such as bin/python of an unpacked packed environment."
        )
    arrow = _arrow_table(table, dtypes)
    key = _content_key(arrow, spec, python)
    if key not in _trained:
        _write_inputs(folder, arrow, spec)
        _run(folder, python, timeout_s)
        model_file = _MODEL_FILES[spec["model"]]
        found = json.loads((folder / "trained.json").read_text(encoding="utf-8"))
        _trained[key] = (found, model_file, (folder / model_file).read_bytes())
    return _trained[key]


def _content_key(arrow: pa.Table, spec: Mapping[str, Any], python: str) -> str:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, arrow.schema) as writer:
        writer.write_table(arrow)
    digest = hashlib.sha256(memoryview(sink.getvalue()))
    digest.update(json.dumps([spec, python]).encode("utf-8"))
    return digest.hexdigest()


def _write_inputs(folder: Path, arrow: pa.Table, spec: Mapping[str, Any]) -> None:
    package = folder / "stand_in"
    package.mkdir()
    for module in (*SCORING_MODULES, "training", "__init__"):
        (package / f"{module}.py").write_bytes(scoring_source(module))
    if spec["custom_recipe"]:
        recipe = folder / CUSTOM_RECIPE
        recipe.parent.mkdir(parents=True)
        recipe.write_bytes(scoring_source(recipe.stem))
    with pa.ipc.new_stream(str(folder / "table.arrow"), arrow.schema) as writer:
        writer.write_table(arrow)
    (folder / "spec.json").write_text(json.dumps(spec), encoding="utf-8")


def _run(folder: Path, python: str, timeout_s: float) -> None:
    command = [python, "-E", "-s", "-m", "stand_in.training", str(folder)]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=_child_environment(python),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=timeout_s,
        )
    except subprocess.TimeoutExpired as error:
        raise PipelineError(
            f"Training the stand-in pipeline took longer than {timeout_s:g} s; "
            "give it fewer rows or trees, or a larger timeout_s."
        ) from error
    if done.returncode != 0:
        output = done.stdout.decode("utf-8", "replace").rstrip()
        last = output.rsplit("\n", 1)[-1]
        raise PipelineError(
            f"Training the stand-in pipeline failed in {python}: {last or 'no output'} "
            "(this interpreter needs numpy, pandas, pyarrow, and LightGBM or XGBoost).",
            output,
        )
