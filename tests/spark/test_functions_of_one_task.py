"""Several functions in one query: a task does not wait for a scorer while it has one."""

import pytest
from pyspark.sql import functions as F

from dai_spark import score_udf

N_COPIES = 4


@pytest.fixture(scope="module")
def rows(spark, flights):
    """Rows and batches enough to fill all pipes between Spark and its Python workers."""
    frame = spark.createDataFrame(flights.assign(dest="x" * 600))
    name = "spark.sql.execution.arrow.maxRecordsPerBatch"
    before = spark.conf.get(name)
    spark.conf.set(name, "1000")
    yield frame.crossJoin(spark.range(N_COPIES)).repartition(2).cache()
    spark.conf.set(name, before)


@pytest.fixture(scope="module")
def classes(export):
    """A pipeline whose contributions, of each feature to each class, are many bytes a row."""
    return export(kind="multinomial", n_trees=3)


@pytest.fixture
def scoring(spark, packed_environment, license_text):
    """A function that makes functions which have one scorer and short limits."""
    words = {"env": packed_environment, "license": license_text, "max_scorers": 1, "spark": spark}
    limits = {"start_timeout_s": 10, "batch_timeout_s": 5}
    return lambda path, **options: score_udf(path, **words, **limits, **options)


def test_several_functions_with_one_scorer_finish(rows, scoring, classes, export, flights):
    """Two of one pipeline and one of another in one select, in as many workers of a task."""
    wide = scoring(classes, contributions="transformed")
    found = rows.select(wide().alias("a"), scoring(classes)().alias("b"), "*")
    found = found.withColumn("c", scoring(export(kind="regression"))())
    counts = found.agg(*[F.count(name) for name in "abc"]).first()
    assert set(counts) == {N_COPIES * len(flights)}


@pytest.mark.long
def test_a_filter_on_a_deterministic_prediction_finishes(rows, scoring, classes, flights):
    """Spark evaluates the function twice, one evaluation on top of the other."""
    score = scoring(classes, deterministic=True, contributions="transformed")
    first = score.returnType.names[0]
    scored = rows.withColumn("p", score()).where(F.col("p")[first].isNotNull())
    assert scored.agg(F.count("p")).first()[0] == N_COPIES * len(flights)
