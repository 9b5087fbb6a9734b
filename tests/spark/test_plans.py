"""What Spark's plan says of scoring, and how much is scored by habits of notebooks."""

import pytest
from pyspark.sql import functions as F

from dai_spark import ScoringPipeline, score_dataframe, score_udf
from dai_spark.driver.metrics_sum import MetricsSum
from dai_spark.plan.spark_versions import MAP_NODES, has_arrow_udfs

LATE = "late.yes"
# Spark's default for a batch of Arrow's, which a limit cannot make smaller for mapInArrow.
BATCH_ROWS = 10_000


def python_nodes(frame):
    """The physical plan's lines in which rows meet Python, without their columns."""
    names = (*MAP_NODES, "ArrowEvalPython", "BatchEvalPython")
    plan = frame._jdf.queryExecution().executedPlan().toString()
    return [line.strip() for line in plan.splitlines() if any(name in line for name in names)]


@pytest.fixture(scope="module")
def pipeline(export, tmp_path_factory):
    """A pipeline whose file has a name with what a plan cannot have."""
    path = tmp_path_factory.mktemp("models") / "late flights (v2).zip"
    path.symlink_to(export())
    return path


def by_udf(udf_type):
    def score(frame, pipeline, with_scorer):
        words = {**with_scorer, "udf_type": udf_type, "spark": frame.sparkSession}
        return frame.withColumn("prediction", score_udf(pipeline, **words)())

    return score


def by_dataframe(frame, pipeline, with_scorer):
    return score_dataframe(frame, pipeline, **with_scorer)


@pytest.mark.parametrize("way", ["arrow", "pandas", "dataframe"])
def test_a_plan_names_the_pipeline_in_its_one_python_node(
    spark, flights_frame, pipeline, with_scorer, way, capsys
):
    """By the name of its file and the begin of its digest, whatever is asked of the prediction."""
    if way == "arrow" and not has_arrow_udfs(spark):
        pytest.skip("This Spark has no Arrow UDFs.")
    score = by_dataframe if way == "dataframe" else by_udf(way)
    scored = score(flights_frame, pipeline, with_scorer)
    late = F.col("prediction").getField(LATE)
    asked = scored.filter(late > 0.5).select("flight_id", late, "prediction.*").orderBy(late)
    name = f"score_late_flights_v2_{ScoringPipeline(pipeline).digest[:8]}("
    (node,) = python_nodes(asked)
    assert name in node
    capsys.readouterr()
    asked.explain()
    assert name in capsys.readouterr().out


def test_a_registered_function_has_the_name_of_the_user(spark, flights_frame, score):
    """SQL calls it so, and the plan too."""
    spark.udf.register("how_late", score)
    flights_frame.createOrReplaceTempView("flights")
    (node,) = python_nodes(spark.sql("SELECT how_late(struct(*)) AS p FROM flights"))
    assert "how_late(" in node


@pytest.fixture(scope="module")
def score(spark, export, with_scorer):
    """The function as it is by default."""
    return score_udf(export(), **with_scorer, spark=spark)


@pytest.mark.parametrize("way", ["udf", "dataframe"])
def test_a_limit_scores_one_batch_of_one_task(spark, flights_frame, export, with_scorer, way):
    """The five rows that are shown by a function, since Spark brings the limit below it."""
    metrics = MetricsSum(spark)
    words = {**with_scorer, "metrics": metrics}
    if way == "udf":
        made = score_udf(export(), **words, spark=spark)
        scored = flights_frame.withColumn("prediction", made())
    else:
        scored = score_dataframe(flights_frame, export(), **words)
    assert len(scored.limit(5).select("prediction").collect()) == 5
    found = metrics.metrics()

    assert found.n_tasks <= 1
    assert found.n_rows <= (5 if way == "udf" else BATCH_ROWS)


def test_what_is_cached_is_scored_once(spark, flights_frame, export, with_scorer):
    """By the first action; others, with filters and sorts of the score, read what is kept."""
    metrics = MetricsSum(spark)
    kept = score_dataframe(flights_frame, export(), **with_scorer, metrics=metrics).cache()
    n_rows = kept.count()
    late = F.col("prediction").getField(LATE)
    assert kept.filter(late > 0.5).count() < n_rows
    assert len(kept.orderBy(late).take(3)) == 3
    kept.select("prediction").toPandas()
    assert metrics.metrics().n_rows == n_rows
    kept.unpersist()
