"""Declarative pipelines: the example's view and streaming table, by `spark-pipelines run`."""

import os
import shutil
import subprocess
import sys

import pandas as pd
import pytest
import yaml
from pandas.testing import assert_frame_equal

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]

EXAMPLE = "declarative_pipeline"
TABLES = ("late_flights", "late_flights_so_far")


@pytest.fixture(scope="module")
def project(repository, export, packed_environment, flights, tmp_path_factory):
    """The example, with the suite's pipeline and a table of a thousand flights."""
    folder = tmp_path_factory.mktemp("project")
    shutil.copytree(repository / "examples" / EXAMPLE, folder, dirs_exist_ok=True)
    (folder / "flights").mkdir()
    flights[:1000].to_parquet(folder / "flights" / "1.parquet")
    spec = yaml.safe_load((folder / "spark-pipeline.yml").read_text())
    spec["storage"] = (folder / "storage").as_uri()
    spec["configuration"].update(
        {
            "flights.scorer": str(export()),
            "spark.dai_spark.env": str(packed_environment.path),
            # Of a path that is relative Spark's server and this folder would mean two places.
            "flights.table": str(folder / "flights"),
        }
    )
    (folder / "spark-pipeline.yml").write_text(yaml.safe_dump(spec))
    return folder


@pytest.fixture(scope="module")
def variables(repository, license_file, fresh_cache):
    """What driver and commands know: nothing was described yet in their cache."""
    return {
        "DAI_SPARK_CACHE": str(fresh_cache),
        "DRIVERLESS_AI_LICENSE_FILE": str(license_file),
        "PYTHONPATH": str(repository),
        "PYSPARK_PYTHON": sys.executable,
    }


@pytest.fixture(scope="module")
def run(run_program, project, variables):
    """A function that runs the pipeline; its tables are kept from run to run."""
    settings = {
        "spark.sql.catalogImplementation": "hive",
        "spark.sql.warehouse.dir": project / "warehouse",
        "spark.hadoop.javax.jdo.option.ConnectionURL": (
            f"jdbc:derby:;databaseName={project}/metastore;create=true"
        ),
        "spark.driver.memory": "1g",
        "spark.ui.enabled": "false",
    }
    # From a file: of what follows its own `--conf` this tool takes not everything.
    defaults = project / "conf" / "spark-defaults.conf"
    defaults.parent.mkdir()
    defaults.write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    words = ["run", "--spec", project / "spark-pipeline.yml"]
    variables = {**variables, "SPARK_CONF_DIR": str(defaults.parent)}
    return lambda: run_program(words, tool="spark-pipelines", **variables)


def scores(project, table):
    """The rows of a table, by the files that it consists of."""
    found = pd.read_parquet(project / "warehouse" / table)
    return found.drop(columns="carrier").set_index("flight_id").sort_index()


def test_a_pipeline_is_described_then_its_tables_are_scored(
    run, project, variables, export, flights, own_scores, packed_environment, nothing_left
):
    """Refused before with what to do; then each row once, and a second run adds what is new."""
    refused = run()
    assert refused.exit_code != 0
    assert "Spark runs no job in the function of a dataset" in refused.stdout + refused.stderr
    assert "dai-spark pipeline describe" in refused.stdout + refused.stderr
    nothing_left(refused)

    command = [sys.executable, "-m", "dai_spark", "pipeline", "describe", str(export())]
    command += ["--env", str(packed_environment.path)]
    described = subprocess.run(
        command, env={**os.environ, **variables}, capture_output=True, text=True, timeout=120
    )
    assert described.returncode == 0, described.stderr
    assert "uses 13 columns and answers:" in described.stdout
    assert "late.yes" in described.stdout

    own = own_scores(export(), flights).set_index(flights["flight_id"])
    for n_rows in (1000, 1500):
        made = run()
        assert made.exit_code == 0, made.stdout + made.stderr
        for table in TABLES:
            expected = own.loc[flights["flight_id"][:n_rows]].sort_index()
            assert_frame_equal(scores(project, table), expected, check_exact=True)
        nothing_left(made)
        flights[1000:1500].to_parquet(project / "flights" / "2.parquet")
