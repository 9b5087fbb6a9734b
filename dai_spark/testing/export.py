"""Builds a stand-in for the export of a Driverless AI experiment."""

import hashlib
import json
import os
import shutil
import tempfile
import uuid
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, Sequence, Union

import pandas as pd

from dai_spark.errors import OptionError
from dai_spark.testing.dai_lines import Line, find_dai_line
from dai_spark.testing.export_writers import Contents, write_folder, write_wheel, write_zip
from dai_spark.testing.scoring_package import fates, recipes
from dai_spark.testing.side_files import (
    column_statistics,
    example_program,
    installation_files,
    placeholders,
    summary_zip,
)
from dai_spark.testing.training_run import SCORING_MODULES, scoring_source, train

__all__ = ["FATES", "KINDS", "LAYOUTS", "MODELS", "build_export"]

KINDS = ("binomial", "multinomial", "regression", "timeseries")
MODELS = ("lightgbm", "xgboost")
LAYOUTS = ("zip", "flat", "nested", "unpacked")
FATES = fates.ALL

_ALLOWED: Dict[str, Sequence[Union[str, int]]] = {
    "kind": KINDS,
    "model": MODELS,
    "layout": LAYOUTS,
    "fate": ("", *FATES),
    "n_scoring_wheels": (0, 1, 2),
}
_TOP = "scoring-pipeline"
_FOLDERS = {"zip": f"{_TOP}/", "flat": "", "nested": f"export/{_TOP}/", "unpacked": ""}
_SUMMARY = "A stand-in made by dai_spark.testing, not H2O's"
_RECIPE = recipes.RECIPE.as_posix()


def _quiet(message: str) -> None:
    pass


