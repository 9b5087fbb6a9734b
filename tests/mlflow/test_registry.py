"""A model of MLflow's as the pipeline of every face that has no Spark."""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from linear import build_linear
from mlflow.models import Model
from tracking_server import TrackingServer

import dai_spark
from dai_spark import open_scorer, score_pandas
from dai_spark.cli.main import main
from dai_spark.errors import (
    DaiSparkError,
    EnvironmentMismatchError,
    EnvironmentNotFoundError,
    ModelRegistryError,
    NotAPipelineError,
    OptionError,
    RegistryUnreachableError,
)
from dai_spark.mlflow import log_model
from dai_spark.registry.find_model import find_model, has_moved
from dai_spark.registry.open_model import open_model

ROWS = pd.DataFrame({"x": [1.0, 2.5, 7.0]})


@pytest.fixture
def empty_cache(monkeypatch, tmp_path):
    """A cache folder of the test's own."""
    monkeypatch.setenv("DAI_SPARK_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def lines(store, tmp_path_factory, packed_environment):
    """A function that logs y = weight * x, registered once for its arguments."""
    folder = tmp_path_factory.mktemp("lines")
    known = {}

    def log(weight, name="line", **words):
        key = (weight, name, *sorted(words.items()))
        if key not in known:
            # Built at another time it would have other bytes.
            pipeline = folder / f"line-{weight}.zip"
            if not pipeline.exists():
                build_linear(pipeline, weight)
            words = {"env": packed_environment.path, "probe": False, **words}
            known[key] = log_model(pipeline, registered_model_name=name, name="line", **words)
        return known[key]

    return log


@pytest.fixture(scope="module")
def champion(lines):
    """The model line, whose alias champion names y = 2 x; its run and id."""
    with mlflow.start_run() as run:
        info = lines(2)
    mlflow.MlflowClient().set_registered_model_alias("line", "champion", "1")
    return info, run.info.run_id


def names(champion):
    info, run_id = champion
    return {
        "alias": "models:/line@champion",
        "version": "models:/line/1",
        "id": f"models:/{info.model_id}",
        "run": f"runs:/{run_id}/line",
    }


@pytest.mark.parametrize("by", ["alias", "version", "id", "run"])
def test_each_way_to_name_a_model_leads_to_its_pipeline(by, champion):
    """Environment and licence are left out: the model and this process bring them."""
    info, run_id = champion
    uri = names(champion)[by]
    said = []
    origin = open_model(uri, said.append).origin
    assert (origin.uri, origin.model_id, origin.run_id) == (uri, info.model_id, run_id)
    assert (origin.name, origin.version) == (
        ("line", "1") if by in ("alias", "version") else ("", "")
    )
    assert info.model_id in said[0]
    assert run_id in said[0]
    assert score_pandas(ROWS, uri)["y"].tolist() == [2.0, 5.0, 14.0]


def test_the_flights_score_as_the_pipeline_itself(log, own_scores, export, rows):
    """The one handle of all faces without Spark, opened by an alias with dots in its name."""
    log(registered_model_name="lake.risk.late")
    mlflow.MlflowClient().set_registered_model_alias("lake.risk.late", "live", "1")
    plain = rows.reset_index(drop=True)
    with open_scorer("models:/lake.risk.late@live") as scorer:
        found = scorer.score(plain)
    pd.testing.assert_frame_equal(found, own_scores(export(), plain))


REFUSED = {
    "models:/line": (OptionError, "says neither a version nor an alias"),
    "models:/line/Production": (OptionError, "is no version (stages"),
    "models:/line@": (OptionError, "says neither"),
    "models://profile@databricks/line/1": (OptionError, "names a host"),
    "runs:/abc": (OptionError, "lacks the run or the model's name"),
    "models:/nothing@champion": (ModelRegistryError, "has no model nothing."),
    "models:/nothing/1": (ModelRegistryError, "has no model nothing."),
    "models:/line@challenger": (
        ModelRegistryError,
        "has no alias challenger; it has champion (version 1).",
    ),
    "models:/line/9": (ModelRegistryError, "has no version 9"),
    f"models:/m-{'0' * 32}": (ModelRegistryError, "has no logged model m-000"),
    "runs:/abc/line": (ModelRegistryError, "has no run abc."),
    "runs:/RUN/other": (ModelRegistryError, "has no file runs:/"),
}


@pytest.mark.parametrize("uri", REFUSED)
def test_what_is_not_there_is_told_in_a_sentence(uri, champion):
    """The URI, the registry, what it lacks, and what it has instead."""
    kind, sentence = REFUSED[uri]
    uri = uri.replace("RUN", champion[1])
    with pytest.raises(kind) as raised:
        open_scorer(uri)
    assert type(raised.value) is kind
    assert sentence in raised.value.message
    assert uri in raised.value.message
    assert "\n" not in raised.value.message
    if kind is ModelRegistryError:
        assert "store.db" in raised.value.message


def test_a_model_of_another_flavour_is_told_by_its_flavours(store):
    """Logged by something else, so there is no pipeline in it."""

    class Other:
        @staticmethod
        def save_model(path, mlflow_model):
            path = Path(path)
            path.mkdir(parents=True)
            mlflow_model.add_flavor("xgboost", version="3")
            mlflow_model.add_flavor("python_function", loader_module="mlflow.xgboost")
            mlflow_model.save(str(path / "MLmodel"))

    info = Model.log(None, flavor=Other, name="other", registered_model_name="other")
    for uri in ("models:/other/1", f"models:/{info.model_id}"):
        with pytest.raises(NotAPipelineError, match="its flavours are python_function, xgboost"):
            score_pandas(ROWS, uri)


def test_no_mlflow_is_told_with_the_extra(monkeypatch):
    """MLflow is wanted by whoever names a model alone."""
    monkeypatch.setitem(sys.modules, "mlflow", None)
    with pytest.raises(OptionError, match=r"pip install 'dai_spark\[mlflow\]'"):
        open_scorer("models:/line@champion")


def test_a_file_that_was_altered_in_the_store_is_refused(lines, folder_of, empty_cache, tmp_path):
    """Nothing is kept of it; with the file back, the same call scores."""
    info = lines(3, name="altered")
    (stored,) = (folder_of(info) / "pipeline").iterdir()
    right = stored.read_bytes()
    shutil.copyfile(build_linear(tmp_path / "other.zip", 4), stored)
    with pytest.raises(
        NotAPipelineError, match=r"models:/altered/1 is not the one that was logged"
    ):
        score_pandas(ROWS, "models:/altered/1")
    assert list((empty_cache / "models").iterdir()) == []
    stored.write_bytes(right)
    opened = open_model("models:/altered/1", lambda _: None)
    assert opened.pipeline.digest == opened.logged.pipeline_digest


def test_a_content_is_fetched_once_and_mended(lines, empty_cache):
    """By digest: another name of it fetches nothing; a copy that was cut off is fetched again."""
    lines(5, name="once")
    lines(5, name="twice", tags=(("a", "b"),))
    said = []
    first = open_model("models:/once/1", said.append).pipeline
    again = open_model("models:/twice/1", said.append).pipeline
    assert first.path == again.path
    assert len([line for line in said if line.startswith("fetching the pipeline")]) == 1
    first.path.write_bytes(first.path.read_bytes()[:200])
    mended = open_model("models:/once/1", said.append).pipeline
    assert mended.digest == first.digest
    assert said[-1] == "fetching the pipeline of models:/once/1"
    assert len(list((empty_cache / "models").iterdir())) == 1


def test_the_environment_given_wins_over_the_models(lines, packed_environment, tmp_path):
    """The model's own is not there, which a caller who brings another does not mind."""
    gone = tmp_path / "dai-1.10.tar.zst"
    shutil.copyfile(packed_environment.path, gone)
    lines(6, name="moved", env=gone)
    gone.unlink()
    with pytest.raises(EnvironmentNotFoundError) as raised:
        score_pandas(ROWS, "models:/moved/1")
    assert f"No packed environment lies at {gone}" in raised.value.message
    assert "models:/moved/1 was logged with" in raised.value.message
    assert "give env= (--env)" in raised.value.message
    scored = score_pandas(ROWS, "models:/moved/1", packed_environment.path)
    assert scored["y"].tolist() == [6.0, 15.0, 42.0]


def test_an_environment_that_was_replaced_is_refused(lines, packed_environment, tmp_path):
    """Another archive of the same name is another environment; given by hand it is meant."""
    place = tmp_path / "dai-1.10.tar.zst"
    shutil.copyfile(packed_environment.path, place)
    lines(7, name="replaced", env=place)
    with place.open("ab") as stream:
        # An empty frame, which zstd skips.
        stream.write(b"\x50\x2a\x4d\x18\x00\x00\x00\x00")
    with pytest.raises(EnvironmentMismatchError, match="models:/replaced/1 is not the one"):
        open_scorer("models:/replaced/1")


def test_an_alias_is_followed_by_the_next_call(lines):
    """score_pandas asks at each call, a handle once; only an alias can move."""
    client = mlflow.MlflowClient()
    for weight in (8, 9):
        lines(weight, name="moving")
    client.set_registered_model_alias("moving", "champion", "1")
    before = find_model("models:/moving@champion").origin
    with open_scorer("models:/moving@champion") as scorer:
        assert score_pandas(ROWS, "models:/moving@champion")["y"].tolist() == [8.0, 20.0, 56.0]
        assert not has_moved(before)
        client.set_registered_model_alias("moving", "champion", "2")
        assert has_moved(before)
        assert not has_moved(find_model("models:/moving/1").origin)
        assert score_pandas(ROWS, "models:/moving@champion")["y"].tolist() == [9.0, 22.5, 63.0]
        assert scorer.score(ROWS)["y"].tolist() == [8.0, 20.0, 56.0]


def test_commands_take_a_model(champion, capsys):
    """``pipeline show`` reads it as it reads a zip; what is wrong is one line."""
    assert main(["pipeline", "show", "models:/line@champion"]) == 0
    said = capsys.readouterr()
    assert "experiment  line" in said.out
    assert "models:/line@champion is line version 1" in said.err
    assert main(["pipeline", "show", "models:/line@challenger"]) == 1
    assert "has no alias challenger" in capsys.readouterr().err


@contextlib.contextmanager
def pointed(tracking, registry=None):
    """MLflow's settings, for a block."""
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(tracking)
    mlflow.set_registry_uri(registry)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)
        mlflow.set_registry_uri(None)


