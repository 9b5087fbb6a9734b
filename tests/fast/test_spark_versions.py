"""Versions of Spark differ in one file; no other one asks which Spark there is."""

import ast
import re

import pytest
from imports import PACKAGE, modules, nodes

HOME = PACKAGE / "plan" / "spark_versions.py"
SPARK = re.compile(r"_*(spark|session|pyspark)")
BREACHES = {
    "a comparison of spark.version": "if self._spark.version >= '4.0': pass",
    "one of a part of it": "x = int(spark.version.split('.')[0]) == 3",
    "one of pyspark's own": "import pyspark\ny = (4, 1) <= pyspark.__version__",
    "text that it begins with": "spark.version.startswith('3.5')",
    "a call that tells it": "from x import spark_version\nspark_version(spark) >= (4, 1)",
    "whether a session has a method": "hasattr(spark, 'registerProgressHandler')",
    "what a module of Spark's lacks": "from pyspark.sql import types as T\ngetattr(T, 'x', 0)",
    "an import that may fail": "try:\n    import pyspark.logger\nexcept ImportError:\n    pass",
    "the package's metadata": "from importlib.metadata import version\nversion('pyspark') < '4'",
}


def name_of(node):
    """The last name of an expression, ``spark`` of ``self._spark``."""
    return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")


def asks_spark(node):
    """Whether an expression holds a version of Spark."""
    for part in ast.walk(node):
        if isinstance(part, ast.Attribute) and part.attr in ("version", "__version__"):
            if SPARK.fullmatch(name_of(part.value)):
                return True
        elif isinstance(part, ast.Call) and name_of(part.func) in ("version", "spark_version"):
            first = part.args[0] if part.args else None
            if name_of(part.func) == "spark_version" or getattr(first, "value", "") == "pyspark":
                return True
    return False


def of_spark(found):
    """What a module calls by a name of its own and has of Spark's modules."""
    return {
        alias.asname or alias.name
        for node in found
        if isinstance(node, (ast.Import, ast.ImportFrom))
        for alias in node.names
        if (getattr(node, "module", None) or alias.name).startswith("pyspark")
    }


def breaches(all_nodes):
    """Lines of a module in which it asks for a version of Spark, or for what only some have."""
    known = of_spark(all_nodes)
    found = []
    for node in all_nodes:
        if isinstance(node, ast.Compare):
            is_breach = asks_spark(node)
        elif isinstance(node, ast.Call):
            called, first = name_of(node.func), node.args[0] if node.args else None
            is_breach = called == "startswith" and asks_spark(node.func)
            if called == "hasattr" or (called == "getattr" and len(node.args) == 3):
                is_breach = SPARK.fullmatch(name_of(first)) or name_of(first) in known
            is_breach = is_breach or called == "spark_version"
        elif isinstance(node, ast.Try):
            imports = [part for part in node.body if isinstance(part, (ast.Import, ast.ImportFrom))]
            is_breach = bool(of_spark(imports))
        else:
            continue
        if is_breach:
            found.append(node.lineno)
    return found


@pytest.mark.parametrize("text", BREACHES.values(), ids=BREACHES)
def test_a_question_is_found(text):
    """Each way to ask is seen for what it is."""
    assert breaches(list(ast.walk(ast.parse(text))))


def test_telling_a_version_is_no_question():
    """A message or a report may say which Spark there is."""
    text = "say(f'this is {spark.version}')\nversion = str(source.version)"
    assert breaches(list(ast.walk(ast.parse(text)))) == []


def test_no_other_file_asks_which_spark_there_is():
    """What differs is in one file, so that it is known what can go with a Spark that goes."""
    found = {
        str(path.relative_to(PACKAGE)): breaches(nodes(path))
        for path in modules(".")
        if path != HOME
    }
    assert len(found) > 100
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_each_difference_says_when_it_can_go():
    """In its docstring, or in the comment above it."""
    text = HOME.read_text(encoding="utf-8")
    tree = ast.parse(text)
    says = re.compile(r"can go (when|with|back)|[Cc]an\sgo\s(when|with)")
    (offered,) = [
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "__all__"
    ]
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    for name in offered:
        if name in functions:
            told = ast.get_docstring(functions[name])
        else:
            told = text[: text.index(f"\n{name} = ")].rpartition("\n\n")[2].replace("\n# ", " ")
        assert says.search(told), name
