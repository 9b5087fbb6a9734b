"""Scores with all peers and with dai_spark in one Spark session; `peers.py` starts it.

Runs in the peers' environment::

    python peer_session.py ARGUMENTS ANSWER

ARGUMENTS is one JSON object, ANSWER the file that gets the figures.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import peer_udfs
from bare import bare_arrow_udf, bare_frame, bare_pandas_udf
from program import in_turn, medians, tell, took
from pyspark.sql import DataFrame, SparkSession
from session import start_spark, write_parquet
from tables import FEATURES, KEY

from dai_spark import score_dataframe, score_udf

NAMES = list(FEATURES)
# Ways that construct a scorer for each batch or move JSON get the table with fewer rows.
SLOW = ("H2O's sample recipe", "MLflow spark_udf, isolated")
ISOLATED = "MLflow spark_udf, isolated"


def main() -> None:
    """Measure what the arguments say."""
    words = json.loads(sys.argv[1])
    spark = start_spark(batch_rows=words["batch_rows"])
    frames = frames_of(spark, words)
    chosen = {name: frames[name] for name in frames if name in (words["ways"] or frames)}
    n_rows = {way: rows_of(spark, words, way) for way in chosen}

    def timed(way: str) -> float:
        return took(lambda: write_parquet(chosen[way](), Path(words["targets"]) / way))

    tell("warming up, each way once")
    first_s = {way: timed(way) for way in chosen}
    tell("".join(f"  {way} {seconds:.2f} s" for way, seconds in first_s.items()))
    seconds = in_turn({way: lambda way=way: timed(way) for way in chosen}, words["repeat"], "peers")
    median = medians(seconds)
    found = {
        "seconds": seconds,
        "first_s": first_s,
        "median_s": median,
        "rows_of": n_rows,
        "rows_per_s": {way: n_rows[way] / taken_s for way, taken_s in median.items()},
        "mlflow": mlflow.__version__,
    }
    if ISOLATED in chosen:
        found["isolated"] = isolated_apart(spark, words, median[ISOLATED])
    Path(sys.argv[2]).write_text(json.dumps(found), encoding="utf-8")
    spark.stop()


def frames_of(spark: SparkSession, words: dict[str, Any]) -> dict[str, Callable[[], DataFrame]]:
    """Each way as a function that makes the DataFrame to be computed."""
    package, pipeline = words["package"], words["pipeline"]
    files = {"env": words["environment"], "license_file": words["license_file"]}
    model = Path(os.environ["PEER_HOME"]) / "model"
    save_model(model, words)

    def table(way: str) -> DataFrame:
        return spark.read.parquet(words["slow_table" if way in SLOW else "table"])

    columns: dict[str, Callable[[], Any]] = {
        "bare Arrow UDF": lambda: bare_arrow_udf(NAMES),
        "bare pandas UDF": lambda: bare_pandas_udf(NAMES),
        "pandas UDF, cached in the worker": lambda: peer_udfs.cached_pandas_udf(package, NAMES),
        "predict_batch_udf": lambda: peer_udfs.batch_udf(package, NAMES, words["batch_rows"]),
        "MLflow spark_udf, local": lambda: mlflow_udf(spark, model, "local"),
        ISOLATED: lambda: mlflow_udf(spark, model, "uv"),
        "H2O's sample recipe": lambda: peer_udfs.sample_recipe(package, NAMES),
        "dai_spark score_udf, Arrow": score_udf(pipeline, spark=spark, udf_type="arrow", **files),
        "dai_spark score_udf, pandas": score_udf(pipeline, spark=spark, udf_type="pandas", **files),
    }
    frames: dict[str, Callable[[], DataFrame]] = {
        "bare mapInArrow": lambda: bare_frame(table(""), [KEY], FEATURES),
        "dai_spark score_dataframe": lambda: score_dataframe(
            table(""), pipeline, keep=[KEY], **files
        ),
    }
    for way, column in columns.items():
        frames[way] = lambda way=way, column=column: table(way).select(
            KEY, column().alias("prediction")
        )
    return frames


def rows_of(spark: SparkSession, words: dict[str, Any], way: str) -> int:
    """Rows of the table that a way is given."""
    return int(spark.read.parquet(words["slow_table" if way in SLOW else "table"]).count())


def save_model(folder: Path, words: dict[str, Any]) -> None:
    """Save the pipeline as an MLflow model whose environment has the pipeline's own pins."""
    home = Path(os.environ["PEER_HOME"])
    package = home / "package.txt"
    package.write_text(words["package"], encoding="utf-8")
    mlflow.pyfunc.save_model(
        path=str(folder),
        python_model=str(Path(__file__).with_name("peer_model.py")),
        artifacts={"package": str(package)},
        code_paths=[str(home / "site" / words["package"])],
        pip_requirements=words["requirements"],
    )


def mlflow_udf(spark: SparkSession, model: Path, env_manager: str) -> Any:
    """MLflow's UDF over a struct of the columns."""
    made = mlflow.pyfunc.spark_udf(
        spark, str(model), result_type=peer_udfs.STRUCT, env_manager=env_manager
    )
    from pyspark.sql import functions as F

    return made(F.struct(*NAMES))


def isolated_apart(spark: SparkSession, words: dict[str, Any], whole_s: float) -> dict[str, Any]:
    """Rows a second of MLflow's isolated mode without the start of its servers.

    From the whole table's time and half the table's: what both have in common is the start.
    """
    half = spark.read.parquet(words["half_table"])
    model = Path(os.environ["PEER_HOME"]) / "model"
    column = mlflow_udf(spark, model, "uv")
    target = Path(words["targets"]) / ISOLATED
    n_half = half.count()
    half_s = took(lambda: write_parquet(half.select(KEY, column.alias("prediction")), target))
    n_rows = rows_of(spark, words, ISOLATED)
    steady = (n_rows - n_half) / (whole_s - half_s) if whole_s > half_s else None
    return {"half_rows": n_half, "half_s": half_s, "rows_per_s_without_start": steady}


if __name__ == "__main__":
    main()
