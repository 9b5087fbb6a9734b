"""score_dataframe: kept columns and the prediction, row for row, checked before a task starts."""

import pytest
from chispa import assert_df_equality
from pandas.testing import assert_series_equal
from pyspark.sql import functions as F

from dai_spark import MetricsSum, score_dataframe, score_table, score_udf
from dai_spark.errors import ColumnError, EnvironmentMismatchError, OptionError
from dai_spark.local.unpacked_python import unpacked_python
from dai_spark.testing import weather_table


def test_kept_columns_come_through_with_the_pipelines_own_scores(
    flights_frame, export, with_scorer, expected
):
    """Chosen columns in the order asked for, then the struct; scores bit for bit."""
    found = score_dataframe(flights_frame, export(), **with_scorer, keep=["tailnum", "flight_id"])
    assert found.columns == ["tailnum", "flight_id", "prediction"]
    assert_df_equality(
        found.select("flight_id", "prediction"),
        expected,
        ignore_row_order=True,
        ignore_nullable=True,
    )
    assert_df_equality(
        found.select("flight_id", "tailnum"),
        flights_frame.select("flight_id", "tailnum"),
        ignore_row_order=True,
    )


def test_rows_keep_their_order_within_partitions(flights_frame, export, with_scorer):
    """Row i of a partition is scored as row i."""
    one = flights_frame.coalesce(1).sortWithinPartitions("flight_id")
    found = score_dataframe(one, export(), **with_scorer, keep=["flight_id"])
    ids = [row.flight_id for row in found.select("flight_id").collect()]
    assert ids == sorted(ids)
    assert len(ids) == flights_frame.count()


def test_all_columns_are_kept_by_default(flights_frame, export, with_scorer):
    """Users of Spark expect their table back, with one more column."""
    found = score_dataframe(flights_frame, export(), **with_scorer)
    assert found.columns == [*flights_frame.columns, "prediction"]
    assert found.filter(F.col("prediction").getField("late.yes").isNull()).count() == 0


def test_batch_rows_changes_no_score(flights_frame, export, with_scorer, expected):
    """Small batches give what large ones give."""
    few = flights_frame.filter("flight_id % 20 = 0")
    found = score_dataframe(few, export(), **with_scorer, keep=["flight_id"], batch_rows=37)
    assert_df_equality(
        found,
        expected.join(few.select("flight_id"), "flight_id"),
        ignore_row_order=True,
        ignore_nullable=True,
    )


def test_tasks_that_read_files_make_batches_of_so_many_rows(
    spark, flights_frame, export, with_scorer, expected, tmp_path, conf
):
    """More than Spark would send, since it sends none."""
    conf(spark__sql__execution__arrow__maxRecordsPerBatch="100")
    flights_frame.coalesce(1).write.parquet(str(tmp_path / "flights"))
    table, sums = spark.read.parquet(str(tmp_path / "flights")), {}
    for batch_rows in (None, 100_000):
        metrics = MetricsSum(spark)
        words = {} if batch_rows is None else {"batch_rows": batch_rows}
        found = score_dataframe(
            table,
            export(),
            **with_scorer,
            keep=["flight_id"],
            metrics=metrics,
            read="files",
            **words,
        )
        assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)
        sums[batch_rows] = metrics.metrics()
    assert sums[None].n_batches >= sums[None].n_rows / 100
    assert sums[100_000].n_batches == sums[100_000].n_tasks


def test_all_wrong_columns_are_named_before_a_task_starts(
    spark, flights_frame, export, with_scorer
):
    """Missing, uncastable and unsupported types in one message, and no job has run."""
    wrong = (
        flights_frame.drop("carrier", "origin")
        .withColumn("month", F.lit("May"))
        .withColumn("day", F.expr("INTERVAL 1 MONTH"))
        .withColumn("dest", F.array("dest"))
    )
    spark.sparkContext.setJobGroup("wrong columns", "")
    with pytest.raises(ColumnError) as caught:
        score_dataframe(wrong, export(), **with_scorer)
    assert spark.sparkContext.statusTracker().getJobIdsForGroup("wrong columns") == []
    for words in ("lacks", "carrier", "origin", "month (", "day (", "interval", "dest ("):
        assert words in caught.value.message


def test_kept_columns_must_exist_and_not_be_the_prediction(flights_frame, export, with_scorer):
    """A misspelt column of keep= and a clash of names are told, with what to do."""
    with pytest.raises(ColumnError, match=r"lacks columns that are to be kept: idd; it has"):
        score_dataframe(flights_frame, export(), **with_scorer, keep=["idd"])
    with_one = flights_frame.withColumn("prediction", F.lit(1))
    with pytest.raises(ColumnError, match="prediction="):
        score_dataframe(with_one, export(), **with_scorer)
    found = score_dataframe(with_one, export(), **with_scorer, prediction="score")
    assert found.columns[-2:] == ["prediction", "score"]


def test_decimals_score_as_the_floats_that_give_them_back(
    flights_frame, export, with_scorer, expected
):
    """Nothing is lost of distances in miles, and nothing is said."""
    said = []
    frame = flights_frame.withColumn("distance", F.col("distance").cast("decimal(38,18)"))
    found = score_dataframe(
        frame, export(), **with_scorer, keep=["flight_id"], on_message=said.append
    )
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)
    assert not [text for text in said if "decimal" in text]


