"""A table of flights in the suite's session, and what scores it."""

import pytest


@pytest.fixture(scope="session")
def flights_frame(spark, flights, tmp_path_factory):
    """The flights as a Parquet table of four files, so that a job has four tasks."""
    path = str(tmp_path_factory.mktemp("tables") / "flights")
    spark.createDataFrame(flights).repartition(4).write.parquet(path)
    return spark.read.parquet(path)


@pytest.fixture(scope="session")
def with_scorer(packed_environment, license_file):
    """The arguments that every face takes: environment and licence."""
    return {"env": packed_environment, "license_file": str(license_file)}


@pytest.fixture(scope="session")
def expected(spark, export, own_scores, flights):
    """flight_id and the pipeline's own scores, as Spark reads them: one struct a row."""
    from pyspark.sql import functions as F

    scores = own_scores(export(), flights)
    frame = spark.createDataFrame(scores.assign(flight_id=flights["flight_id"].to_numpy()))
    columns = [F.col(f"`{n}`").cast("float").alias(n) for n in scores.columns]
    return frame.select("flight_id", F.struct(*columns).alias("prediction")).cache()
