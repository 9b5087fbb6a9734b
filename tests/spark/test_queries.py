"""Where a query may have the scoring function, and what is told where a table does not fit."""

import pytest
from echo import VARIABLE, build_echo, last_given
from pyspark.errors import AnalysisException
from pyspark.sql import Window
from pyspark.sql import functions as F

from dai_spark import score_dataframe, score_table, score_udf
from dai_spark.errors import ColumnError, from_spark

LATE = "late.yes"


@pytest.fixture(scope="module")
def flights_few(flights_frame):
    """Some hundred of them, in two partitions."""
    return flights_frame.filter("flight_id % 37 = 0").repartition(2, "flight_id").cache()


@pytest.fixture(scope="module")
def scored(flights_few, expected):
    """The same with the pipeline's own scores, by a join."""
    return flights_few.join(
        expected.select("flight_id", f"prediction.`{LATE}`"), "flight_id"
    ).cache()


@pytest.fixture(scope="module")
def score(spark, export, with_scorer):
    """The function as it is by default."""
    return score_udf(export(), **with_scorer, spark=spark)


@pytest.fixture(scope="module")
def score_again(spark, export, with_scorer):
    """The function that Spark may evaluate as often as it likes."""
    return score_udf(export(), **with_scorer, spark=spark, deterministic=True)


def rows(frame):
    """All rows, in no order."""
    return sorted(map(tuple, frame.collect()))


def means(frame, column):
    return rows(frame.groupBy("carrier").agg(F.avg(column)))


def test_functions_of_a_score_that_spark_takes(spark, flights_few, scored, score):
    """A filter, a condition, a sort, a window, a view, an aggregate of a column that was scored."""
    late, own = score()[LATE], F.col(f"`{LATE}`")
    by = Window.partitionBy("carrier")

    def same(frame, other):
        assert rows(frame) == rows(other)

    same(flights_few.filter(late > 0.5).select("flight_id"),
         scored.filter(own > 0.5).select("flight_id"))  # fmt: skip
    same(flights_few.select("flight_id", F.when(F.col("month") > 6, late)),
         scored.select("flight_id", F.when(F.col("month") > 6, own)))  # fmt: skip
    same(flights_few.select("flight_id", F.rank().over(by.orderBy(late))),
         scored.select("flight_id", F.rank().over(by.orderBy(own))))  # fmt: skip
    same(flights_few.select("flight_id", F.max(late).over(by)),
         scored.select("flight_id", F.max(own).over(by)))  # fmt: skip
    found = flights_few.orderBy(late.desc(), "flight_id").select("flight_id").take(20)
    assert found == scored.orderBy(own.desc(), "flight_id").select("flight_id").take(20)
    first = flights_few.withColumn("prediction", score())
    assert means(first, f"prediction.`{LATE}`") == means(scored, own)
    flights_few.createOrReplaceTempView("few")
    spark.udf.register("score", score)
    found = spark.sql(
        f"SELECT carrier, avg(p.`{LATE}`) FROM (SELECT carrier, score(struct(*)) AS p FROM few) "
        "GROUP BY carrier"
    )
    assert rows(found) == means(scored, own)
    found = spark.sql(f"SELECT flight_id, score(struct(*)) AS p FROM few ORDER BY p.`{LATE}` DESC")
    assert found.count() == flights_few.count()


def test_structs_in_an_array_are_scored_as_rows_of_their_own(flights_few, scored, score):
    """Exploded first: in a lambda function Spark has no place for Python."""
    names = score.column_names
    arrays = flights_few.groupBy("carrier").agg(F.collect_list(F.struct(*names)).alias("all"))
    with pytest.raises(AnalysisException, match="LAMBDA_FUNCTION_WITH_PYTHON_UDF"):
        arrays.select(F.transform("all", lambda row: score(row))).collect()
    found = arrays.select("carrier", F.explode("all").alias("row")).withColumn(
        "p", score(F.col("row"))
    )
    assert rows(found.select("carrier", f"p.`{LATE}`")) == rows(
        scored.select("carrier", f"`{LATE}`")
    )


@pytest.mark.parametrize("how", ["aggregate", "group", "join", "left join"])
def test_functions_of_a_score_that_spark_refuses(flights_few, scored, score, score_again, how):
    """By a sentence of Spark's; a deterministic function, and a column scored before, do."""
    names = scored.select("carrier").distinct().withColumnRenamed("carrier", "other")

    def asked(frame, late):
        if how == "aggregate":
            return frame.groupBy("carrier").agg(F.avg(late))
        if how == "group":
            return frame.groupBy((late > 0.5).alias("is_late")).count()
        kind = "left" if how == "left join" else "inner"
        return frame.join(names, (F.col("carrier") == F.col("other")) & (late > 0.5), kind).select(
            "flight_id", "other"
        )

    with pytest.raises(AnalysisException, match="(?i)non.?deterministic"):
        asked(flights_few, score()[LATE]).collect()
    own = rows(asked(scored, F.col(f"`{LATE}`"))) if how != "left join" else None
    before = flights_few.withColumn("prediction", score())
    found = rows(asked(before, F.col("prediction").getField(LATE)))
    if own is not None:
        assert found == own
        assert rows(asked(flights_few, score_again()[LATE])) == own
    else:
        assert len(found) == flights_few.count()


# -- tables that do not fit -----------------------------------------------------------------------


@pytest.fixture
def joined(flights_few):
    """A join that leaves a column of the pipeline twice."""
    other = flights_few.select(F.col("flight_id").alias("other"), "month")
    return flights_few.join(other, flights_few["flight_id"] == other["other"])


