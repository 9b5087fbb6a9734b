"""What people write by hand to score in Spark's own Python workers, each in its usual form.

Runs in the peers' environment, whose workers find this module on their path.
"""

import importlib
import inspect
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql.types import FloatType, StructField, StructType

OUTPUTS = ("late.no", "late.yes")
STRUCT = StructType([StructField(name, FloatType()) for name in OUTPUTS])
_loaded: dict[str, Any] = {}


def enter_own_folder() -> None:
    """Give this process a working directory of its own, with the export's `tmp` in it.

    The scorer writes each batch to a file of a fixed name there, so two workers in one folder
    would read each other's rows.
    """
    folder = Path(tempfile.mkdtemp(prefix="worker-", dir=os.environ["PEER_HOME"]))
    shutil.copytree(Path(os.environ["PEER_HOME"]) / "tmp", folder / "tmp")
    os.chdir(folder)


def cached_scorer(package: str) -> Any:
    """The scorer of this Python worker, constructed by its first task."""
    if package not in _loaded:
        enter_own_folder()
        _loaded[package] = importlib.import_module(package).Scorer()
    return _loaded[package]


def cached_pandas_udf(package: str, names: list[str]) -> Column:
    """An iterator pandas UDF with the scorer cached in each worker."""

    def score(frames: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        scorer = cached_scorer(package)
        for frame in frames:
            yield scorer.score_batch(frame)

    return F.pandas_udf(score, STRUCT).asNondeterministic()(F.struct(*names))


def batch_udf(package: str, names: list[str], batch_rows: int) -> Column:
    """`predict_batch_udf`, which hands arrays over and wants arrays back."""
    n = len(names)

    def make_predict() -> Callable[..., Any]:
        enter_own_folder()
        scorer = importlib.import_module(package).Scorer()

        def predict(*columns: np.ndarray) -> dict[str, np.ndarray]:
            scores = scorer.score_batch(pd.DataFrame(dict(zip(names, columns))))
            return {name: scores[name].to_numpy() for name in OUTPUTS}

        # It counts the parameters of a function to tell columns from one tensor.
        predict.__signature__ = inspect.Signature(
            [inspect.Parameter(f"c{i}", inspect.Parameter.POSITIONAL_ONLY) for i in range(n)]
        )
        return predict

    made = predict_batch_udf(make_predict, return_type=STRUCT, batch_size=batch_rows)
    return made(*names)


def sample_recipe(package: str, names: list[str]) -> Column:
    """A plain pandas UDF that constructs the scorer for every batch and returns an array.

    As H2O's PySpark sample does it; that one finds the array's width by a second pass over the
    table, which is spared here.
    """

    def score(*columns: pd.Series) -> pd.Series:
        if Path.cwd() == Path(os.environ["PEER_HOME"]):
            enter_own_folder()
        scorer = importlib.import_module(package).Scorer()
        frame = pd.concat(columns, axis=1, keys=names)
        return pd.Series(list(scorer.score_batch(frame).to_numpy().astype(float)))

    score.__annotations__ = {"columns": pd.Series, "return": pd.Series}
    made = F.pandas_udf(score, "array<double>").asNondeterministic()(*names)
    return F.struct(*[made[i].cast("float").alias(name) for i, name in enumerate(OUTPUTS)])