def test_the_registry_may_be_another_than_the_tracking_server(lines, tmp_path):
    """MLflow's own settings say where: the registry has the name, the tracking store the run."""
    with pytest.MonkeyPatch.context() as patch, pointed(None):
        patch.setenv("MLFLOW_REGISTRY_URI", f"sqlite:///{tmp_path}/registry.db")
        lines(10, name="apart")
        assert score_pandas(ROWS, "models:/apart/1")["y"].tolist() == [10.0, 25.0, 70.0]
        assert "registry.db" in told("models:/other/1")
    assert "store.db has no model apart" in told("models:/apart/1")


def told(uri):
    """The sentence with which a URI is refused."""
    with pytest.raises(DaiSparkError) as raised:
        find_model(uri)
    return raised.value.message


def test_a_server_with_proxied_artifacts(tmp_path, packed_environment, empty_cache):
    """Nothing of the server's folder is read by the client; a server that is down is told soon."""
    pipeline = build_linear(tmp_path / "line.zip", 11)
    server = TrackingServer(tmp_path)
    with pointed(server.uri):
        with server:
            info = log_model(
                pipeline,
                packed_environment.path,
                registered_model_name="served",
                embed_env=True,
                probe=False,
            )
            mlflow.MlflowClient().set_registered_model_alias("served", "champion", "1")
            for uri in ("models:/served@champion", f"models:/{info.model_id}"):
                opened = open_model(uri, lambda _: None)
                assert (empty_cache / "models") in opened.pipeline.path.parents
                assert opened.env.digest == packed_environment.digest
            assert f"the registry {server.uri} has no model other." in told("models:/other/1")
            assert score_pandas(ROWS, "models:/served/1")["y"].tolist() == [11.0, 27.5, 77.0]
        with pytest.raises(RegistryUnreachableError, match="is its server up"):
            open_model("models:/served@champion", lambda _: None)


def test_a_password_stands_in_no_message():
    """A URI of settings may hold one; the sentence names the host without it."""
    place = "http://somebody:abracadabra@127.0.0.1:1"
    with pointed(place), pytest.raises(RegistryUnreachableError) as raised:
        find_model("models:/line@champion")
    assert "http://***@127.0.0.1:1" in raised.value.text
    assert "abracadabra" not in raised.value.text


def test_the_importable_zip_takes_a_model(champion, store, tmp_path):
    """The zip on sys.path is all of dai_spark that a process has."""
    package = Path(dai_spark.__file__).parent
    shutil.make_archive(str(tmp_path / "dai_spark"), "zip", package.parent, package.name)
    program = (
        "import dai_spark, pandas; print(dai_spark.__file__); "
        "frame = pandas.DataFrame({'x': [3.0]}); "
        "print(dai_spark.score_pandas(frame, 'models:/line@champion')['y'].tolist())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "dai_spark.zip")},
        cwd=store,
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    where, scores = done.stdout.splitlines()
    assert where.startswith(str(tmp_path / "dai_spark.zip"))
    assert scores == "[6.0]"
