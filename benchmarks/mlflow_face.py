"""What MLflow adds: one row through its server, and its UDF on Spark against `score_udf`.

*Direct* is `score_batch` of the same row in the pipeline's own Python.  *Empty* is MLflow's server
with a model of the same signature that answers a constant, so what is above both is ours.  The ways
take turns, call by call and run by run; each server is asked over a connection that stays open.
"""

import argparse
import contextlib
import http.client
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

import mlflow
import pandas as pd
from direct import ENVIRONMENT, FOLDER, LICENSE, fresh, prepare_files
from exports import flights_pipeline
from handle import direct_process
from mlflow_server import Server
from program import Program, tell
from pyspark.sql import functions as F
from session import start_spark
from tables import FEATURES, joined_flights

import dai_spark.mlflow
from dai_spark import score_udf

N_TREES = 100
N_ROWS = 50
WORK = FOLDER / "mlflow"
_EMPTY = """
import mlflow
import pandas as pd

class Empty(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return pd.DataFrame({"late.no": [0.5], "late.yes": [0.5]})

mlflow.models.set_model(Empty())
"""


def main() -> None:
    """Measure and write the result."""
    Program(__file__, __doc__, rows=300, repeat=5, rows_help="calls of one row, of each way").run(
        measure
    )


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """The server, then Spark."""
    prepare_files()
    work = fresh(WORK)
    os.environ["DRIVERLESS_AI_LICENSE_KEY"] = LICENSE.read_text()
    os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
    path = flights_pipeline(N_TREES)
    dai_spark.mlflow.save_model(work / "ours", path, ENVIRONMENT)
    (work / "empty.py").write_text(_EMPTY)
    signature = mlflow.models.get_model_info(str(work / "ours")).signature
    mlflow.pyfunc.save_model(
        str(work / "empty"),
        python_model=str(work / "empty.py"),
        signature=signature,
        pip_requirements=[],
    )
    served = one_row_ms(path, work, arguments.rows)
    tell(f"one row: {served}")
    spark = on_spark(path, work, arguments.repeat)
    tell(f"Spark: {spark}")
    added = served["served"]["p50_ms"] - served["direct"]["p50_ms"] - served["empty"]["p50_ms"]
    return {
        "trees": N_TREES,
        "one_row": served,
        "over_direct_and_empty_ms": added,
        "to_reach_ms": 10.0,
        "spark_s": spark,
        "over_score_udf": {
            way: seconds / spark["score_udf"] for way, seconds in spark.items() if way != "rows"
        },
        "to_reach_over_score_udf": 1.15,
    }


def one_row_ms(path: Path, work: Path, n_calls: int) -> dict[str, dict[str, float]]:
    """Median and 99th percentile of calls of one row, the ways in turn."""
    table = joined_flights()[list(FEATURES)].iloc[:: len(joined_flights()) // N_ROWS]
    bodies = [
        json.dumps({"dataframe_split": json.loads(table.iloc[[i]].to_json(orient="split"))})
        for i in range(N_ROWS)
    ]
    seconds: dict[str, list[float]] = {"direct": [], "empty": [], "served": []}
    with contextlib.ExitStack() as stack:
        direct = stack.enter_context(direct_process(path, table, 0))
        empty = stack.enter_context(asked(work / "empty"))
        served = stack.enter_context(asked(work / "ours"))
        for number in range(-20, n_calls):
            body = bodies[number % N_ROWS]
            taken = {"direct": direct(1)[0], "empty": empty(body), "served": served(body)}
            if number >= 0:
                for way, taken_s in taken.items():
                    seconds[way].append(taken_s)
    return {
        way: {
            "p50_ms": statistics.median(found) * 1000,
            "p99_ms": statistics.quantiles(found, n=100)[98] * 1000,
        }
        for way, found in seconds.items()
    }


@contextlib.contextmanager
def asked(model: Path) -> Iterator[Callable[[str], float]]:
    """A server of a model: from the body of a request to the seconds of its answer."""
    server = Server(str(model), model.with_suffix(".log"))
    try:
        server.wait()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)

        def ask(body: str) -> float:
            begun = time.perf_counter()
            connection.request("POST", "/invocations", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            taken_s = time.perf_counter() - begun
            assert answer.status == 200, text
            return taken_s

        yield ask
        connection.close()
    finally:
        server.close()


def on_spark(path: Path, work: Path, repeat: int) -> dict[str, float]:
    """Median seconds of each UDF over all flights, the ways in turn."""
    spark = start_spark()
    table: pd.DataFrame = joined_flights()
    source = str(work / "flights")
    spark.createDataFrame(table[list(FEATURES)]).repartition(4).write.parquet(source)
    rows = spark.read.parquet(source)
    theirs = mlflow.pyfunc.spark_udf(
        spark,
        str(work / "ours"),
        env_manager="local",
        extra_env={"DRIVERLESS_AI_LICENSE_KEY": LICENSE.read_text()},
    )
    names = [
        column.name for column in mlflow.models.get_model_info(str(work / "ours")).signature.inputs
    ]
    ways = {
        "score_udf": score_udf(path, ENVIRONMENT, license=LICENSE.read_text())(),
        "spark_udf, a struct": theirs(F.struct(*names)),
        "spark_udf, columns": theirs(*names),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for number in range(repeat + 1):
        for way, column in ways.items():
            begun = time.perf_counter()
            rows.select(column).write.format("noop").mode("overwrite").save()
            # The first of each imports MLflow, and loads the pipeline.
            if number:
                seconds[way].append(time.perf_counter() - begun)
    spark.stop()
    return {"rows": len(table), **{way: statistics.median(s) for way, s in seconds.items()}}


if __name__ == "__main__":
    main()
