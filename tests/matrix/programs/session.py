"""The session of a smoke program: classic or over Connect, with what the lane says."""

import time

from pyspark.sql import SparkSession
from pyspark.sql import functions as F


def begin(given, smoke, folder):
    """Start the session that a program was told of, and note how long that took."""
    begun = time.monotonic()
    builder = SparkSession.builder
    is_connect = given["api"] == "connect"
    builder = builder.remote("local[2]") if is_connect else builder.master("local[2]")
    settings = {
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.sql.shuffle.partitions": "2",
        **given["settings"],
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
    }
    for name, value in settings.items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.range(1).collect()
    smoke.note(f"start of {given['api']} session", begun)
    return spark


def rows(frame, names):
    """What a scored frame holds, by Python's own numbers: keys, and the columns of scores."""
    scores = [F.col("prediction").getField(name) for name in names]
    named = [score.alias(f"score_{i}") for i, score in enumerate(scores)]
    return [(row[0], row[1:]) for row in frame.select("flight_id", *named).collect()]