@pytest.mark.parametrize("is_case_sensitive", ["true", "false"])
def test_a_column_that_is_there_twice_is_told(
    spark, joined, score, export, with_scorer, is_case_sensitive
):
    """By each face: not that it is lacking, and not that Spark's setting would help."""
    spark.conf.set("spark.sql.caseSensitive", is_case_sensitive)
    try:
        for keep in (None, ["flight_id"]):
            with pytest.raises(
                ColumnError, match="has several columns of one name, month, as a join"
            ):
                score_dataframe(joined, export(), **with_scorer, keep=keep)
        for given in ((), (F.struct("*"),)):
            with pytest.raises(AnalysisException, match=r"(?i)ambiguous.*month"):
                joined.select(score(*given)).collect()
        spark.udf.register("score", score)
        joined.createOrReplaceTempView("joined")
        with pytest.raises(Exception, match="month_0 and month_1") as caught:
            spark.sql("SELECT score(struct(*)) FROM joined").collect()
    finally:
        spark.conf.unset("spark.sql.caseSensitive")
    message = from_spark(caught.value).message
    assert "so Spark calls the fields of a struct that has several of one name" in message


def test_a_kept_column_that_is_there_twice_is_told(spark, flights_few, export, with_scorer):
    """Where it is not kept, it does not matter."""
    twice = flights_few.crossJoin(flights_few.select("flight_id").limit(1))
    with pytest.raises(ColumnError, match="several columns of one name, flight_id"):
        score_dataframe(twice, export(), **with_scorer)
    found = score_dataframe(twice, export(), **with_scorer, keep=["carrier"])
    assert found.count() == flights_few.count()


def test_kept_columns_that_spark_does_not_bring_to_python_are_told(
    spark, flights_few, export, with_scorer, tmp_path
):
    """Intervals of months, by each name; intervals of days come through."""
    few = flights_few.selectExpr(
        "*",
        "INTERVAL '1 2:03:04' DAY TO SECOND AS days",
        "INTERVAL '1-2' YEAR TO MONTH AS months",
        "struct(INTERVAL '1' YEAR AS y) AS inside",
    )
    with pytest.raises(
        ColumnError, match=r"does not bring to Python and back, months \(.*, inside \("
    ):
        score_dataframe(few, export(), **with_scorer)
    found = score_dataframe(few, export(), **with_scorer, keep=["flight_id", "days"])
    assert rows(found.select("flight_id", "days")) == rows(few.select("flight_id", "days"))
    source = few.drop("inside")
    source.write.parquet(str(tmp_path / "source"))
    words = {"source": f"parquet:{tmp_path}/source", "target": f"parquet:{tmp_path}/target"}
    with pytest.raises(ColumnError, match=r"does not bring to Python and back, months \("):
        score_table(pipeline=export(), **with_scorer, spark=spark, **words)
    report = score_table(
        pipeline=export(), **with_scorer, spark=spark, **words, keep=["flight_id", "days"]
    )
    assert report.n_rows == few.count()


# -- what an export does not tell ------------------------------------------------------------------


@pytest.fixture
def silent(tmp_path):
    """An export that tells no types, with an image, and what its pipeline wrote of its rows."""
    columns = [("a", "unknown"), ("b", "unknown"), ("picture", "unknown")]
    return build_echo(
        tmp_path / "silent.zip", columns, ["0_ImageOriginal:picture"]
    ), tmp_path / "told"


def warned(said):
    return [text for text in said if text.startswith("warning: ")]


def is_all(said):
    wanted = ("declares no columns", "wants numbers or text in 3 of its 3", "Column picture")
    return len(said) == 3 and all(any(words in text for text in said) for words in wanted)


@pytest.mark.parametrize("udf_type", ["arrow", "pandas"])
def test_types_that_are_not_told_are_the_tables_own(spark, silent, with_scorer, udf_type):
    """By both kinds of UDF and by `score_dataframe`, each of which warns."""
    path, told = silent
    frame = spark.sql("SELECT '7' AS a, 7L AS b, 'x.png' AS picture").coalesce(1)
    words = {**with_scorer, "env_vars": {VARIABLE: str(told)}}
    given = {
        "a": ["object", ["'7'"]],
        "b": ["float64", ["7.0"]],
        "picture": ["object", ["'x.png'"]],
    }
    said = []
    score = score_udf(path, **words, spark=spark, udf_type=udf_type, on_message=said.append)
    frame.select(score()).collect()
    assert last_given(told) == given
    assert is_all(warned(said))
    said.clear()
    frame = frame.selectExpr("7 AS a", "DATE'2020-05-08' AS b", "true AS picture")
    score_dataframe(frame, path, **words, on_message=said.append).collect()
    assert last_given(told) == {
        "a": ["float64", ["7.0"]],
        "b": ["object", ["'2020-05-08'"]],
        "picture": ["float64", ["1.0"]],
    }
    assert is_all(warned(said))


def test_a_dry_run_shows_what_an_export_does_not_tell(spark, silent, with_scorer, tmp_path):
    """Among its checks, and by messages."""
    path, told = silent
    source = str(tmp_path / "source")
    spark.sql("SELECT '7' AS a, 7L AS b, 'x.png' AS picture").write.parquet(source)
    said = []
    report = score_table(
        source=f"parquet:{source}",
        target=f"parquet:{tmp_path}/target",
        pipeline=path,
        **with_scorer,
        spark=spark,
        dry_run=True,
        on_message=said.append,
        env_vars={VARIABLE: str(told)},
    )
    assert is_all([check.found for check in report.checks if check.what == "warning"])
    assert is_all(warned(said))
    assert "!!  warning" in report.text()
