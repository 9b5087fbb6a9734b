"""score_table: what the target holds, refusals before anything is scored, dry run and report."""

import json

import pytest
from chispa import assert_df_equality
from pyspark.errors import AnalysisException
from pyspark.sql import functions as F

from dai_spark import score_table
from dai_spark.cli import main
from dai_spark.errors import ColumnError, OptionError, ScoringError, TableJobError
from dai_spark.testing import MARK_TEXT


@pytest.fixture(scope="module")
def source(flights_frame, tmp_path_factory):
    """The flights as Parquet: their path."""
    path = str(tmp_path_factory.mktemp("flights") / "source")
    flights_frame.write.parquet(path)
    return path


@pytest.fixture
def job(spark, export, with_scorer, source, tmp_path):
    """A function that runs the job from the flights to a fresh Parquet path."""

    def run(**words):
        words = {"source": f"parquet:{source}", "target": f"parquet:{tmp_path}/target", **words}
        return score_table(words.pop("pipeline", export()), **with_scorer, spark=spark, **words)

    return run


def test_the_target_holds_kept_columns_and_the_pipelines_own_scores(
    spark, job, expected, tmp_path, flights
):
    """Every row once, bit for bit, with the columns asked for; the report says so."""
    report = job(keep=["flight_id", "carrier"])
    found = spark.read.parquet(str(tmp_path / "target"))
    assert found.columns == ["flight_id", "carrier", "prediction", "scoring"]
    assert found.select("scoring.*").distinct().count() == 1
    assert_df_equality(
        found.select("flight_id", "prediction"),
        expected,
        ignore_row_order=True,
        ignore_nullable=True,
    )
    assert report.n_rows == len(flights)
    assert report.prediction == ("late.no", "late.yes")
    assert report.rows_per_s == pytest.approx(report.n_rows / report.scoring_s)
    told = json.loads(report.to_json())
    assert told["n_rows"] == told["metrics"]["n_rows"] == len(flights)
    assert "s in scorers" in report.text()
    assert f"{len(flights):,} rows" in report.text()


@pytest.fixture
def warnings_of_spark(spark):
    """What Spark's JVM logs as a warning; its standard error is not this process's to capture."""
    log4j = spark._jvm.org.apache.logging.log4j
    text = spark._jvm.java.io.StringWriter()
    appender = log4j.core.appender.WriterAppender.createAppender(
        None, None, text, "captured", False, False
    )
    appender.start()
    root = log4j.LogManager.getContext(False).getConfiguration().getRootLogger()
    before = root.getLevel()
    spark.sparkContext.setLogLevel("WARN")
    root.addAppender(appender, None, None)
    yield text.toString
    root.removeAppender("captured")
    spark.sparkContext.setLogLevel(before.toString())


def test_a_new_target_leaves_no_trace_in_the_log(job, spark, warnings_of_spark):
    """Of a path that is not there Spark warns with a stack trace, so the job asks before it."""
    job(keep=["flight_id"])
    assert "FileStreamSink" not in warnings_of_spark()
    assert "FileNotFoundException" not in warnings_of_spark()
    with pytest.raises(AnalysisException):
        spark.read.parquet("/no/such/path")
    assert "FileStreamSink" in warnings_of_spark()


def test_contributions_are_written_and_add_up(job, spark, tmp_path):
    """A column for each of the table's, flat, verified row by row; the sum is the margin."""
    words = {"keep": ["flight_id"], "key": ["flight_id"], "where": "flight_id % 224 = 1"}
    report = job(
        **words, contributions="original", prediction_layout="flat", verify=5, lineage=False
    )
    assert report.verified == (5, 0)
    target = f"parquet:{tmp_path}/margins"
    job(**words, target=target, margin=True, prediction_layout="flat", lineage=False)
    found = spark.read.parquet(str(tmp_path / "target"))
    margins = spark.read.parquet(str(tmp_path / "margins"))
    assert found.columns[1].startswith("contrib_")
    assert found.columns[-1] == "contrib_bias"
    assert len(margins.columns) == 2
    total = sum(F.col(f"`{name}`").cast("double") for name in found.columns[1:])
    joined = found.select("flight_id", total.alias("total")).join(margins, "flight_id")
    far = joined.agg(F.max(F.abs(F.col("total") - F.col(f"`{margins.columns[1]}`")))).collect()
    assert joined.count() == report.n_rows
    assert far[0][0] < 1e-4


def test_a_dry_run_scores_a_few_rows_and_writes_nothing(job, tmp_path):
    """Everything is checked and shown."""
    report = job(dry_run=True, keep=["flight_id"])
    assert not (tmp_path / "target").exists()
    assert len(report.preview) == 10
    assert 0 <= json.loads(report.preview[0])["prediction"]["late.yes"] <= 1
    assert "nothing was written" in report.text()


def test_what_cannot_work_is_refused_before_anything_is_scored(
    job, spark, source, tmp_path, flights_frame
):
    """No table, an unknown format, the source itself, missing columns: one sentence each."""
    with pytest.raises(TableJobError, match="There is no table parquet:/no/such"):
        job(source="parquet:/no/such")
    with pytest.raises(TableJobError, match=r"There is no table no_such_table"):
        job(source="no_such_table")
    with pytest.raises(OptionError, match="Spark has no format 'orx'"):
        job(source="orx:/x")
    with pytest.raises(TableJobError, match="are one table"):
        job(target=f"parquet:{source}/")
    flights_frame.drop("carrier", "dest").write.parquet(str(tmp_path / "few"))
    with pytest.raises(ColumnError, match=rf"Table parquet:{tmp_path}/few lacks .*carrier"):
        job(source=f"parquet:{tmp_path}/few")
    assert not (tmp_path / "target").exists()


def test_an_error_of_the_pipeline_is_raised_as_itself(job, spark, export, flights_frame, tmp_path):
    """The job says which rows failed, not that Spark failed; a new target is not left half."""
    bad = flights_frame.withColumn(
        "carrier", F.when(F.col("flight_id") == 1, MARK_TEXT).otherwise(F.col("carrier"))
    )
    bad.write.parquet(str(tmp_path / "bad"))
    with pytest.raises(ScoringError, match=r"failed on rows \d+-\d+ of partition"):
        job(source=f"parquet:{tmp_path}/bad", pipeline=export(fate="raise_in_score"))
    assert not list((tmp_path / "target").glob("*.parquet"))


def test_the_command_line_is_the_function(spark, source, export, with_scorer, tmp_path, capsys):
    """What `dai-spark score-table` parses is what score_table gets; errors are one line."""
    arguments = [
        "score-table",
        *("--pipeline", str(export()), "--env", str(with_scorer["env"].path)),
        *("--license-file", with_scorer["license_file"]),
        *("--source", f"parquet:{source}", "--target", f"parquet:{tmp_path}/cli"),
        *("--keep", "flight_id,carrier", "--batch-rows", "500"),
    ]
    assert main(arguments) == 0
    out = capsys.readouterr().out
    assert f"target      parquet:{tmp_path}/cli (mode fail)" in out
    names = ["flight_id", "carrier", "prediction", "scoring"]
    assert spark.read.parquet(f"{tmp_path}/cli").columns == names
    assert main(arguments) == 0
    assert "already done" in capsys.readouterr().out
    assert main([*arguments, "--run-id", "another"]) == 3
    errors = capsys.readouterr().err
    assert f"dai-spark: The target parquet:{tmp_path}/cli exists" in errors
    assert "Traceback" not in errors
