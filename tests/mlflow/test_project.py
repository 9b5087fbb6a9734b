"""The MLflow Project of jobs/mlflow by `mlflow run`; its bundle by Databricks' own classes."""

import os
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest
import yaml

PROJECT = Path(__file__).resolve().parent.parent.parent / "jobs" / "mlflow"
LIMIT_S = 200


def project(entry_point, variables, **parameters):
    """Run an entry point as a user does; return status and what was printed."""
    words = [f"-P{name}={value}" for name, value in parameters.items()]
    bin_folder = str(Path(sys.executable).parent)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mlflow", "run", str(PROJECT)),
            *("-e", entry_point, "--env-manager", "local", *words),
        ],
        env={
            **os.environ,
            "PATH": f"{bin_folder}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT.parent.parent),
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    return done.returncode, done.stdout + done.stderr


def program(name, *words, **env):
    """Run an entry point's program without MLflow around it."""
    done = subprocess.run(
        [sys.executable, str(PROJECT / name), *words],
        env={**os.environ, "PYTHONPATH": str(PROJECT.parent.parent), **env},
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def files(rows, tmp_path):
    """Three hundred flights as CSV, some of whose values are missing."""
    plain = rows.reset_index(drop=True)
    plain = plain.assign(dep_delay=plain["dep_delay"].mask(plain.index % 7 == 3))
    plain.to_csv(tmp_path / "rows.csv", index=False)
    return plain


def test_score_is_the_pipelines_own(files, export, own_scores, packed_environment, tmp_path):
    """`mlflow run -e score`: CSV in, CSV out, whose numbers read back as the pipeline's floats."""
    status, said = project(
        "score",
        {"DAI_SPARK_ENV": str(packed_environment.path)},
        scoring_dir=export(),
        input_path=tmp_path / "rows.csv",
        output_path=tmp_path / "out" / "scores.csv",
        batch_size=100,
    )
    assert status == 0, said[-3000:]
    scores = pd.read_csv(tmp_path / "out" / "scores.csv").astype("float32")
    pd.testing.assert_frame_equal(scores, own_scores(export(), files))


@pytest.mark.long
def test_score_takes_a_model_and_parquet(files, log, own_scores, export, tmp_path):
    """SCORING_PIPELINE_DIR in place of scoring_dir; all rows at once; the model's environment."""
    log(registered_model_name="projected")
    files.to_parquet(tmp_path / "rows.parquet")
    status, said = program(
        "score.py",
        *("--input-path", str(tmp_path / "rows.parquet")),
        *("--output-path", str(tmp_path / "scores.parquet")),
        SCORING_PIPELINE_DIR="models:/projected/1",
    )
    assert status == 0, said[-3000:]
    scores = pd.read_parquet(tmp_path / "scores.parquet")
    pd.testing.assert_frame_equal(scores, own_scores(export(), files))


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Give scoring_dir, the exported zip or folder or a model's URI, or set"),
        (("--scoring-dir", "x.zip", "--batch-size", "-1"), "batch_size=-1 is no number of rows"),
        (("--scoring-dir", "x.zip", "--apply-data-recipes", "yes"), "neither true nor false"),
    ],
)
def test_score_refuses_in_a_sentence(words, sentence, tmp_path):
    """Exit status 1, one line on standard error, nothing written."""
    out = tmp_path / "scores.csv"
    given = ("--input-path", str(tmp_path / "rows.csv"), "--output-path", str(out))
    status, said = program("score.py", *given, *words)
    assert (status, sentence in said, out.exists()) == (1, True, False), said
    assert "Traceback" not in said


def test_log_model_honours_the_variables(export, packed_environment):
    """Experiment, name and pipeline by the environment."""
    words = ("--env", str(packed_environment.path), "--registered-model-name", "by_project")
    variables = {
        "SCORING_PIPELINE_DIR": str(export()),
        "H2O_DAI_MLFLOW_EXPERIMENT": "/Shared/h2o_dai",
        "H2O_DAI_MLFLOW_ARTIFACT_PATH": "late_flights",
    }
    status, said = program("log_model.py", *words, **variables)
    assert status == 0, said[-3000:]
    assert "version 1 of by_project" in said
    (experiment,) = mlflow.search_experiments(filter_string="name = '/Shared/h2o_dai'")
    models = mlflow.search_logged_models([experiment.experiment_id], output_format="list")
    assert {model.name for model in models} == {"late_flights"}


@pytest.mark.long
def test_log_model_by_the_project(export, packed_environment):
    """`mlflow run -e log_model`: the run that MLflow has begun is the one that logs."""
    status, said = project(
        "log_model",
        {"DAI_SPARK_ENV": str(packed_environment.path)},
        scoring_dir=export(),
        registered_model_name="by_run",
    )
    assert status == 0, said[-3000:]


def test_databricks_reads_the_bundle():
    """The job is one of Databricks' own classes, field by field; its program is beside it."""
    from databricks.bundles.jobs import Job

    bundle = yaml.safe_load((PROJECT / "databricks.yml").read_text(encoding="utf-8"))
    assert set(bundle) == {"bundle", "variables", "targets", "resources"}
    assert bundle["targets"]["prod"]["workspace"]["root_path"]
    told = bundle["resources"]["jobs"]["log_model"]
    made = Job.from_dict(told)
    (task,) = made.tasks
    assert task.task_key == "main_task"
    assert task.job_cluster_key in [cluster.job_cluster_key for cluster in made.job_clusters]
    assert (PROJECT / task.spark_python_task.python_file).is_file()
    variables = {f"${{var.{name}}}" for name in bundle["variables"]}
    parameters = told["tasks"][0]["spark_python_task"]["parameters"]
    for parameter in parameters:
        if "${" in parameter:
            assert parameter[: parameter.index("}") + 1] in variables
    # What it is given, its program understands: it stops where the pipeline is missing.
    status, said = program("log_model.py", *parameters)
    assert status == 1
    assert "scorer.zip" in said
    assert "Traceback" not in said
    # The licence is named, and stands nowhere.
    (cluster,) = made.job_clusters
    licence = cluster.new_cluster.spark_env_vars["DRIVERLESS_AI_LICENSE_KEY"]
    assert licence == "{{secrets/dai/license}}"
