"""The project's own rules: public names, who may import what, old syntax, changelog."""

import ast
import os
import re
import types
from pathlib import Path

import pytest
from imports import PACKAGE, imported, is_below, modules, not_offered

import dai_spark

ROOT = Path(__file__).resolve().parent.parent.parent


def test_public_names_are_the_promised_ones():
    """`from dai_spark import ...` offers the public names, and each is really there."""
    assert sorted(dai_spark.__all__) == [
        "MetricsSum",
        "PackedEnvironment",
        "Report",
        "ScoreUdf",
        "Scorer",
        "ScoringMetrics",
        "ScoringOptions",
        "ScoringPipeline",
        "ScoringTransformer",
        "open_scorer",
        "score_dataframe",
        "score_pandas",
        "score_table",
        "score_udf",
        "show_progress",
    ]
    for name in dai_spark.__all__:
        found = getattr(dai_spark, name)
        assert found.__name__ == name
        assert not isinstance(found, types.ModuleType)
    assert set(dai_spark.__all__) <= set(dir(dai_spark))


def test_an_unknown_name_is_an_attribute_error():
    """A misspelt name fails as it does in any module, although names are looked up lazily."""
    with pytest.raises(AttributeError, match="score_udv"):
        dai_spark.score_udv  # noqa: B018 - the access is what is tested


def test_every_module_lists_what_it_offers():
    """Each module has an `__all__`, and the things in it."""
    # To import MLflow starts a process: tests/mlflow/test_logged_model.py looks at its room.
    elsewhere = {"scoring_package", "sidecar", "mlflow"}
    paths = [
        path
        for path in modules(".")
        if not elsewhere & set(path.relative_to(PACKAGE).parts) and not path.stem.startswith("__")
    ]
    assert len(paths) > 200
    assert not_offered(paths) == []


@pytest.mark.parametrize(
    "path", modules("sidecar", "testing/scoring_package"), ids=lambda path: path.name
)
def test_what_runs_in_the_pipelines_python_is_python_36(path):
    """Files that old Pythons run hold no newer syntax and no module that 3.6 lacks."""
    tree = ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 6))
    assert [line for line, name in imported(path) if is_below(name, "dataclasses")] == []
    future = [name for _, name in imported(path) if is_below(name, "__future__")]
    assert future == []
    # The grammar check lets these pass: `feature_version` is a best effort.
    later = {"removeprefix", "removesuffix", "capture_output", "missing_ok", "cached_property"}
    words = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    words |= {node.arg for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg}
    assert words & later == set()


def test_changelog_tells_this_version():
    """The top entry of CHANGELOG.md is that of `__version__`."""
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    top = re.search(r"^## \[(\d+\.\d+\.\d+)\]", changelog, flags=re.MULTILINE)
    assert top is not None
    assert top.group(1) == dai_spark.__version__


def test_extras_are_those_that_the_readme_names():
    """Every extra of setup.py is explained in README.md, and no other is."""
    setup = (ROOT / "setup.py").read_text(encoding="utf-8")
    extras = setup.partition("extras_require")[2]
    declared = set(re.findall(r'^        "(\w+)": \[', extras, flags=re.MULTILINE))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set()
    for extras in re.findall(r"dai_spark\[([\w,]+)\]", readme):
        named |= set(extras.split(","))
    assert declared == named
    assert declared


def project_files():
    """Every text file of the project, without what is built, fetched or cached."""
    built = {"build", "dist", "artifacts", "spark-warehouse", "metastore_db", "__pycache__"}
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [
            name
            for name in folders
            if name == ".ci" or not (name.startswith(".") or name.endswith(".egg-info"))
            if name not in built
        ]
        for name in names:
            path = Path(folder) / name
            if path.suffix not in (".zip", ".parquet", ".png", ".log", ".pyc"):
                yield path


def test_no_file_names_a_machine_or_a_registry():
    """The project is the same wherever it was made: no folder of a machine, no registry's host."""
    hosts = [r"python[h]osted", r"pypi[.]org", r"registry[.]npm", r"repo1?[.]maven"]
    folders = [r"(?<![\w.>])/(?:root|work|farm)/"]
    pattern = re.compile("|".join([*hosts, *folders]))
    found = []
    for path in project_files():
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if pattern.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:100]}")
    assert found == []


def test_files_are_short():
    """A file of the library is about one thing: 400 lines at most."""
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text(encoding="utf-8").splitlines())
        for path in modules(".")
    }
    assert {name: n_lines for name, n_lines in lengths.items() if n_lines > 400} == {}
