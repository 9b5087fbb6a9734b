"""The report as text, as JSON and as a page."""

import builtins
import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest
from reports import HOSTILE, YES, Read, report

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.drift.distribution import Distribution
from dai_spark.errors import OptionError
from dai_spark.metrics import ScoringMetrics
from dai_spark.table_job.report.charts import histogram
from dai_spark.table_job.report.example_rows import example_rows
from dai_spark.table_job.report.html_report import check_available, page
from dai_spark.table_job.report.outcome import STATUSES
from dai_spark.table_job.report.report import Report


def test_a_report_is_read_back_from_its_json():
    """Nothing is lost on the way through a file, and newer fields are no error."""
    there = report()
    assert Report.from_json(there.to_json()) == there
    newer = {**json.loads(there.to_json()), "invented_later": 1}
    newer["metrics"]["invented_later"] = 1
    assert Report.from_json(json.dumps(newer)) == there
    bare = report(metrics=None, verified=None, distributions={}, last_distributions={})
    assert Report.from_json(bare.to_json()) == bare


def test_the_json_holds_what_follows_from_the_figures():
    """A scheduler need not compute rates, times or indices itself."""
    told = json.loads(report().to_json())
    assert told["status"] == "done"
    assert told["n_written"] == told["n_rows"] == 12_345
    assert told["rows_per_s"] == pytest.approx(12_345 / 20)
    assert told["psi"]["late.yes"] == pytest.approx(report().psi["late.yes"])
    assert told["example_psi"] == {"late.yes": None}
    assert sum(told["time_split"].values()) == pytest.approx(told["total_s"]) == 30


def test_the_time_of_the_action_is_split_by_what_tasks_waited_for():
    """Of 40 task-seconds in 20 s, 8 waited for loading and 24 for scores."""
    assert report().time_split == pytest.approx(
        {
            "checking": 3.0,
            "shipping": 2.0,
            "loading": 4.0,
            "scoring": 12.0,
            "Spark reading and writing": 4.0,
            "writing into the target": 3.0,
            "verifying": 2.0,
        }
    )
    for unknown in ({"metrics": None}, {"n_slots": None}):
        assert report(**unknown).time_split["reading, scoring, writing"] == 20
    # Attempts that ran twice: more waiting than the action had time for.
    twice = report(metrics=ScoringMetrics(starting_s=50, waiting_s=50)).time_split
    assert twice["loading"] == twice["scoring"] == 10
    assert twice["Spark reading and writing"] == 0


def test_the_text_tells_what_was_done():
    """Rows by what became of them, drift in words, and why where it was not done."""
    text = report().text()
    for words in (
        "run-7 of job nightly",
        "12,345 rows in 20.0 s",
        "12,365 read, 12,000 inserted, 345 updated, 7 unchanged, 20 quarantined",
        "late.yes: 0.",
        "100 rows scored again, 0 differ",
        "up to       2024-03-04",
    ):
        assert words in text
    assert "status" not in text
    refused = report(status="refused", message="There is no table x.", n_rows=None)
    assert "status      refused: There is no table x." in refused.text()
    assert "rows/s" not in refused.text()
    with pytest.raises(ValueError, match="is none of"):
        report(status="splendid")


def test_the_page_shows_every_part_of_the_report():
    """Figures, both predictions with pictures, drift, bad rows, times, lineage, verification."""
    there = report()
    found = Read(page(there))
    assert found.open == []
    for words in (
        *("Done", "lake.scores", "lake.flights", "12,345", "12,365", "run-7", "run-6", "nightly"),
        *("late.no", "late.yes", "PSI", f"{there.psi['late.yes']:.3f}", "NaN", "null"),
        *("lake.bad", '{"carrier": "##"}', "ValueError: no such carrier"),
        *("shipping", "loading", "Spark reading and writing", "verifying"),
        *("9c1f" * 16, "77aa" * 16, "4e86cfd8-ba96", "2024-03-04", "100 rows of the target"),
    ):
        assert words in found.text
    assert (
        len([one for one in found.all("svg") if "picture" in one.get("aria-labelledby", "")]) == 2
    )


