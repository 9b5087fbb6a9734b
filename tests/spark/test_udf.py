"""score_udf: its forms of call, both kinds of UDF, SQL, and what Spark's plan makes of it."""

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F
from pyspark.sql.types import FloatType

from dai_spark import score_udf
from dai_spark.errors import ColumnError, OptionError, ScoringError, from_spark
from dai_spark.plan.spark_versions import has_arrow_udfs
from dai_spark.testing import MARK_TEXT


@pytest.fixture(params=["arrow", "pandas"])
def score(request, spark, export, with_scorer):
    """The scoring function, as an Arrow and as a pandas UDF."""
    if request.param == "arrow" and not has_arrow_udfs(spark):
        pytest.skip("Arrow UDFs came with Spark 4.1")
    return score_udf(export(), **with_scorer, udf_type=request.param, spark=spark)


def same(found, expected):
    """Exactly equal, row for row by flight_id, with types and names but not nullability."""
    assert_df_equality(
        found.select("flight_id", "prediction"),
        expected,
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_all_forms_of_call_give_the_pipelines_own_scores(score, flights_frame, expected):
    """Nothing, a struct, or columns in the pipeline's order: the same scores, bit for bit."""
    names = score.column_names
    same(flights_frame.withColumn("prediction", score()), expected)
    same(flights_frame.withColumn("prediction", score(F.struct("*"))), expected)
    same(flights_frame.withColumn("prediction", score(*names)), expected)
    same(flights_frame.withColumn("prediction", score(*map(F.col, names))), expected)


def test_it_scores_in_sql_with_the_type_it_has_in_python(score, spark, flights_frame, expected):
    """A registered function takes struct(*) and gives a struct of floats."""
    spark.udf.register("score", score)
    flights_frame.createOrReplaceTempView("flights")
    found = spark.sql("SELECT flight_id, score(struct(*)) AS prediction FROM flights")
    fields = found.schema["prediction"].dataType.fields
    assert [(f.name, f.dataType) for f in fields] == [
        ("late.no", FloatType()),
        ("late.yes", FloatType()),
    ]
    same(found, expected)


def test_labels_and_a_map_of_classes(score, spark, export, with_scorer, flights_frame, expected):
    """The map has what the columns have, in both kinds of UDF, and the label follows from it."""
    words = {**with_scorer, "udf_type": score.udf_type, "spark": spark}
    made = score_udf(export(), **words, labels=True, threshold=0.25, probabilities="map")
    found = flights_frame.withColumn("prediction", made()).select("flight_id", "prediction.*")
    kinds = [field.dataType.simpleString() for field in found.schema.fields[1:]]
    assert kinds == ["map<string,float>", "string"]
    joined = found.join(expected, "flight_id")
    yes = F.col("prediction").getField("late.yes")
    wrong = joined.where(
        (F.col("probabilities")["yes"] != yes)
        | (F.size("probabilities") != 2)
        | (F.col("label") != F.when(yes >= 0.25, "yes").otherwise("no"))
    )
    assert joined.count() == flights_frame.count()
    assert wrong.count() == 0
    assert {row[0] for row in found.select("label").distinct().collect()} == {"yes", "no"}
    with pytest.raises(OptionError, match="labels=True wants class probabilities"):
        score_udf(export(kind="regression"), **words, labels=True)()


def test_a_positional_call_in_sql_is_refused(score, spark, flights_frame):
    """score(*) would pass positions and score wrongly in silence; it says what to write instead."""
    spark.udf.register("score", score)
    flights_frame.createOrReplaceTempView("flights")
    for call in ("score(*)", "score(month, day)", "score(month)"):
        with pytest.raises(Exception, match=r"SELECT score\(struct\(\*\)\)") as caught:
            spark.sql(f"SELECT {call} FROM flights").collect()
        assert isinstance(from_spark(caught.value), ColumnError)


def test_the_kind_of_udf_follows_the_spark_version(spark, export, with_scorer):
    """Arrow is the default from Spark 4.1 on, pandas before."""
    score = score_udf(export(), **with_scorer, spark=spark)
    assert score.udf_type == ("arrow" if has_arrow_udfs(spark) else "pandas")


def test_making_it_starts_nothing(spark, export, packed_environment, license_file, tmp_path):
    """score_udf() itself ships nothing and runs no job; the first call runs one probe, once."""
    said = []
    words = {"env": packed_environment, "license_file": str(license_file), "spark": spark}
    made = {"idle_timeout_s": 599.0, "env_vars": {"TEST": str(tmp_path)}, "on_message": said.append}
    score = score_udf(export(), **words, **made)
    assert said == []
    score()
    assert "loading the scorer on an executor" in said[0]
    assert "scorer ready on" in said[-1]
    before = len(said)
    score()
    score_udf(export(), **words, **made)()
    assert len(said) == before


# -- how often a row is scored -----------------------------------------------------------------


def scoring_nodes(frame):
    """How many times Spark's plan goes through Python for this frame."""
    plan = frame._jdf.queryExecution().optimizedPlan().toString()
    return sum(plan.count(f"{kind}EvalPython") for kind in ("Arrow", "Batch"))


def test_two_fields_of_the_struct_are_scored_once(score, flights_frame):
    """Selecting fields apart does not run the pipeline again for each."""
    scored = flights_frame.withColumn("prediction", score())
    both = scored.select("prediction.`late.no`", "prediction.`late.yes`")
    assert scoring_nodes(both) == 1
    assert both.count() == flights_frame.count()


def test_a_filter_on_the_prediction_scores_once(score, flights_frame, expected):
    """The function is non-deterministic to Spark, so it is not evaluated again for the filter."""
    scored = flights_frame.withColumn("prediction", score()).select("flight_id", "prediction")
    found = scored.filter(F.col("prediction").getField("late.yes") > 0.5)
    assert scoring_nodes(found) == 1
    same(found, expected.filter(F.col("prediction").getField("late.yes") > 0.5))


def test_deterministic_pushes_other_filters_below_and_scores_twice_for_its_own(
    spark, export, with_scorer, flights_frame
):
    """The option's price and use, as its documentation says."""
    eager = score_udf(export(), **with_scorer, deterministic=True, spark=spark)
    scored = flights_frame.withColumn("prediction", eager())
    below = scored.filter("carrier = 'UA'")._jdf.queryExecution().optimizedPlan().toString()
    assert below.index("EvalPython") < below.index("Filter")
    above = scored.filter(F.col("prediction").getField("late.yes") > 0.5)
    assert scoring_nodes(above.select("prediction")) == 2


def test_its_metrics_are_summed_on_the_driver(score, flights_frame):
    """Every row that was scored is counted, of every job with this function."""
    assert score.metrics().n_rows == 0
    scored = flights_frame.withColumn("prediction", score())
    n_rows = flights_frame.count()
    for n_jobs in (1, 2):
        scored.select("prediction").toPandas()
        metrics = score.metrics()
        assert metrics.n_rows == n_jobs * n_rows
        assert metrics.n_tasks == n_jobs * flights_frame.rdd.getNumPartitions()
        assert metrics.scoring_s > 0
        assert metrics.received_bytes == metrics.n_rows * 2 * 4


def test_an_unused_prediction_is_not_scored(score, flights_frame):
    """A column that nobody reads costs nothing."""
    unused = flights_frame.withColumn("prediction", score()).select("flight_id")
    assert scoring_nodes(unused) == 0


def test_a_limit_is_scored_once(score, flights_frame):
    """The first rows come, from one Python node, and the worker's connection is closed early."""
    found = flights_frame.withColumn("prediction", score()).limit(3)
    assert scoring_nodes(found) == 1
    assert len(found.select("prediction").collect()) == 3


def test_only_the_pipelines_columns_are_sent(score, flights_frame):
    """score() and a struct of all columns read the used columns alone."""
    for column in (score(), score(F.struct("*"))):
        scored = flights_frame.select(column.alias("prediction"))
        plan = scored._jdf.queryExecution().optimizedPlan().toString()
        relation = plan[plan.rindex("Project") :]
        assert "carrier" in relation.partition("\n")[0]
        assert "time_hour" not in relation.partition("\n")[0]


# -- what goes wrong ---------------------------------------------------------------------------


def test_a_missing_column_is_named_by_spark(score, flights_frame):
    """Before anything runs."""
    with pytest.raises(Exception, match="`carrier`"):
        flights_frame.drop("carrier").withColumn("prediction", score())


def test_wrong_types_are_all_named_on_the_first_batch(score, flights_frame):
    """The types of a bare UDF are known with its first batch; all offenders stand in one error."""
    wrong = flights_frame.withColumn("month", F.lit("May")).withColumn("dest", F.lit(1.5))
    with pytest.raises(Exception, match="dai_spark") as caught:
        wrong.select(score()).collect()
    error = from_spark(caught.value)
    assert isinstance(error, ColumnError)
    assert "month (the pipeline wants a number" in error.message
    assert "dest (the pipeline wants text" in error.message


def test_too_few_columns_are_refused(score):
    """A positional call in Python must name as many columns as the pipeline uses."""
    with pytest.raises(ColumnError, match="uses 13 columns .* 2 are given"):
        score("month", "day")


def test_the_pipelines_own_traceback_reaches_the_driver(spark, export, with_scorer, flights_frame):
    """With pipeline, host and row range in the sentence."""
    path = export(fate="raise_in_score")
    score = score_udf(path, **with_scorer, spark=spark)
    wrong = flights_frame.withColumn(
        "carrier", F.when(F.col("flight_id") == 1, MARK_TEXT).otherwise(F.col("carrier"))
    )
    with pytest.raises(Exception, match="dai_spark") as caught:
        wrong.select(score()).collect()
    error = from_spark(caught.value)
    assert isinstance(error, ScoringError)
    assert str(path) in error.message
    assert "rows 0-" in error.message
    assert "of partition " in error.message
    assert "in score_batch" in error.details


def test_an_unknown_option_is_refused_at_once(spark, export, with_scorer):
    """A misspelt keyword is not passed over."""
    with pytest.raises(OptionError, match="unknown option batch_size"):
        score_udf(export(), **with_scorer, batch_size=5, spark=spark)


def test_empty_partitions_and_tables_have_empty_answers(score, flights_frame):
    """No rows, no load, and the same type."""
    none = flights_frame.filter("flight_id < 0").repartition(3)
    scored = none.withColumn("prediction", score())
    assert scored.select("prediction.*").columns == ["late.no", "late.yes"]
    assert scored.collect() == []
    few = flights_frame.filter("flight_id = 1").repartition(5).select(score().alias("p"))
    assert few.count() == 1
