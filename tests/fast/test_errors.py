"""The error tree: every class pickles, stands alone as text, and comes back from Spark's text."""

import ast
import pickle
from pathlib import Path

import pytest
from imports import nodes

from dai_spark import errors
from dai_spark.errors import DaiSparkError, ScoringError, from_spark, named

CLASSES = sorted(errors._tree(DaiSparkError).values(), key=lambda c: c.__name__)


@pytest.mark.parametrize("kind", CLASSES, ids=lambda c: c.__name__)
def test_every_error_pickles_with_its_details(kind):
    """An error survives the way between processes whole."""
    found = pickle.loads(pickle.dumps(kind("what, where, what to do", "line 1\nline 2")))
    assert type(found) is kind
    assert found.text == "what, where, what to do\nline 1\nline 2"


@pytest.mark.parametrize("kind", CLASSES, ids=lambda c: c.__name__)
def test_every_error_is_found_again_in_sparks_text(kind):
    """What Spark brings back as text becomes the same error, without the JVM's stack."""
    error = kind("Pipeline p failed on rows 0-9", "Traceback:\n  KeyError: 'x'")
    text = (
        "An exception was thrown from the Python worker.\nTraceback (most recent call last):\n"
        f'  File "task.py", line 1, in score\ndai_spark.errors.{kind.__name__}: {error}\n'
        "\n\tat org.apache.spark.api.python.BasePythonRunner(PythonRunner.scala:1)\n"
    )
    found = from_spark(RuntimeError(text))
    assert type(found) is kind
    assert found.text == error.text


def test_a_foreign_error_is_none_of_ours():
    """Text without an error of ours gives none."""
    assert from_spark(RuntimeError("java.lang.OutOfMemoryError")) is None


def test_an_unknown_name_is_still_an_error_of_ours():
    """An executor with a newer dai_spark may name a class that this one lacks."""
    assert named("SomethingNewer") is errors.SidecarError
    assert named("ScoringError") is ScoringError


def test_the_tree_is_in_one_file():
    """A class elsewhere would be known to those processes alone that have imported it."""
    package = Path(errors.__file__).parent
    found = [
        f"{path.relative_to(package)}: {node.name}"
        for path in package.rglob("*.py")
        if path != Path(errors.__file__)
        for node in nodes(path)
        if isinstance(node, ast.ClassDef)
        and {ast.unparse(base).rpartition(".")[2] for base in node.bases} & set(errors.__all__)
    ]
    assert found == []


def test_the_tree_at_the_top_is_the_real_one():
    """The drawing names every class, and `__all__` does."""
    for kind in CLASSES:
        assert kind.__name__ in errors.__doc__
        assert kind.__name__ in errors.__all__