def test_groups_score_as_alone_in_one_process(spark, export, with_scorer, own_scores, tmp_path):
    """Each airport's hours whole, in order, from a table that has them in any; nothing is lost."""
    weather = weather_table()[::-1].reset_index(drop=True)
    weather.loc[weather["time_hour"] >= "2013-12-01", "temp"] = None
    spark.createDataFrame(weather).repartition(7).write.parquet(f"{tmp_path}/weather")
    table = spark.read.parquet(f"{tmp_path}/weather")
    said = []
    words = {**with_scorer, "keep": ["origin", "time_hour"], "on_message": said.append}
    path = export(kind="timeseries")
    scored = score_dataframe(table, path, group_by=["origin"], order_by=["time_hour"], **words)
    assert not [text for text in said if "warning" in text]
    found = scored.select("origin", "time_hour", "prediction.temp").toPandas()
    assert len(found) == len(weather)
    for origin, rows in weather.groupby("origin"):
        rows = rows.sort_values("time_hour", kind="stable").reset_index(drop=True)
        own = own_scores(path, rows)
        ours = found[found["origin"] == origin].reset_index(drop=True)
        assert ours["time_hour"].tolist() == rows["time_hour"].tolist()
        assert_series_equal(ours["temp"], own["temp"], check_exact=True)
    score_dataframe(table, path, **words)
    assert any("reads its own target temp" in text for text in said)
    assert "scores depend on which rows are scored together" in said[-1]
    with pytest.raises(OptionError, match=r"reads its own target temp, .* give group_by=\["):
        score_udf(path, **with_scorer, spark=spark)()
    with pytest.raises(ColumnError, match="lacks columns to group or order by: airport"):
        score_dataframe(table, path, group_by=["airport"], **words)


def test_an_environment_of_another_dai_version_is_refused(flights_frame, export, with_scorer):
    """Export and environment state both their versions."""
    with pytest.raises(
        EnvironmentMismatchError, match=r"for Python 3\.8, .* exported for Python 3\.11"
    ):
        score_dataframe(flights_frame, export(dai_version="1.11.0"), **with_scorer)


def test_odd_column_names_are_scored(spark, export, with_scorer, pipeline_python, tmp_path):
    """Dots, spaces, commas, quotes, backticks and a column called prediction go by name."""
    import pandas as pd

    from dai_spark.testing import build_export

    names = ["a.b", "a b", "a,b", "it's", 'say "x"', "tick`tock", "back\\slash", "prediction", "é"]
    rows = pd.DataFrame(
        {n: [float((i * (k + 2)) % 17) for i in range(400)] for k, n in enumerate(names)}
    )
    rows["target, ARDS?"] = (rows.sum(axis=1) > 60).map({True: "yes. sure?", False: "no, never"})
    words = {"kind": "binomial", "python": pipeline_python, "n_trees": 5}
    path = build_export(tmp_path / "odd.zip", rows, "target, ARDS?", **words)
    frame = spark.createDataFrame(rows.drop(columns="target, ARDS?"))
    found = score_dataframe(frame, path, **with_scorer, keep=["a.b", "tick`tock"], prediction="p")
    assert found.columns == ["a.b", "tick`tock", "p"]
    fields = [f.name for f in found.schema["p"].dataType.fields]
    assert sorted(fields) == ["target, ARDS?.no, never", "target, ARDS?.yes. sure?"]
    sums = found.select(
        (F.col("p").getField(fields[0]) + F.col("p").getField(fields[1])).alias("sum")
    )
    assert sums.filter("abs(sum - 1) > 1e-6").count() == 0
    assert found.count() == 400


def test_an_environment_that_hosts_have_is_found_where_none_is_given(
    spark, flights_frame, export, packed_environment, license_file, expected, monkeypatch, tmp_path
):
    """By the session's setting, else by the variable; a job's report names the folder."""
    folder = str(unpacked_python(packed_environment.path).parent.parent)
    words = {"license_file": str(license_file)}
    with pytest.raises(OptionError, match=r"spark\.dai_spark\.env nor .* DAI_SPARK_ENV"):
        score_dataframe(flights_frame, export(), **words)

    monkeypatch.setenv("DAI_SPARK_ENV", folder)
    said = []
    found = score_dataframe(
        flights_frame, export(), keep=["flight_id"], on_message=said.append, **words
    )
    assert said[0] == f"environment {folder}, which DAI_SPARK_ENV names"
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)

    # What the variable names now is passed over.
    monkeypatch.setenv("DAI_SPARK_ENV", "/nowhere")
    spark.conf.set("spark.dai_spark.env", folder)
    try:
        score = score_udf(export(), on_message=said.append, **words)
        report = score_table(
            export(),
            source=f"parquet:{flights_frame.inputFiles()[0]}",
            target=f"parquet:{tmp_path}/target",
            progress=False,
            **words,
        )
    finally:
        spark.conf.unset("spark.dai_spark.env")
    assert said[-1] == f"environment {folder}, which spark.dai_spark.env names"
    found = flights_frame.select("flight_id", score().alias("prediction"))
    assert_df_equality(found, expected, ignore_row_order=True, ignore_nullable=True)
    assert report.environment == folder
    assert report.n_rows == spark.read.parquet(str(tmp_path / "target")).count() > 0
