"""A job with a contract, and all that its report tells: checks, inputs, history."""

import json

import pytest
from pyspark.sql import functions as F

from dai_spark import score_table
from dai_spark.errors import ContractError, OptionError
from dai_spark.table_job.report.inputs import InputSample
from dai_spark.table_job.report.report import Report

CONTRACT = """
[rows]
min = 500
min_of_last = 0.5
[inputs."*"]
max_null_share = 0.6
[inputs.distance]
max_null_share = 0.0
min = 1
max_psi = 0.25
[predictions."late.yes"]
min = 0
max = 1
"""


@pytest.fixture
def run(spark, export, with_scorer, flights, tmp_path):
    """A night of the job: its 1,200 flights are given, its report is read back from its file."""
    (tmp_path / "contract.toml").write_text(CONTRACT, encoding="utf-8")
    flights.sample(1200, random_state=1).to_parquet(f"{tmp_path}/flights")
    flights = spark.read.parquet(f"{tmp_path}/flights")

    def night(change=lambda rows: rows, **words):
        change(flights).write.mode("overwrite").parquet(f"{tmp_path}/source")
        return score_table(
            export(),
            **with_scorer,
            **{
                "spark": spark,
                "source": f"parquet:{tmp_path}/source",
                "target": f"delta:{tmp_path}/target",
                "mode": "overwrite",
                "keep": ["flight_id"],
                "key": ["flight_id"],
                "contract": f"{tmp_path}/contract.toml",
                "report": [f"{tmp_path}/report.json", f"{tmp_path}/report.html"],
                **words,
            },
        )

    return night


def told(folder):
    """The report that lies in its file."""
    return Report.from_json((folder / "report.json").read_text(encoding="utf-8"))


# Ids are 28 apart.
HALF = "if(flight_id % 56 = 1, distance, NULL)"
BREACHES = {
    "rows": (
        lambda rows: rows.limit(400),
        r"rows: 400 \(allowed: at least 500\); rows: 400, 0\.36",
    ),
    "nulls": (
        lambda rows: rows.withColumn("distance", F.expr(HALF)),
        r"input distance, nulls: (49|50|51)\.",
    ),
    "drift": (
        lambda rows: rows.withColumn("distance", F.col("distance") * 9),
        r"distance, drift: PSI [1-9]",
    ),
    "minimum": (
        lambda rows: rows.withColumn("distance", F.col("distance") - 5_000),
        r"distance, minimum: -\d+ \(allowed: at least 1\)",
    ),
}


@pytest.mark.parametrize(
    "kinds", [("rows", "drift"), pytest.param(("nulls", "minimum"), marks=pytest.mark.long)]
)
def test_a_run_that_breaks_its_contract_leaves_the_target_as_it_was(spark, run, tmp_path, kinds):
    """Two good nights, then what the contract forbids: each is named, none is written."""
    report = run()
    assert {check.outcome for check in report.checks} == {"ok", "unknown"}
    assert told(tmp_path) == report
    again = run(lambda rows: rows.limit(1100))
    assert again.status == "done"
    found = {check.what: check for check in again.checks}
    assert found["input distance, drift"].outcome == "ok"
    assert found["key"].found.startswith("flight_id: nowhere null, nowhere twice in 1,1")
    before = spark.read.format("delta").load(f"{tmp_path}/target").collect()
    for change, words in map(BREACHES.get, kinds):
        with pytest.raises(ContractError, match=words) as raised:
            run(change)
        assert raised.value.status == "contract"
        failed = told(tmp_path)
        assert (failed.status, failed.message) == ("contract", raised.value.message)
        assert "failed" in {check.outcome for check in failed.checks}
        assert json.loads((tmp_path / "report.json").read_text())["exit_status"] == 6
    assert spark.read.format("delta").load(f"{tmp_path}/target").collect() == before
    # What was refused is nobody's last run.
    assert run(run_id="third").last_run_id == again.run_id


def test_a_contract_of_other_columns_is_refused_before_scoring(run, tmp_path):
    """By a dry run, too; with the nearest column."""
    for text, words, dry_run in (
        ('[inputs."distanc"]\nmin = 0', "did you mean distance", True),
        ('[predictions."late"]\nmin = 0', r"did you mean late\.(yes|no)", False),
        ("[rows]\nleast = 0", "no key least", False),
    ):
        (tmp_path / "contract.toml").write_text(text, encoding="utf-8")
        with pytest.raises(OptionError, match=words):
            run(dry_run=dry_run)
    assert not (tmp_path / "target").exists()


def test_a_report_tells_inputs_checks_and_earlier_runs(run, tmp_path):
    """Without a contract as well; lines of people, JSON and the page hold the same."""
    first = run(contract=None)
    second = run(lambda rows: rows.withColumn("distance", F.col("distance") * 9), contract=None)
    assert second.input_psi["distance"] > 0.25
    assert second.input_psi["carrier"] == pytest.approx(0, abs=0.02)
    assert [one.run_id for one in second.history] == [first.run_id, second.run_id]
    assert [one.n_rows for one in second.history] == [1200, 1200]
    assert [one.psi for one in second.history] == [None, pytest.approx(max(second.psi.values()))]
    text = second.text()
    digest = second.source_version
    assert len(digest) == 64
    assert f"version {digest[:12]}\n" in text
    assert digest not in text
    assert "drift       input distance: " in text
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    head = page[page.index("<header>") : page.index("</header>")]
    assert digest not in head
    assert digest in page
    for words in ("Columns that the pipeline reads", "Checks", "Last 2 runs of the target"):
        assert words in page
    assert page.count(first.run_id) >= 1
    dry = run(contract=None, dry_run=True, mode="append")
    for row in dry.preview:
        assert set(json.loads(row)) == {"flight_id", "prediction"}


def test_a_sample_tells_what_all_rows_would(spark, tmp_path):
    """300,000 rows of two partitions: nulls exactly where asked, quantiles within a hundredth."""
    rows = spark.range(0, 300_000, 1, 2).selectExpr(
        "CASE WHEN id % 4 > 0 THEN double(hash(id)) / 2147483648 END AS x",
        "IF(hash(id, 7) % 3 = 0, 'a', 'b') AS s",
        "CAST('NaN' AS double) AS nan",
        "array(1) AS odd",
    )
    sample = InputSample(rows, ["x", "s", "nan", "odd", "none"], exact=["x"])
    assert sample.frame.columns == rows.columns
    sample.frame.write.format("noop").mode("overwrite").save()
    found = sample.measured()
    assert sorted(found) == ["nan", "s", "x"]
    x = found["x"]
    assert (x.n_rows, x.null_share) == (300_000, 0.25)
    exact = rows.agg(F.min("x"), F.max("x"), F.percentile("x", [0.1, 0.5, 0.9])).collect()[0]
    assert (x.minimum, x.maximum) == (exact[0], exact[1])
    for share, value in zip((0.1, 0.5, 0.9), exact[2]):
        assert x.numbers.quantile(share) == pytest.approx(value, abs=0.1)
    assert x.numbers.n_null / x.numbers.n_rows == pytest.approx(0.25, abs=0.06)
    assert found["s"].categories["b"] == pytest.approx(2 / 3, abs=0.06)
    n_seen = found["nan"].numbers.n_nan
    assert 900 < n_seen < 2_400
    assert found["nan"].null_share == 0
