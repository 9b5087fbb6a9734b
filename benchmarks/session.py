"""Spark sessions for benchmarks: quiet, on stated cores, with files of their own."""

import atexit
import os
import shutil
import sys
from pathlib import Path

from direct import FOLDER
from pyspark.sql import SparkSession

N_CORES = 2
BATCH_ROWS = 10_000
# Sidecars work below it, so that the processes of a session can be told from others.
LOCAL_FOLDER = FOLDER / f"spark-local-{os.getpid()}"


def start_spark(
    master: str = f"local[{N_CORES}]", batch_rows: int = BATCH_ROWS, **settings: str
) -> SparkSession:
    """Start Spark.

    Parameters
    ----------
    master : str
        By default as many cores as direct scoring has processes.
    batch_rows : int
        Rows of an Arrow batch; Spark's own default.
    **settings
        Further settings, their dots written as two underscores.
    """
    LOCAL_FOLDER.mkdir(parents=True, exist_ok=True)
    atexit.register(shutil.rmtree, LOCAL_FOLDER, ignore_errors=True)
    os.environ.update(
        SPARK_LOCAL_IP="127.0.0.1",
        SPARK_LOCAL_HOSTNAME="localhost",
        SPARK_LOCAL_DIRS=str(LOCAL_FOLDER),
        PYSPARK_PYTHON=sys.executable,
        PYSPARK_DRIVER_PYTHON=sys.executable,
    )
    builder = (
        SparkSession.builder.master(master)
        .config("spark.driver.memory", "3g")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.execution.arrow.maxRecordsPerBatch", str(batch_rows))
        .config("spark.sql.warehouse.dir", str(FOLDER / "warehouse"))
    )
    for name, value in settings.items():
        builder = builder.config(name.replace("__", "."), value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("OFF")
    return spark


def java_pid(spark: SparkSession) -> int:
    """Process id of the driver's JVM, which in local mode is the executor too."""
    return int(spark.sparkContext._jvm.ProcessHandle.current().pid())


def write_away(frame: object) -> None:
    """Compute every row of a DataFrame and keep none."""
    frame.write.format("noop").mode("overwrite").save()


def write_parquet(frame: object, folder: Path) -> None:
    """Compute a DataFrame into a folder that is replaced."""
    frame.write.mode("overwrite").parquet(str(folder))
