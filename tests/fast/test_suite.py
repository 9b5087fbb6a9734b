"""The suite's own rules, as tests/README.md has them: each folder has a budget, and a turn."""

import re
from pathlib import Path

import pytest
from scopes import scope_of, turn_of

TESTS = Path(__file__).resolve().parent.parent
# Two processes for 15 minutes.
LIMIT_S = 2 * 15 * 60
# By themselves, in an environment of their own.
APART = {"airflow"}


def folders():
    """The folders that hold tests."""
    return {path.relative_to(TESTS).parts[0] for path in TESTS.glob("*/**/test_*.py")}


def test_every_folder_has_a_budget_and_all_together_fit():
    """So that a new face knows what it may take, and who adds a folder says what it costs."""
    table = (TESTS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `?([a-z ]+)`? \|.*\| (\d+|none) \|$", table, flags=re.MULTILINE)
    assert folders() <= {name for name, _ in rows}
    budgets_s = [int(budget) for _, budget in rows if budget != "none"]
    assert len(budgets_s) > 5
    assert sum(budgets_s) <= LIMIT_S


def test_every_folder_is_run():
    """By `make test` without a word."""
    pyproject = (TESTS.parent / "pyproject.toml").read_text(encoding="utf-8")
    paths = pyproject.partition("testpaths = [")[2].partition("]")[0]
    assert set(re.findall(r'"tests/(\w+)"', paths)) == folders() - APART


@pytest.mark.parametrize(
    ("nodeid", "scope", "turn"),
    [
        ("tests/fast/test_cast.py::test_x", "tests/fast/test_cast.py", 0),
        ("tests/spark/test_table_years.py::test_x[delta]", "rows of tables", 1),
        ("tests/spark/test_table_modes.py::test_x[delta]", "tables", 2),
        ("tests/cluster/test_faults_killed.py::test_x", "faults", 3),
        ("tests/cluster/test_table_jobs.py::test_x", "table jobs", 4),
        ("tests/spark/test_udf.py::test_x", "spark", 5),
        ("tests/sidecar/test_isolate.py::test_x", "tests/sidecar/test_isolate.py", 6),
    ],
)
def test_what_is_shared_is_one_scope_and_what_is_long_begins_first(nodeid, scope, turn):
    """Else a second application starts, or one process is busy while the other has ended."""
    assert (scope_of(nodeid), turn_of(nodeid)) == (scope, turn)
