"""Bad rows: exactly these in quarantine, all others written, and a limit that is kept."""

import json

import pytest
from chispa import assert_df_equality
from linear import build_linear
from pyspark.sql import functions as F

from dai_spark import score_table
from dai_spark.errors import BadRowsError, DriftError, ScoringError
from dai_spark.table_job.table_name import TableName
from dai_spark.testing import MARK_TEXT


@pytest.fixture
def job(spark, export, with_scorer, flights_frame, tmp_path):
    """The job over 2,000 flights of which some are marked, so that the pipeline raises on them."""
    ids = [row[0] for row in flights_frame.select("flight_id").orderBy("flight_id").take(2000)]
    marked = ids[100:400:100]
    rows = flights_frame.where(F.col("flight_id").isin(ids)).coalesce(2)
    bad = F.col("flight_id").isin(marked)
    rows.withColumn("carrier", F.when(bad, MARK_TEXT).otherwise(F.col("carrier"))).write.parquet(
        f"{tmp_path}/source"
    )

    def run(**words):
        words = {
            "source": f"parquet:{tmp_path}/source",
            "target": f"delta:{tmp_path}/target",
            "key": ["flight_id"],
            "keep": ["flight_id", "month"],
            **words,
        }
        pipeline = words.pop("pipeline", None) or export(fate="raise_in_score")
        return score_table(pipeline, **with_scorer, spark=spark, **words)

    run.marked = marked
    return run


@pytest.fixture
def plain(nights):
    """A table of 2,000 rows of which three are bad, for a pipeline that loads in no time."""
    bad = "if(id IN (100, 200, 300), -1D, id)"
    return nights("delta").create(rows=f"SELECT id, {bad} FROM range(0, 2000, 1, 2)")


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        ("delta", "append"),
        pytest.param("delta", "merge", marks=pytest.mark.long),
        pytest.param("parquet", "append", marks=pytest.mark.long),
    ],
)
def test_exactly_the_bad_rows_are_set_aside(spark, job, expected, tmp_path, kind, mode):
    """With input and reason, once, also when the run is repeated; the others have their scores."""
    words = {
        "target": f"{kind}:{tmp_path}/target",
        "mode": mode,
        "quarantine": f"{kind}:{tmp_path}/bad",
    }
    report = job(**words)
    assert (report.n_scored, report.n_quarantined, report.n_read) == (1997, 3, 2000)
    bad = spark.read.format(kind).load(f"{tmp_path}/bad")
    assert sorted(row["flight_id"] for row in bad.collect()) == job.marked
    row = bad.first()
    assert json.loads(row["input"])["carrier"] == MARK_TEXT
    assert "ValueError: stand-in: raise_in_score" in row["reason"]
    assert row["scoring"]["run_id"] == report.run_id
    found = spark.read.format(kind).load(f"{tmp_path}/target").select("flight_id", "prediction")
    own = expected.join(found.select("flight_id"), "flight_id", "left_semi")
    assert found.count() == 1997
    assert_df_equality(found, own, ignore_row_order=True, ignore_nullable=True)
    assert job(**words).status == "already done"
    assert spark.read.format(kind).load(f"{tmp_path}/bad").count() == 3


def test_missing_rows_do_not_try_the_bad_ones_again(plain, tmp_path):
    """Keys in quarantine count as known until another pipeline comes."""
    words = {"incremental": "missing", "quarantine": f"delta:{tmp_path}/bad"}
    assert plain.run(**words).n_quarantined == 3
    assert plain.run(**words).status == "nothing to do"
    again = plain.run(**words, pipeline=build_linear(tmp_path / "other.zip", bad_below=-2))
    assert (again.n_scored, again.n_quarantined) == (2000, 0)


def test_more_bad_rows_than_allowed_leave_the_target_as_it_was(spark, plain, tmp_path):
    """The job fails with examples, writes its report, and touches neither table."""
    words = {"quarantine": f"delta:{tmp_path}/bad", "mode": "append"}
    with pytest.raises(BadRowsError, match=r"rows .* more than|cannot be scored"):
        plain.run(**words, max_bad_rows="2", report=[f"{tmp_path}/report.json"])
    assert json.loads((tmp_path / "report.json").read_text())["status"] == "bad rows"
    with pytest.raises(BadRowsError, match=r"3 of 2,000 rows .* more than the 2 "):
        plain.run(**words, max_bad_rows="0.1%")
    # Delta makes a folder before it has anything to commit.
    for name in (plain.target, words["quarantine"]):
        assert TableName.of(name).schema_if_exists(spark) is None
    assert plain.run(**words, max_bad_rows="0.15%").n_quarantined == 3


def test_without_a_quarantine_the_first_bad_row_fails_the_job(spark, plain):
    """The error is the pipeline's own, with rows and partition, and there is no table after it."""
    with pytest.raises(ScoringError, match=r"failed on rows \d+-\d+ of partition"):
        plain.run(mode="fail")
    assert TableName.of(plain.target).schema_if_exists(spark) is None
    assert plain.run(mode="fail", where="x >= 0").n_rows == 1997


def test_rows_of_the_target_are_scored_again(job, export):
    """--verify compares all bits with a scorer that was loaded for it."""
    report = job(pipeline=export(), verify=50)
    assert report.verified == (50, 0)
    assert "50 rows scored again, 0 differ" in report.text()


def test_verification_finds_a_row_that_was_changed(spark, nights, monkeypatch):
    """One flipped bit in the target is told."""
    from dai_spark.table_job.run import batch

    real, of = batch.verify, nights("delta").create()

    def after_a_change(context):
        spark.sql(f"UPDATE {of.scores} SET prediction.y = prediction.y + float(0.0001)")
        return real(context)

    monkeypatch.setattr(batch, "verify", after_a_change)
    report = of.run(mode="fail", verify=5)
    assert (report.verified, report.status) == ((5, 5), "differs")
    assert json.loads(report.to_json())["exit_status"] == 7
    assert report.message.startswith("5 of 5 rows of delta:")


def test_predictions_that_moved_too_far_are_not_written(spark, job, export, tmp_path):
    """The scores are staged and held against the last run's before the target is touched."""
    words = {"pipeline": export(), "mode": "append", "fail_on_drift": 0.2}
    first = job(**words, run_id="1")
    assert first.status == "done"
    assert job(**words, run_id="2").psi["late.yes"] == pytest.approx(0, abs=0.01)
    with pytest.raises(DriftError, match=r"late.yes \d"):
        job(**words, run_id="3", columns={"dep_delay": "dep_delay + 200"})
    assert spark.read.format("delta").load(f"{tmp_path}/target").count() == 4000


def test_a_dry_run_looks_at_everything_and_writes_nothing(job, export, tmp_path):
    """Check-list, plan, ten rows and an estimate; no file is made anywhere."""
    before = sorted(tmp_path.rglob("*"))
    report = job(pipeline=export(), dry_run=True, mode="merge")
    assert report.status == "dry run"
    assert len(report.preview) == 10
    checks = {check.what: check.found for check in report.checks}
    assert checks["rows"] == "2,000 to be scored"
    assert checks["key"] == "flight_id: nowhere null, nowhere twice in 2,000 rows"
    assert "will be created" in checks["target"]
    assert "free" in checks["disk"]
    assert report.plan.startswith(f"Reads parquet:{tmp_path}/source at version")
    assert report.estimate.startswith("about ")
    assert sorted(tmp_path.rglob("*")) == before
