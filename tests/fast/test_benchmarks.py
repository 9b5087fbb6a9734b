"""The programs of benchmarks/, which take too long to be run by the suite."""

import ast
import importlib
import importlib.util
from pathlib import Path

import pytest

PROGRAMS = sorted((Path(__file__).parents[2] / "benchmarks").glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_what_a_program_takes_of_the_package_is_there(program):
    """Also what it imports within a task, which is found out there otherwise."""
    wanted = [
        (node.module, name.name)
        for node in ast.walk(ast.parse(program.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("dai_spark")
        for name in node.names
    ]
    missing = [f"{module}.{name}" for module, name in wanted if not is_there(module, name)]
    assert not missing


def is_there(module, name):
    found = importlib.import_module(module)
    if hasattr(found, name):
        return True
    return importlib.util.find_spec(f"{module}.{name}") is not None
