"""A contract's file, and how a run is held against it: no table, no scoring."""

import pytest

from dai_spark.drift.distribution import Distribution
from dai_spark.drift.input_column import InputColumn
from dai_spark.errors import ContractError, OptionError
from dai_spark.table_job.contract.judge import Figures, judged, refuse_failed
from dai_spark.table_job.contract.terms import Contract
from dai_spark.table_job.settings.toml_config import read_toml

WHOLE = """
[rows]
min = 1_000
max = 5_000
min_of_last = 0.5
max_of_last = 2

[bad_rows]
max_share = 0.01

[inputs."*"]
max_null_share = 0.5

[inputs.income]
max_null_share = 0.1
min = 0
max = 1e6
max_psi = 0.25

[predictions."late.yes"]
min = 0
max = 1
min_mean = 0.2
max_mean = 0.6
max_null_share = 0
max_psi = 0.25
"""
EVEN = [i / 1000 for i in range(1001)]


@pytest.fixture
def contract(tmp_path):
    """The contract of a file."""

    def made(text):
        path = tmp_path / "contract.toml"
        path.write_text(text, encoding="utf-8")
        return Contract.of(str(path), read_toml(str(path), lambda uri: b"", "contract"))

    return made


def figures(n_rows=1001, n_bad=0, values=EVEN, null_share=0.0, top=10.0):
    """A run whose prediction and whose input lie evenly."""
    income = Distribution.of([value * top for value in values])
    column = InputColumn(n_rows, null_share, income, minimum=0.0, maximum=top)
    region = InputColumn(n_rows, 0.0, categories={"north": 0.75, "south": 0.25})
    return Figures(
        n_rows, n_bad, {"income": column, "region": region}, {"late.yes": Distribution.of(values)}
    )


def test_each_demand_is_a_check_with_found_and_allowed(contract):
    """In the order of the file; a column without a table of its own is held to the star's."""
    checks = judged(contract(WHOLE), figures(), figures())
    assert [(c.what, c.found, c.allowed) for c in checks] == [
        ("rows", "1,001", "at least 1,000"),
        ("rows", "1,001", "at most 5,000"),
        ("rows", "1,001, 1.00 of the last run's 1,001", "at least 0.5 of its rows"),
        ("rows", "1,001, 1.00 of the last run's 1,001", "at most 2 of its rows"),
        ("bad rows", "0.0000%", "at most 1.0000%"),
        ("input income, nulls", "0.0000%", "at most 10.0000%"),
        ("input income, minimum", "0", "at least 0"),
        ("input income, maximum", "10", "at most 1e+06"),
        ("input income, drift", "PSI 0.000", "at most 0.25"),
        ("input region, nulls", "0.0000%", "at most 50.0000%"),
        ("prediction late.yes, minimum", "0", "at least 0"),
        ("prediction late.yes, maximum", "1", "at most 1"),
        ("prediction late.yes, mean", "0.5", "at least 0.2"),
        ("prediction late.yes, mean", "0.5", "at most 0.6"),
        ("prediction late.yes, null or NaN", "0.0000%", "at most 0.0000%"),
        ("prediction late.yes, drift", "PSI 0.000", "at most 0.25"),
    ]
    assert {check.outcome for check in checks} == {"ok"}
    refuse_failed(contract(WHOLE), checks)


@pytest.mark.parametrize(
    ("run", "failed"),
    [
        (figures(n_rows=999), ["rows"]),
        (figures(n_rows=0), ["rows", "rows"]),
        (figures(n_rows=5001), ["rows", "rows"]),
        (figures(n_bad=11), ["bad rows"]),
        (figures(null_share=0.2), ["input income, nulls"]),
        (figures(top=2e6), ["input income, maximum", "input income, drift"]),
        (
            figures(values=[value**8 for value in EVEN]),
            ["input income, drift", "prediction late.yes, mean", "prediction late.yes, drift"],
        ),
        (
            figures(values=[*EVEN, float("nan")]),
            ["prediction late.yes, null or NaN"],
        ),
        (
            figures(values=[*EVEN, float("inf")]),
            ["prediction late.yes, minimum", "prediction late.yes, maximum"],
        ),
        # What was promised to be looked at and was not is no promise kept.
        (
            Figures(1001, 0),
            ["input income"] * 4 + ["prediction late.yes"] * 6,
        ),
    ],
    ids=["few", "none", "many", "bad", "nulls", "range", "drift", "nan", "infinite", "unmeasured"],
)
def test_what_breaks_a_demand_stops_the_commit(contract, run, failed):
    """Each is named with what was found and what is allowed."""
    checks = judged(contract(WHOLE), run, figures())
    assert [check.what for check in checks if check.outcome == "failed"] == failed
    with pytest.raises(ContractError, match="target was left as it was") as told:
        refuse_failed(contract(WHOLE), checks)
    assert told.value.status == "contract"
    for check in checks:
        assert (f"{check.what}: {check.text}" in told.value.message) == (check.outcome == "failed")


