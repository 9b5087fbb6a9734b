"""Flights scored as a materialised view, and as a streaming table that takes what is new."""

from pyspark import pipelines as dp
from pyspark.sql import DataFrame, SparkSession

from dai_spark import score_udf

spark = SparkSession.active()
score = score_udf(spark.conf.get("flights.scorer"), spark=spark)
flights = spark.conf.get("flights.table")


@dp.materialized_view
def late_flights() -> DataFrame:
    """All flights, scored anew in each run."""
    scored = spark.read.parquet(flights).withColumn("prediction", score())
    return scored.select("flight_id", "carrier", "prediction.*")


@dp.table
def late_flights_so_far() -> DataFrame:
    """Each flight, scored in the run that sees it first."""
    scored = spark.readStream.parquet(flights).withColumn("prediction", score())
    return scored.select("flight_id", "carrier", "prediction.*")
