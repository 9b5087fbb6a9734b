"""The Python of README.md and docs/ runs: in the suite's session, with a stand-in of its names."""

import ast
import os
import sys
from unittest import SkipTest

import pages
import pandas as pd
import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from dai_spark import score_udf
from dai_spark.testing import build_export

N_ROWS = 200


@pytest.fixture(scope="module")
def table():
    """Customers: an id, the pipeline's columns a and b, and what groups and sorts them."""
    rows = range(N_ROWS)
    return pd.DataFrame(
        {
            "id": list(rows),
            "a": [float(i * 37 % 101) for i in rows],
            # As a: which of the two stand-ins have first is theirs, and README's score("a", "b").
            "b": [float(i * 37 % 101) for i in rows],
            "store": [i % 4 for i in rows],
            "item": [i % 3 for i in rows],
            "week": [i // 12 for i in rows],
        }
    )


@pytest.fixture(scope="module")
def folder(table, pipeline_python, packed_environment, license_file, tmp_path_factory):
    """Where the reader works: scorer.zip, the archive and the licence under the pages' names."""
    folder = tmp_path_factory.mktemp("reader")
    build_export(
        folder / "scorer.zip",
        table[["a", "b"]].assign(late=(table["a"] > 60).map({False: "no", True: "yes"})),
        "late",
        kind="binomial",
        python=pipeline_python,
        n_trees=5,
    )
    # What an archive is packed with is told by its bytes, not by its name.
    for name in ("dai-1.10.tar.gz", "dai-1.10.tar.zst"):
        (folder / name).symlink_to(packed_environment.path)
    (folder / "license.sig").symlink_to(license_file)
    table.to_csv(folder / "rows.csv", index=False)
    return folder


@pytest.fixture
def given(spark, table, folder, license_text, monkeypatch):
    """What the prose takes for granted, in the reader's folder."""
    monkeypatch.chdir(folder)
    monkeypatch.setenv("DRIVERLESS_AI_LICENSE_KEY", license_text)
    # One task a job: what is tried is what the pages say, not how it spreads.
    df = spark.createDataFrame(table).coalesce(1)
    df.createOrReplaceTempView("customers")
    yield {
        "F": F,
        "df": df,
        "env": "dai-1.10.tar.zst",
        "pdf": table,
        "score": score_udf("scorer.zip", env="dai-1.10.tar.zst"),
        "spark": spark,
    }
    spark.sql("DROP TABLE IF EXISTS scores")
    spark.catalog.dropTempView("customers")


@pytest.fixture
def evaluate():
    """Run a block, and each DataFrame that it shows; `evaluate.shown` has what these held."""
    shown = []

    def see(value):
        if isinstance(value, DataFrame):
            shown.append(value.toPandas())

    def run(example):
        # A path that stands for one of the reader's.
        if "/path/to/" in example.parsed:
            raise SkipTest("names a path of the reader's")
        tree = ast.parse("\n" * (example.line + example.parsed.line_offset) + example.parsed)
        for statement in tree.body:
            if isinstance(statement, ast.Expr):
                call = ast.Call(ast.Name("_see", ast.Load()), [statement.value], [])
                statement.value = ast.copy_location(call, statement)
        code = compile(ast.fix_missing_locations(tree), os.fspath(example.path), "exec")
        exec(code, {**example.namespace, "_see": see}, example.namespace)

    run.shown = shown
    return run


def test_readme(given, evaluate, capsys):
    """Every form scores every row alike, and the table that it prints has the printed columns."""
    readme = pages.ROOT / "README.md"
    n_run, reasons = pages.run(readme, evaluate, **given)
    assert n_run >= 4
    assert reasons == ["names a path of the reader's"]
    by_name, by_struct, by_place, by_sql = evaluate.shown
    assert len(by_name) == N_ROWS
    for other in (by_struct, by_place, by_sql):
        assert list(other["prediction"]) == list(by_name["prediction"])
    head = next(line for line in readme.read_text().splitlines() if line.startswith("# | id|"))
    printed = next(line for line in capsys.readouterr().out.splitlines() if "late.no" in line)
    assert [word.strip() for word in printed.split("|")] == [
        word.strip() for word in head.removeprefix("# ").split("|")
    ]


@pytest.mark.parametrize("name", ["scoring", "environment_for_your_pipeline"])
def test_page(name, given, evaluate, folder):
    """Each block runs, and what it shows holds a score for every row."""
    n_run, reasons = pages.run(pages.ROOT / "docs" / f"{name}.md", evaluate, **given)
    assert n_run >= 1
    assert reasons == []
    for frame in evaluate.shown:
        assert len(frame) == N_ROWS
        assert frame["prediction"].notna().all()


@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(sys.version_info < (3, 10), reason="MLflow has left Python 3.9")
def test_page_of_mlflow(given, evaluate):
    """Each block runs with a store in the reader's folder, and the UDF scores every row."""
    from mlflow_store import imported

    mlflow = imported()
    before = mlflow.get_tracking_uri()
    try:
        n_run, reasons = pages.run(pages.ROOT / "docs" / "mlflow.md", evaluate, **given)
    finally:
        mlflow.set_tracking_uri(before)
    assert n_run >= 5
    assert reasons == []
    (scored,) = evaluate.shown
    assert len(scored) == N_ROWS
    assert scored["prediction"].notna().all()


@pytest.mark.filterwarnings("default")
@pytest.mark.skipif(sys.version_info < (3, 10), reason="MLflow has left Python 3.9")
def test_model_registry(given, evaluate, folder, tmp_path):
    """The page's model is the reader's pipeline, registered; each form scores every row."""
    from mlflow_store import imported

    mlflow = imported()
    from dai_spark.mlflow import log_model

    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{tmp_path}/store.db")
    try:
        archive = (folder / "dai-1.10.tar.zst").resolve()
        log_model(folder / "scorer.zip", archive, registered_model_name="flights", probe=False)
        mlflow.MlflowClient().set_registered_model_alias("flights", "champion", "1")
        n_run, reasons = pages.run(pages.ROOT / "docs" / "model_registry.md", evaluate, **given)
    finally:
        mlflow.set_tracking_uri(before)
    assert (n_run, reasons) == (1, [])
    by_alias, by_version = (list(frame["prediction"]) for frame in evaluate.shown)
    assert by_alias == by_version
    assert len(by_alias) == N_ROWS


def test_reading_files(given, evaluate):
    """The page's call scores each row of a table, whoever reads it."""
    n_run, reasons = pages.run(pages.ROOT / "docs" / "reading_files.md", evaluate, **given)
    assert (n_run, reasons) == (1, [])
    (frame,) = evaluate.shown
    assert len(frame) == N_ROWS
    assert frame["prediction"].notna().all()


def test_each_page_with_python_is_run():
    """No page with Python blocks is forgotten here."""
    with_python = {
        page.stem
        for page in pages.PAGES
        if any(pages.is_code(example) for example in pages.blocks(page, None).examples())
    }
    mlflow = {"mlflow", "model_registry"}
    # Clients of a server: those of tests/serving make the same calls with their pipeline's columns.
    server = {"grpc", "serving_protocols"}
    # Its function is one of examples/declarative_pipeline, which tests/cluster runs.
    pipelines = {"declarative_pipelines"}
    here = {"README", "scoring", "reading_files", "environment_for_your_pipeline"}
    assert with_python == here | mlflow | server | pipelines
