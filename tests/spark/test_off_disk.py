"""Functions that would be too large for Spark's memory: the licence is in no file of Spark's."""

import dataclasses
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from dai_spark.driver.dataframe import score_dataframe
from dai_spark.driver.off_disk import off_disk
from dai_spark.driver.udf import score_udf
from dai_spark.errors import OptionError

N_COLUMNS = 300
N_CHARS = 4_000
THRESHOLD = "spark.broadcast.UDFCompressionThreshold"


def holding(spark, text):
    """Files of Spark's own folders that hold a text."""
    blocks = spark.sparkContext._jvm.org.apache.spark.SparkEnv.get().blockManager()
    folders = {Path(spark.sparkContext._temp_dir).parent}
    folders |= {Path(path.toString()) for path in blocks.diskBlockManager().localDirs()}
    assert all(folder.is_dir() for folder in folders)
    return [
        path for folder in folders for path in folder.rglob("*") if text.encode() in content(path)
    ]


def content(path):
    """Bytes of a file; none of a folder, nor of a file that Spark's cleaner has just removed."""
    try:
        return path.read_bytes() if path.is_file() else b""
    except FileNotFoundError:
        return b""


@pytest.fixture
def threshold(spark):
    """A function that sets how large a function may be that Spark keeps in memory."""
    conf = spark.sparkContext._jsc.sc().conf()
    yield lambda n_bytes: conf.set(THRESHOLD, str(n_bytes))
    conf.remove(THRESHOLD)


def test_a_function_of_more_than_a_megabyte_leaves_no_licence_in_a_file(
    spark, export, flights_frame, expected, with_scorer, license_text
):
    """By names of kept columns (12,000 columns take Spark minutes); scores are the pipeline's."""
    wide = flights_frame.limit(3).select(
        "*", *[F.lit(float(i)).alias(f"{i:0{N_CHARS}d}") for i in range(N_COLUMNS)]
    )
    marker = spark.sparkContext.broadcast("what a search that works does find")
    scored = score_dataframe(wide, export(), **with_scorer)
    assert len(scored.columns) == len(wide.columns) + 1
    rows = scored.select("flight_id", "prediction").collect()
    own = {row["flight_id"]: row["prediction"] for row in expected.collect()}
    assert len(rows) == 3
    assert all(row["prediction"] == own[row["flight_id"]] for row in rows)
    assert holding(spark, "what a search that works does find")
    marker.destroy()
    assert holding(spark, license_text) == []
    assert holding(spark, license_text.rpartition(".")[2]) == []


@pytest.mark.parametrize("udf_type", ["arrow", "pandas"])
def test_a_udf_and_its_probe_leave_no_licence_in_a_file(
    spark, export, flights_frame, expected, with_scorer, license_text, threshold, udf_type
):
    """Packed by a lower limit; its metrics come back, and the scores are the pipeline's own."""
    if udf_type == "arrow" and not hasattr(
        __import__("pyspark.sql.functions").sql.functions, "arrow_udf"
    ):
        pytest.skip("Spark has Arrow UDFs from 4.1 on")
    threshold(12_000)
    score = score_udf(export(), udf_type=udf_type, **with_scorer)
    rows = flights_frame.limit(3).select("flight_id", score().alias("prediction")).collect()
    own = {row["flight_id"]: row["prediction"] for row in expected.collect()}
    assert all(row["prediction"] == own[row["flight_id"]] for row in rows)
    assert score.func.__code__.co_filename.endswith("packed_function.py")
    assert score.metrics().n_rows == len(rows) == 3
    assert holding(spark, license_text) == []


def test_what_is_too_large_even_packed_is_refused(
    spark, export, flights_frame, with_scorer, threshold
):
    """Before a file is written; the sentence names the settings."""
    score = score_udf(export(), **with_scorer)
    plan = score.plan
    threshold(600)
    with pytest.raises(OptionError, match=f"more than 600 to its disks .{THRESHOLD}.; raise"):
        score_udf(export(), **with_scorer)()
    # Without a licence there is nothing to keep.
    whole = (str, "a int")
    assert off_disk(spark, dataclasses.replace(plan, license=None), *whole) == whole
