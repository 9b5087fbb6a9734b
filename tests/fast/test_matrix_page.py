"""The matrix: which lanes there are, whose turn it is, and what docs/matrix.md says of them."""

import datetime
import re

import pytest
from matrix import page
from matrix.lanes import DEFAULT, LANES, N_A_DAY, chosen, of_day

# What issues and documents name: Spark and its Pythons.
SPARKS = {"3.5.9", "4.0.5", "4.1.1", "4.2.1", "4.3.0"}
MOST_SECONDS = 180


def test_each_spark_has_a_lane_with_the_least_and_one_with_the_newest_libraries():
    """Both ends of what may be installed together."""
    least = {lane.spark for lane in LANES if lane.name.endswith("-least")}
    newest = {lane.spark for lane in LANES if lane.spark and not lane.pins and not lane.settings}
    assert least == newest == SPARKS


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


def test_an_unknown_lane_is_told():
    """With those that there are."""
    assert [lane.name for lane in chosen([])] == [lane.name for lane in LANES]
    with pytest.raises(SystemExit, match=rf"No lane is called x; there are .*{DEFAULT}"):
        chosen([DEFAULT, "x"])


def test_the_page_is_that_of_the_results():
    """It says what was tested, when and with which versions, and nothing else."""
    assert page.PAGE.read_text(encoding="utf-8") == page.page(page.read())


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
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", result["date"])
        for pin in lane.pins:
            name, _, version = pin.partition("==")
            assert not version or result["versions"][name] == version