def build_export(
    path: Union[str, "os.PathLike[str]"],
    table: pd.DataFrame,
    target: str,
    *,
    kind: str,
    python: Union[str, "os.PathLike[str]"],
    model: str = "lightgbm",
    dai_version: str = "1.10.7.3",
    layout: str = "zip",
    features: Optional[Sequence[str]] = None,
    time_column: Optional[str] = None,
    group_columns: Sequence[str] = (),
    n_trees: int = 100,
    n_train_rows: Optional[int] = None,
    intervals: bool = False,
    custom_recipe: bool = False,
    fate: str = "",
    load_seconds: float = 0.0,
    score_seconds: float = 0.0,
    ballast_bytes: int = 0,
    n_noise_lines: int = 200,
    padding_bytes: int = 0,
    n_scoring_wheels: int = 1,
    double_encoded_stats: bool = False,
    timeout_s: float = 600.0,
    on_message: Callable[[str], None] = _quiet,
) -> Path:
    """Train a small model and write it as a Driverless AI Python scoring pipeline export.

    Runs on this machine, without Spark; the training runs in a child process of the interpreter
    `python`, so nothing but pandas and pyarrow is needed here.  The export has the layout, names
    and habits of a real one (a licence check that ends the process, output on stdout and stderr,
    files below the working directory, one pipeline a process), and is marked as a stand-in.
    Equal arguments give equal bytes.

    Parameters
    ----------
    path : path-like
        File to write, replaced if it exists; with `layout="unpacked"` a folder that must not exist.
    table : pandas.DataFrame
        Training rows.  Numbers and booleans become float32, all else becomes text.
    target : str
        Column to predict.  Rows without it are left out of the training.
    kind : {"binomial", "multinomial", "regression", "timeseries"}
        A time series predicts a number from the earlier rows of the group in the same batch.
    python : path-like
        Interpreter that has the pipeline's packages (numpy, pandas, pyarrow, LightGBM, XGBoost).
    model : {"lightgbm", "xgboost"}, default "lightgbm"
        What is inside.
    dai_version : str, default "1.10.7.3"
        Decides pins, wheel tags and the signatures of the `Scorer`: lines 1.8, 1.9, 1.10, 1.11.
    layout : {"zip", "flat", "nested", "unpacked"}, default "zip"
        A zip with the folder `scoring-pipeline/`, with the files at its root, with one folder more
        above, or the files in the folder `path`.
    features : sequence of str, optional
        Input columns; all but the target by default.  Constant ones are not used by the model.
    time_column, group_columns : str, sequence of str
        For a time series: when (text that pandas parses), and whose.
    n_trees : int, default 100
        Boosting rounds.
    n_train_rows : int, optional
        Train on this many rows, evenly spread; on all by default.
    intervals : bool, default False
        A regression also gives `<target>.lower` and `<target>.upper`, unasked.
    custom_recipe : bool, default False
        Numeric columns also go through a transformer whose code lies in the export's
        `tmp/contrib/transformers`, not in its wheel, and is looked for from the working directory.
    fate : str, optional
        One of `FATES`.  Those that end in `_in_score` happen to batches with a row that holds
        `MARK_TEXT` in a text column or `MARK_NUMBER` in a numeric one (`grow_in_score` to all).
        With `mixed_in_score` rows have several fates: each that of `MARKS` whose text it holds.
    load_seconds, score_seconds : float, default 0
        Sleep in the constructor, and in each batch between writing it to ``./tmp`` and reading it.
    ballast_bytes : int, default 0
        Memory that the loaded `Scorer` holds and reads in every batch, as a large model's.
    n_noise_lines : int, default 200
        Lines that the constructor prints, to stdout and stderr in turn.
    padding_bytes : int, default 0
        Incompressible bytes added to the wheel `h2oaicore`, to give the export a real one's size.
    n_scoring_wheels : {1, 0, 2}, default 1
        0 and 2 make an export that readers must refuse.
    double_encoded_stats : bool, default False
        Write training_data_column_stats.json as JSON in a JSON string, as some exports have it.
    timeout_s : float, default 600
        Limit of the training.
    on_message : callable, optional
        Told of the progress, a line a step.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    OptionError
        An argument is wrong, or the path exists as a folder.
    PipelineError
        The training failed.

    Notes
    -----
    A text that is missing has features of its own, a level unseen in training those of the average;
    a missing number stays NaN.  Predictions are float32 and, but for a time series, do not depend
    on the batch that a row is in.
    """
    path, line = Path(path), find_dai_line(dai_version)
    _check_words(
        kind=kind, model=model, layout=layout, fate=fate, n_scoring_wheels=n_scoring_wheels
    )
    if path.is_dir() or (layout == "unpacked" and path.exists()):
        raise OptionError(f"{path} exists; give a new path for the stand-in export.")
    names = _input_columns(table, target, kind, features, time_column, group_columns)
    classes = kind in ("binomial", "multinomial")
    if classes:
        _check_classes(table, target, kind)

    dtypes = {name: _dtype(table[name]) for name in names}
    if kind == "timeseries":
        dtypes.update({time_column or "": "object", target: "float32"})
    if n_train_rows is not None and n_train_rows < len(table):
        table = table.iloc[[i * len(table) // n_train_rows for i in range(n_train_rows)]]
    spec = {
        "kind": kind,
        "model": model,
        "target": target,
        "columns": [{"name": name, "dtype": dtypes[name]} for name in names],
        "time_column": time_column,
        "group_columns": list(group_columns),
        "n_trees": n_trees,
        "intervals": intervals and not classes,
        "custom_recipe": custom_recipe,
    }
    habits = {
        "fate": fate,
        "load_seconds": load_seconds,
        "score_seconds": score_seconds,
        "ballast_bytes": ballast_bytes,
        "n_noise_lines": n_noise_lines,
    }
    with tempfile.TemporaryDirectory(prefix="dai_spark-stand-in-") as temporary:
        work = Path(temporary)
        on_message(f"Training {n_trees} trees ({model}, {kind}) on {len(table):,} rows")
        (work / "training").mkdir()
        trained, model_file, model_bytes = train(
            work / "training",
            table,
            spec,
            {**dtypes, target: "object" if classes else "float32"},
            python=str(python),
            timeout_s=timeout_s,
        )
        schema: Dict[str, Any] = {**spec, **trained, "dai_version": dai_version}
        schema["experiment_id"] = _experiment_id(schema, habits, model_bytes)
        on_message(f"Writing the export of experiment {schema['experiment_id']}")
        contents = _contents(
            work,
            line,
            schema,
            {model_file: model_bytes, "habits.json": json.dumps(habits).encode("ascii")},
            table,
            padding_bytes=padding_bytes,
            n_scoring_wheels=n_scoring_wheels,
            double_encoded_stats=double_encoded_stats,
        )
        contents = {_FOLDERS[layout] + name: data for name, data in contents.items()}
        _write(path, contents, as_folder=layout == "unpacked")
    return path


def _check_words(**words: Union[str, int]) -> None:
    """Refuse a value that is none of those that its argument allows."""
    for name, value in words.items():
        allowed = _ALLOWED[name]
        if value not in allowed:
            raise OptionError(f"{name}={value!r} is none of {', '.join(map(repr, allowed))}.")


def _input_columns(
    table: pd.DataFrame,
    target: str,
    kind: str,
    features: Optional[Sequence[str]],
    time_column: Optional[str],
    group_columns: Sequence[str],
) -> List[str]:
    """Name the input columns; a time series also reads its time, its groups and its target."""
    names = list(features) if features is not None else [str(n) for n in table if n != target]
    if kind == "timeseries":
        if time_column is None:
            raise OptionError("kind='timeseries' needs time_column=.")
        names += [n for n in (time_column, *group_columns, target) if n not in names]
    elif time_column is not None or group_columns:
        raise OptionError("time_column and group_columns are for kind='timeseries'.")
    absent = [name for name in [*names, target] if name not in table]
    if absent:
        raise OptionError(f"The table has no column {', '.join(map(repr, absent))}.")
    return names


def _check_classes(table: pd.DataFrame, target: str, kind: str) -> None:
    n_classes = table[target].nunique()
    if n_classes < 2 or (kind == "binomial" and n_classes != 2):
        raise OptionError(f"kind={kind!r} does not fit the {n_classes} values of {target!r}.")


def _dtype(values: "pd.Series[Any]") -> str:
    return "float32" if pd.api.types.is_numeric_dtype(values) else "object"


def _experiment_id(schema: Dict[str, Any], habits: Dict[str, Any], model: bytes) -> str:
    """Derive the id from the content: equal exports have equal names, others have not."""
    text = json.dumps([schema, habits], sort_keys=True) + hashlib.sha256(model).hexdigest()
    return str(uuid.uuid5(uuid.NAMESPACE_OID, text))


def _contents(
    work: Path,
    line: Line,
    schema: Dict[str, Any],
    data_files: Dict[str, bytes],
    table: pd.DataFrame,
    *,
    padding_bytes: int,
    n_scoring_wheels: int,
    double_encoded_stats: bool,
) -> Contents:
    experiment_id, version = schema["experiment_id"], schema["dai_version"]
    package = "scoring_h2oai_experiment_" + experiment_id.replace("-", "_")
    files = {f"{m}.py": scoring_source(m) for m in (*SCORING_MODULES, line.scorer_module)}
    files.update(data_files)
    files["schema.json"] = json.dumps(schema).encode("ascii")
    files["__init__.py"] = (
        f'"""{_SUMMARY}."""\n\nfrom .{line.scorer_module} import Scorer\n\n__all__ = ["Scorer"]\n'
    ).encode("ascii")
    packages = [package, package + "_2"][:n_scoring_wheels]
    core = {"__init__.py": f'"""{_SUMMARY}."""\n\n__version__ = "{version}"\n'.encode("ascii")}
    wheels: List[Path] = [
        write_wheel(work, "h2oaicore", version, line.tag, _SUMMARY, core, padding_bytes),
        *(write_wheel(work, p, "1.0.0", "py3-none-any", _SUMMARY, files) for p in packages),
    ]
    texts = {
        **installation_files(line, package, [wheel.name for wheel in wheels]),
        **placeholders(experiment_id, schema["target"], schema["kind"]),
        "example.py": example_program(schema, package, table),
        "training_data_column_stats.json": column_statistics(schema, table, double_encoded_stats),
        _RECIPE: json.dumps({"experiment_id": experiment_id}),
    }
    if schema["custom_recipe"]:
        recipe = recipes.CUSTOM_RECIPE
        texts[recipe.as_posix()] = scoring_source(recipe.stem).decode("ascii")
    return {
        **{name: text.encode("utf-8") for name, text in texts.items()},
        **{wheel.name: wheel for wheel in wheels},
        f"h2oai_experiment_summary_{experiment_id}.zip": summary_zip(
            experiment_id, version, schema
        ),
    }


def _write(path: Path, contents: Contents, *, as_folder: bool) -> None:
    """Write beside `path` and rename, so that a half-written export never bears its name."""
    path.parent.mkdir(parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=path.name + ".", dir=path.parent))
    try:
        if as_folder:
            write_folder(staging / "export", contents)
        else:
            write_zip(staging / "export", contents)
        (staging / "export").replace(path)
    finally:
        shutil.rmtree(staging)