def test_the_page_can_be_read_without_eyes():
    """A language, one main heading, a name for each picture and section, scopes in tables."""
    found = Read(page(report()))
    assert found.all("html") == [{"lang": "en"}]
    assert len(found.all("style")) == 1
    assert len(found.all("h1")) == len(found.all("main")) == len(found.all("title")[:1]) == 1
    ids = [attributes["id"] for _, attributes in found.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for tag in ("svg", "section", "article"):
        for one in found.all(tag):
            named = one.get("aria-labelledby", "").split()
            assert set(named) <= set(ids)
            assert named or "aria-label" in one or one.get("aria-hidden") == "true"
    assert all("scope" in one for one in found.all("th"))


def test_the_page_is_one_file():
    """Nothing in it names another file, runs a script or would be loaded from a network."""
    text = page(report())
    found = Read(text)
    assert "http:" not in text
    assert "https:" not in text
    assert not re.search(r"@import|url\((?!#)", text)
    for tag, attributes in found.elements:
        assert tag not in {"script", "iframe", "object", "embed", "img", "form", "base", "a"}
        assert {"src", "srcset", "style-src", "action"} & set(attributes) == set()
        assert attributes.get("href", "#").startswith(("#", "data:,"))
        assert not [name for name in attributes if name.startswith("on")]
    (policy,) = [
        one["content"] for one in found.all("meta") if "content" in one and "'" in one["content"]
    ]
    assert policy.startswith("default-src 'none'")


def test_what_tables_say_is_text_and_never_markup():
    """Names and rows that hold tags, quotes and template code are shown as they are."""
    clean = Read(page(report()))
    names = (
        *("source", "target", "pipeline", "environment", "experiment_id", "run_id"),
        *("last_run_id", "job_name", "message", "quarantine", "source_version", "scored_at"),
        *("high_water_mark", "library_version", "environment_digest", "pipeline_digest"),
    )
    words = dict.fromkeys(names, HOSTILE)
    words |= {
        "columns": (HOSTILE,),
        "prediction": (HOSTILE, "late.yes"),
        "bad_rows": ((HOSTILE, HOSTILE),),
        "preview": (HOSTILE,),
        "distributions": {HOSTILE: Distribution.of(YES), "late.yes": Distribution.of(YES)},
        "last_distributions": {HOSTILE: Distribution.of(YES)},
    }
    found = Read(page(report(**words)))
    assert {tag for tag, _ in found.elements} <= {tag for tag, _ in clean.elements}
    assert found.text.count("<script>alert(1)</script>") > 20
    assert "49" not in found.text
    for _, attributes in found.elements:
        assert not [name for name in attributes if name.startswith("on")]


@pytest.mark.parametrize("value", [0.5, 0.0, -1e9, 1e300])
def test_one_value_is_drawn_as_one_bar(value):
    """A pipeline that answers the same for every row has a picture that shows where."""
    drawn = histogram("p", Distribution.of([value] * 600))
    path = re.search(r'id="p-this-run">\s*<path d="([^"]*)"', drawn).group(1)
    x, y = (
        np.array(numbers, "float64") for numbers in zip(*re.findall(r"([\d.]+) ([\d.]+)", path))
    )
    assert np.ptp(x) > 200
    assert np.ptp(y) > 80
    assert 0 < np.ptp(x[y == y.min()]) < 20


@pytest.mark.parametrize("status", STATUSES)
def test_every_end_has_a_page(status):
    """Also a run that was refused before anything was known."""
    nothing = Report("a", "b", "fail", "", "", "", "", (), (), None, 0.0, 0.0, status=status)
    found = Read(page(dataclasses.replace(nothing, message="For a reason.")))
    assert status.capitalize() in found.text
    assert "For a reason." in found.text


@pytest.mark.parametrize(
    "values",
    [
        [0.5] * 600,
        [0.0] * 600,
        [-1e300, 1e300] * 300,
        [1e-12, 2e-12] * 300,
        [None] * 600,
        [float("nan"), 1.0],
        [],
    ],
    ids=["one value", "zeros", "huge", "tiny", "nulls", "one number", "no rows"],
)
def test_odd_distributions_have_a_page(values):
    """One value, none, or the widest range: drawn or said, with and without a last run."""
    one = {"late.yes": Distribution.of(values)}
    for last in (one, {"late.yes": Distribution.of(YES)}):
        found = Read(page(report(distributions=one, last_distributions=last)))
        assert f"{len(values):,}" in found.text
        assert not re.search(r"\bnan\b|\binf\b", found.text)


def test_a_page_is_refused_before_anything_is_scored(monkeypatch):
    """Without the libraries that draw: one sentence that says what to install."""
    check_available()
    real = builtins.__import__

    def lacking(name, *rest):
        if name.split(".")[0] == "jinja2":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(
        "dai_spark.table_job.report.html_report.import_module",
        lambda name: lacking(name, None, None, (), 0),
    )
    with pytest.raises(OptionError, match=r"drawn with jinja2, which .* dai_spark\[report\]"):
        check_available()


def test_the_examples_rows_can_be_scored():
    """Numbers as float64, text as text, missing as missing, columns of unequal length filled."""

    class Pipeline:
        columns = (
            PipelineColumn("n", "float32", ("1.5", None, "x")),
            PipelineColumn("t", "object", ("a", None)),
        )

    found = example_rows(Pipeline())
    expected = pd.DataFrame({"n": [1.5, np.nan, np.nan], "t": ["a", None, None]})
    pd.testing.assert_frame_equal(found, expected)
    Pipeline.columns = (PipelineColumn("n", "float32"),)
    assert example_rows(Pipeline()) is None
