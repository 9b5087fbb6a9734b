"""What a report lists: checks, columns that the pipeline reads, earlier runs."""

import dataclasses

import numpy as np
import pytest
from reports import HOSTILE, Read, report

from dai_spark.drift.distribution import Distribution
from dai_spark.drift.input_column import InputColumn
from dai_spark.table_job.lineage import RunRecord
from dai_spark.table_job.report.check import Check
from dai_spark.table_job.report.history import MAX_RUNS, PastRun, past_runs
from dai_spark.table_job.report.html_report import page
from dai_spark.table_job.report.report import Report

MILES = np.random.default_rng(5).normal(800, 200, 2_000)
LISTS = {
    "checks": (
        Check("columns", "all 2 are there"),
        Check("rows", "no earlier run", "at least 0.5 of its rows", "unknown"),
        Check("input distance, drift", "PSI 0.9", "at most 0.25", "failed"),
        Check("warning", HOSTILE, outcome="warning"),
    ),
    "inputs": {
        "carrier": InputColumn(9_000, 0.0, categories={"UA": 0.6, HOSTILE: 0.4}),
        "distance": InputColumn(9_000, 0.25, Distribution.of(MILES)),
        "gone": InputColumn(9_000, 1.0, Distribution.of([None])),
    },
    "last_inputs": {
        "carrier": InputColumn(9_000, 0.0, categories={"UA": 0.6, HOSTILE: 0.4}),
        "distance": InputColumn(9_000, 0.0, Distribution.of(MILES + 500)),
    },
    "history": (
        PastRun("run-6", "nightly", "2024-03-04T02:14:33.000+00:00", "merge", "4e86cfd8-ba96"),
        PastRun("run-7", HOSTILE, "2024-03-05T02:14:33.000+00:00", "merge", "4e", "8", 7_001, 0.1),
    ),
    "details": f"java.lang.IllegalStateException: {HOSTILE}\n\tat org.apache.spark.X",
}


def test_lists_are_read_back_from_json():
    """Also where a newer version has put more into them."""
    there = report(**LISTS)
    assert Report.from_json(there.to_json()) == there


def test_the_text_has_what_was_held_to_a_limit_or_is_not_right():
    """And columns that have moved; what was simply right stands in the files."""
    lines = report(**LISTS).text().splitlines()
    checks = [line for line in lines if line.startswith("check ")]
    assert [line.split()[1] for line in checks] == ["??", "XX", "!!"]
    assert "input distance, drift: PSI 0.9 (allowed: at most 0.25)" in checks[1]
    (moved,) = (line for line in lines if line.startswith("drift       input"))
    assert moved.split()[2] == "distance:"


def test_no_digest_stands_in_a_head():
    """A version that is a digest is short there, and whole in the lineage and in JSON."""
    digest = "4f" * 32
    made = report(source_version=digest)
    assert digest not in made.text()
    assert f"version {digest[:12]}\n" in made.text()
    text = page(made)
    head = text[text.index("<header>") : text.index("</header>")]
    assert digest not in head
    assert digest[:12] in head
    assert digest in text
    assert Report.from_json(made.to_json()).source_version == digest
    assert report(source_version="118").short_version == "118"


def test_the_page_shows_all_lists():
    """Each check with its outcome, what moved most first, a bar for each run; all as text."""
    text = page(report(**LISTS))
    found = Read(text)
    assert not found.all("script")
    assert not found.all("img")
    for words in (
        "Checks",
        "at least 0.5 of its rows",
        "Columns that the pipeline reads",
        "Last 2 runs of the target",
        "7,001",
        "What the message rests on",
        "at org.apache.spark.X",
        "25.00%",
    ):
        assert words in found.text
    assert text.index(">distance<") < text.index(">carrier<")
    bars = [one for one in found.all("rect") if one.get("width") == "8"]
    assert [one["fill"] for one in bars] == ["var(--part-1)", "var(--this-run)"]
    bare = Read(page(report())).text
    for words in ("Checks", "Columns that the pipeline reads", "runs of the target"):
        assert words not in bare


@pytest.mark.parametrize("n_commits", [0, 2, 100])
def test_earlier_runs_come_from_the_commits(n_commits):
    """The newest of them, the oldest first; commits of others are left out, no more are read."""
    record = RunRecord("nightly", "", "merge", "4e86", "d", "e", "lake.flights", "7")
    read = []

    def records():
        for i in range(n_commits):
            read.append(i)
            yield None if i % 2 else dataclasses.replace(record, run_id=f"run-{i}")

    found = past_runs(records(), {"run-0": {"n_rows": 5, "psi": None}})
    expected = [f"run-{i}" for i in range(0, n_commits, 2)][:MAX_RUNS]
    assert [one.run_id for one in found] == expected[::-1]
    assert len(read) <= 2 * MAX_RUNS
    if n_commits:
        assert found[-1].n_rows == 5
        assert {one.n_rows for one in found[:-1]} <= {None}
