"""A model of MLflow's as the pipeline on Spark: resolved once, told, followed by streams."""

import json

import pytest
from linear import build_linear
from pyspark.sql import functions as F

from dai_spark import Report, score_dataframe, score_table, score_udf
from dai_spark.errors import ModelRegistryError, OptionError, TableJobError

mlflow = pytest.importorskip("mlflow")

# MLflow and its libraries warn of each other; ours must not.
pytestmark = [
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("error:::dai_spark"),
    pytest.mark.filterwarnings("ignore:unclosed <socket.socket fd=.*family=2:ResourceWarning"),
]
# A port that nobody listens on.
NOBODY = "http://127.0.0.1:9"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A client of a store in sqlite, which is this process's for the module."""
    folder = tmp_path_factory.mktemp("registry")
    with pytest.MonkeyPatch.context() as patch:
        # MLflow's own default for artifacts is below the working folder.
        patch.chdir(folder)
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        mlflow.set_tracking_uri(f"sqlite:///{folder}/store.db")
        yield mlflow.MlflowClient()
        mlflow.set_tracking_uri(None)


@pytest.fixture(scope="module")
def versions(client, packed_environment, tmp_path_factory):
    """Version 1 and 2 of the model line are y = 2 x, version 3 is y = 3 x; the run of the first."""
    from dai_spark.mlflow import log_model

    folder, env = tmp_path_factory.mktemp("lines"), packed_environment.path
    first, other = (build_linear(folder / f"{n}.zip", n) for n in (2, 3))
    with mlflow.start_run() as run:
        info = log_model(first, env, name="line", registered_model_name="line", probe=False)
    mlflow.register_model(info.model_uri, "line")
    log_model(other, env, name="line", registered_model_name="line", probe=False)
    return info, run.info.run_id


@pytest.fixture
def champion(client, versions):
    """A function that lets the alias champion name a version; the first one at the beginning."""

    def move(version):
        client.set_registered_model_alias("line", "champion", version)

    move("1")
    return move


@pytest.fixture
def job(spark, license_file, nights):
    """A function that scores a table of x = id into a Delta table by the alias."""
    tables = nights("delta").create()

    def run(pipeline="models:/line@champion", **words):
        words = {"mode": "append", "source": tables.source, "target": tables.target, **words}
        return score_table(
            pipeline, spark=spark, license_file=str(license_file), progress=False, **words
        )

    run.tables = tables
    return run


def records(job):
    """What the target's commits say of their runs, the oldest first."""
    history = job.tables.sql(f"DESCRIBE HISTORY delta.`{job.tables.target[6:]}`")
    return [json.loads(row["userMetadata"])["dai_spark"] for row in reversed(history)]


def slopes(job):
    """Y / x of each row of the target, by id."""
    rows = job.tables.spark.read.format("delta").load(job.tables.target[6:])
    found = rows.where("x > 0").select("id", F.expr("prediction.y / x").alias("slope")).collect()
    return {row["id"]: row["slope"] for row in sorted(found)}


def test_report_and_lineage_tell_the_version(job, champion, versions, packed_environment):
    """Name, version, model id, run and digest; the environment is the one that the model names."""
    info, run_id = versions
    report = job()
    model = {
        "uri": "models:/line@champion",
        "name": "line",
        "version": "1",
        "model_id": info.model_id,
        "run_id": run_id,
    }
    assert vars(report.model) == model
    assert report.pipeline == "models:/line@champion (version 1)"
    assert report.environment == str(packed_environment.path)
    assert Report.from_json(report.to_json()) == report
    assert f"line version 1, logged as {info.model_id}, by run {run_id}" in report.text()
    (record,) = records(job)
    assert record["model"] == model
    assert record["pipeline_digest"] == report.pipeline_digest
    assert set(slopes(job).values()) == {2.0}


def test_an_alias_is_the_pipeline_that_it_names(job, champion):
    """Moved to the same content it is the same pipeline, to another content another one."""
    first = job()
    assert job().status == "already done"
    assert job("models:/line/1").status == "already done"
    champion("2")
    again = job()
    assert again.status == "already done"
    assert again.run_id == first.run_id
    champion("3")
    assert job().run_id != first.run_id
    assert job().status == "already done"
    found = job.tables.spark.read.format("delta").load(job.tables.target[6:])
    assert found.where("prediction.y = 3 * x").count() == 7


@pytest.mark.long
def test_a_mark_belongs_to_a_pipeline_by_whatever_name(job, champion):
    """Another version of the same content goes on; one of another content is refused."""
    words = {"incremental": "since", "since": "id", "target": f"{job.tables.target}_marked"}
    champion("1")
    assert job(**words).n_rows == 6
    champion("2")
    assert job(**words).status == "nothing to do"
    champion("3")
    with pytest.raises(TableJobError, match="were scored by another pipeline"):
        job(**words)


def test_a_dry_run_and_refusals_name_the_model(job, champion):
    """Resolved as in a run, and nothing is written; what is not there is refused before all."""
    report = job(dry_run=True)
    assert report.model.version == "1"
    for uri, kind in (
        ("models:/line@challenger", ModelRegistryError),
        ("models:/line/Staging", OptionError),
    ):
        with pytest.raises(kind) as told:
            job(uri)
        assert told.value.status in ("refused", "usage")
        assert uri in told.value.message


@pytest.mark.long
def test_a_stream_follows_the_alias(job, champion, client):
    """At the micro-batch after the move; a registry that is down stops nothing, and is told."""
    job.tables.change(
        *(f"INSERT INTO {{}} VALUES ({n}, {n})" for n in (10, 20, 30)),
    )
    store, said = mlflow.get_tracking_uri(), []

    def on_message(line):
        said.append(line)
        if line.startswith("batch 1:"):
            champion("3")
        if line.startswith("batch 2:"):
            mlflow.set_tracking_uri(NOBODY)

    try:
        job(
            incremental="stream",
            checkpoint=f"{job.tables.folder}-checkpoint",
            source_options={"maxFilesPerTrigger": "1"},
            on_message=on_message,
        )
    finally:
        mlflow.set_tracking_uri(store)
    batches = records(job)
    assert [one["model"]["version"] for one in batches][:2] == ["1", "1"]
    assert {one["model"]["version"] for one in batches[2:]} == {"3"}
    assert len({one["pipeline_digest"] for one in batches}) == 2
    found = slopes(job)
    assert set(found.values()) == {2.0, 3.0}
    assert "models:/line@champion leads to version 3 now, whose pipeline scores from now" in said
    (warning,) = {line for line in said if line.startswith("warning: ") and NOBODY in line}
    assert warning.endswith("models:/line@champion (version 3) scores on.")


def test_a_udf_asks_when_it_is_made(spark, champion, license_file):
    """A frame or function that was made keeps its version; foreachBatch makes one each time."""
    frame = spark.createDataFrame([(1.0,), (2.0,)], "x double")
    words = {"license_file": str(license_file)}
    before = score_udf("models:/line@champion", **words)
    champion("3")
    after = score_dataframe(frame, "models:/line@champion", **words)
    assert [row["prediction"]["y"] for row in after.collect()] == [3.0, 6.0]
    scored = frame.select(before().alias("prediction")).collect()
    assert [row["prediction"]["y"] for row in scored] == [2.0, 4.0]