def test_a_first_run_has_nothing_to_be_compared_with(contract):
    """Its comparisons are unknown, and stop nothing."""
    checks = judged(contract(WHOLE), figures(), Figures())
    unknown = [check.what for check in checks if check.outcome == "unknown"]
    drifts = ["input income, drift", "prediction late.yes, drift"]
    assert unknown == ["rows", "rows", *drifts]
    refuse_failed(contract(WHOLE), checks)


def test_texts_drift_by_their_categories():
    """A value that has become rare, one that is new, and nulls move the index."""
    earlier = InputColumn(1000, 0.0, categories={"north": 0.75, "south": 0.25})
    assert earlier.psi(earlier) == pytest.approx(0)
    for moved in (
        InputColumn(1000, 0.0, categories={"north": 0.25, "south": 0.75}),
        InputColumn(1000, 0.0, categories={"west": 1.0}),
        InputColumn(1000, 0.5, categories={"north": 0.375, "south": 0.125}),
    ):
        assert moved.psi(earlier) > 0.25
    assert InputColumn(100, 0.0, categories={"west": 1.0}).psi(earlier) is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[row]\nmin = 1", "there is no key row; did you mean rows"),
        ("[rows]\nminimum = 1", r"no key minimum in \[rows\]; did you mean min\?"),
        ("[inputs.a]\nmax_nulls = 1", r'in \[inputs."a"\]; did you mean max_null_share'),
        ("[inputs]\nmax_null_share = 0.1", "is no table"),
        ("rows = 3", "rows is no table"),
        ("inputs = 3", "inputs is no table of columns"),
        ("[rows]\nmin = '3'", "min in .* wants a number, but is '3'"),
        ("[rows]\nmin = true", "wants a number"),
        ("[rows]\nmin = nan", "wants a number"),
        ("[rows]\nmin = -1", "below 0"),
        ("[rows]\nmin = 3\nmax = 2", "min in .* is above max"),
        ("[bad_rows]\nmax_share = 5", "a share is from 0 to 1"),
        ("[predictions.p]\nmax_psi = -0.1", "below 0"),
        ("", "demands nothing"),
        ("[rows]", "demands nothing"),
        ("[rows", "is not TOML"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused(contract, text, words):
    """By its key, with the nearest that there is."""
    with pytest.raises(OptionError, match=words):
        contract(text)


def test_a_column_that_the_pipeline_does_not_have_is_refused(contract):
    """Before anything is scored, with the nearest one."""
    found = contract("[inputs.incom]\nmin = 0\n[predictions.p]\nmin = 0")
    with pytest.raises(OptionError, match=r"never reads; did you mean income\?"):
        found.check_columns(["income"], ["p"])
    with pytest.raises(OptionError, match="never answers; there are late.yes"):
        found.check_columns(["incom"], ["late.yes"])
    contract(WHOLE).check_columns(["income"], ["late.yes"])


def test_only_what_a_contract_demands_is_counted_over_every_row(contract):
    """A limit of drift is held by the sample."""
    found = contract("[inputs.a]\nmax_psi = 1\n[inputs.b]\nmin = 0\n[inputs.c]\nmax_null_share = 1")
    assert found.counted_columns(["a", "b", "c", "d"]) == ["b", "c"]
    assert contract('[inputs."*"]\nmax_null_share = 1').counted_columns(["a", "d"]) == ["a", "d"]
