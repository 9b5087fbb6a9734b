"""The folder's own rule: nothing here starts a process, so that all of it tells within seconds."""

import ast
import os
from pathlib import Path

import pytest

HERE = Path(__file__).resolve().parent
FORBIDDEN = {"subprocess", "multiprocessing", "pyspark"}


@pytest.mark.parametrize(
    "start", [lambda: os.execv("/bin/true", ["true"]), os.fork], ids=["exec", "fork"]
)
def test_who_starts_a_process_fails(start):
    """In time, so that no process is there."""
    with pytest.raises(AssertionError, match="a test of tests/fast starts a process"):
        start()


def test_nothing_here_is_made_for_starting_one():
    """Neither a test nor a module of tests/ that one imports."""
    seen, wanted, found = set(), list(HERE.glob("*.py")), []
    while wanted:
        path = wanted.pop()
        seen.add(path)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in getattr(node, "names", ()) if hasattr(alias, "name")]
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            elif not isinstance(node, ast.Import):
                continue
            tops = {name.partition(".")[0] for name in names}
            found += [f"{path.name} imports {name}" for name in tops & FORBIDDEN]
            ours = {HERE.parent / f"{name}.py" for name in tops}
            wanted += [other for other in ours if other.exists() and other not in seen]
    assert found == []
