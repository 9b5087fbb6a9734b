"""The matrix: which lanes there are, whose turn it is, and what docs/matrix.md says of them."""

import datetime
import re

import pytest
from matrix import page
from matrix.lanes import DEFAULT, LANES, N_A_DAY, chosen, of_day

# What is promised: the newest Spark of each line, the Pythons of its workers, and what each of
# Driverless AI's lines runs on.
SPARKS = {"3.5.9", "4.0.5", "4.1.1", "4.2.1", "4.3.0"}
NEWEST = (SPARKS - {"4.1.1"}) | {"4.1.4"}
PYTHONS = {
    "3.5.9": {"3.9", "3.10", "3.11"},
    "4.0.5": {"3.9", "3.10", "3.12"},
    "4.1.1": {"3.10", "3.11", "3.13", "3.14"},
    "4.2.1": {"3.10", "3.12"},
    "4.3.0": {"3.11", "3.12", "3.13", "3.14"},
}
PIPELINE_PYTHONS = {"1.8": "3.6", "1.10": "3.8", "1.11": "3.11"}
MOST_SECONDS = 180


def test_each_spark_has_a_lane_with_the_least_and_one_with_the_newest_libraries():
    """Both ends of what may be installed together."""
    least = {lane.spark for lane in LANES if lane.name.endswith("-least")}
    newest = {lane.spark for lane in LANES if lane.spark and not lane.pins and not lane.settings}
    assert least == SPARKS
    assert newest >= SPARKS | NEWEST


def test_each_python_of_workers_and_of_pipelines_has_a_lane():
    """Workers by Spark, pipelines by the line of Driverless AI."""
    for spark, pythons in PYTHONS.items():
        assert {lane.python for lane in LANES if lane.spark == spark} >= pythons
    assert {lane.dai for lane in LANES} == set(PIPELINE_PYTHONS)


def test_settings_that_a_session_starts_with_have_a_lane():
    """Those of a running session are in tests/spark/test_session_settings.py."""
    settings = {name for lane in LANES for name in lane.settings}
    assert settings == {"spark.python.use.daemon", "spark.executor.pyspark.memory"}


def test_tables_have_a_lane_where_there_are_jars():
    """Those of 4.1 are in the suite's own session."""
    formats = {
        lane.spark: {jar.partition(":")[0] for jar in lane.tables} for lane in LANES if lane.tables
    }
    both = {"io.delta", "org.apache.iceberg"}
    assert formats == {"3.5.9": both, "4.0.5": both, "4.2.1": {"io.delta"}}


def test_the_default_lane_is_what_developers_work_with():
    """Spark by the developers' lock, so that the other lanes are those that `make test` lacks."""
    (lane,) = chosen([DEFAULT])
    lock = (page.ROOT / "requirements-dev.in").read_text(encoding="utf-8")
    assert f"pyspark[connect,sql]=={lane.spark}" in lock
    bootstrap = (page.ROOT / "scripts" / "bootstrap").read_text(encoding="utf-8")
    assert f"requirements-dev.lock {lane.python} " in bootstrap


def test_each_lane_has_its_turn():
    """Two others a day, the same ones all day, and all of them within so many days."""
    first = datetime.date(2026, 11, 27)
    assert of_day(first) == of_day(first)
    seen = set()
    for day in range(-(-(len(LANES) - 1) // N_A_DAY)):
        lanes = of_day(first + datetime.timedelta(days=day))
        assert len({lane.name for lane in lanes}) == N_A_DAY
        seen |= {lane.name for lane in lanes}
    assert seen == {lane.name for lane in LANES} - {DEFAULT}


def test_ci_runs_the_lanes_of_the_day():
    """After the suite, whose time they are not to take."""
    steps = (page.ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [step for step in steps if step.startswith("make ")] == [
        "make test",
        "make test-matrix LANES=--today",
    ]


def test_an_unknown_lane_is_told():
    """With those that there are."""
    assert [lane.name for lane in chosen([])] == [lane.name for lane in LANES]
    with pytest.raises(SystemExit, match=rf"No lane is called x; there are .*{DEFAULT}"):
        chosen([DEFAULT, "x"])


def test_the_page_is_that_of_the_results():
    """It says what was tested, when and with which versions, and nothing else."""
    assert page.PAGE.read_text(encoding="utf-8") == page.page(page.read())


def test_the_tests_that_the_page_names_are_there():
    """What no lane has is tried elsewhere."""
    named = re.findall(r"`(tests/\S+\.py)`", page.PAGE.read_text(encoding="utf-8"))
    assert len(named) >= 6
    assert [name for name in named if not (page.ROOT / name).exists()] == []


def test_every_lane_was_run_and_gave_the_right_scores():
    """In three minutes, with the versions that its name says."""
    results = page.read()
    assert set(results) == {lane.name for lane in LANES}
    for lane in LANES:
        result = results[lane.name]
        assert result["outcome"] == "right", result["ways"]
        assert set(result["ways"].values()) == {"right"}
        assert len(result["ways"]) >= 3
        assert 0 < result["seconds"] <= MOST_SECONDS
        assert result["versions"].get("pyspark") == lane.spark
        assert result["versions"]["python"].startswith(f"{lane.python}.")
        assert result["pipeline"]["Python"].startswith(f"{PIPELINE_PYTHONS[lane.dai]}.")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", result["date"])
        for pin in lane.pins:
            name, _, version = pin.partition("==")
            assert not version or result["versions"][name] == version
