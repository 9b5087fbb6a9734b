"""A logged pipeline: what is in its folder, and that it scores as the pipeline does."""

import json
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import mlflow
import pytest
import yaml
from imports import modules, not_offered
from mlflow.exceptions import MlflowException
from pandas.testing import assert_frame_equal, assert_series_equal

import dai_spark.mlflow
from dai_spark.errors import EnvironmentMismatchError, EnvironmentNotFoundError, OptionError
from dai_spark.registry.model_cache import models_folder
from dai_spark.testing import build_export

ROOT = Path(__file__).resolve().parent.parent.parent


def files(folder):
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]


@pytest.fixture
def own(own_scores, export, rows):
    """The pipeline's own scores of the rows, with their index."""
    return own_scores(export(), rows.reset_index(drop=True)).set_axis(rows.index, axis=0)


def test_every_module_lists_what_it_offers():
    """As everywhere else in the package; these cannot be imported without MLflow."""
    paths = [path for path in modules("mlflow") if path.stem != "__init__"]
    assert len(paths) > 10
    assert not_offered(paths) == []


@pytest.mark.parametrize("by", ["alias", "version", "id", "folder"])
def test_it_scores_as_the_pipeline_does(by, log, own, rows, folder_of):
    """Loaded by whichever name, with the rows' index and order."""
    info = log(registered_model_name="flights")
    mlflow.MlflowClient().set_registered_model_alias("flights", "champion", "1")
    names = {
        "alias": "models:/flights@champion",
        "version": "models:/flights/1",
        "id": info.model_uri,
        "folder": str(folder_of(info)),
    }
    assert_frame_equal(mlflow.pyfunc.load_model(names[by]).predict(rows), own)
    assert_frame_equal(dai_spark.mlflow.load_model(names[by]).predict(rows[::-1]), own[::-1])


def test_params_and_options_are_those_of_scoring(log, own_scores, export, rows):
    """Given with a call, when loading, or when logging; the nearest one wins."""
    plain = rows.reset_index(drop=True)
    margin = own_scores(export(), plain, output_margin=True).set_axis(rows.index, axis=0)
    info = log()
    model = mlflow.pyfunc.load_model(info.model_uri)
    assert_frame_equal(model.predict(rows, params={"margin": True}), margin)
    loaded = dai_spark.mlflow.load_model(info.model_uri, margin=True)
    assert_frame_equal(loaded.predict(rows), margin)
    logged = mlflow.pyfunc.load_model(log(margin=True).model_uri)
    assert_frame_equal(logged.predict(rows), margin)
    assert list(logged.predict(rows, params={"margin": False})) == ["late.no", "late.yes"]
    by_config = mlflow.pyfunc.load_model(info.model_uri, model_config={"margin": True})
    assert_frame_equal(by_config.predict(rows), margin)
    for contributions in (True, "true", "transformed"):
        found = model.predict(rows, params={"contributions": contributions})
        expected = own_scores(export(), plain, pred_contribs=True)
        assert_frame_equal(found.reset_index(drop=True), expected)


def test_a_wrong_param_is_refused_with_the_nearest(log, rows):
    """MLflow itself would drop it, and score."""
    model = mlflow.pyfunc.load_model(log().model_uri)
    with pytest.raises(MlflowException, match="'contribution' .* did you mean contributions") as e:
        model.predict(rows, params={"contribution": True})
    assert e.value.error_code == "INVALID_PARAMETER_VALUE"
    with pytest.raises(MlflowException, match="threshold=2 must be a number from 0 to 1"):
        model.predict(rows, params={"labels": True, "threshold": 2})
    with pytest.raises(OptionError, match="unknown option margn"):
        dai_spark.mlflow.load_model(log().model_uri, margn=True)


@pytest.mark.parametrize("name", ["month", "dep_delay"])
def test_a_missing_column_is_named(name, log, rows):
    """Also one that may hold missing values: what was misspelled would be scored as missing."""
    model = mlflow.pyfunc.load_model(log().model_uri)
    with pytest.raises(MlflowException, match=f"lacks {name}") as caught:
        model.predict(rows.rename(columns={name: f"{name}s"}))
    assert caught.value.get_http_status_code() == 400
    model.predict(rows.assign(dep_delay=None))


def test_one_object_scores_for_many_threads(log, own, rows):
    """By one sidecar."""
    model = mlflow.pyfunc.load_model(log().model_uri)
    found = []
    threads = [threading.Thread(target=lambda: found.append(model.predict(rows))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(found) == 8
    for one in found:
        assert_frame_equal(one, own)
    raw = model.get_raw_model()
    assert raw.scorer() is mlflow.pyfunc.load_model(log().model_uri).get_raw_model().scorer()


def test_one_column(log, export, own, rows):
    """Labels, a probability or a column by name; what is none of them is refused."""
    model = mlflow.pyfunc.load_model(log().model_uri)

    def column(output):
        return model.predict(rows, params={"output": output})

    assert_series_equal(column("late.yes"), own["late.yes"])
    assert_series_equal(column("probability"), own["late.yes"].rename("probability"))
    labels = (own["late.yes"] >= 0.5).map({False: "no", True: "yes"})
    assert list(column("label")) == list(labels)
    with pytest.raises(MlflowException, match=r"late.ye.* Did you mean 'late.yes'"):
        column("late.ye")
    number = mlflow.pyfunc.load_model(log(export(kind="regression")).model_uri)
    with pytest.raises(MlflowException, match="wants class probabilities"):
        number.predict(rows, params={"output": "probability"})


# -- what is in the folder -------------------------------------------------------------------------


def test_nothing_of_the_machine_or_the_licence_is_in_it(log, folder_of, license_text, store):
    """No pickle, no path, no licence; nor is the licence anywhere in the store."""
    info = log()
    folder = folder_of(info)
    names = [path.relative_to(folder).as_posix() for path in files(folder)]
    assert not [name for name in names if name.endswith((".pkl", ".pickle", ".joblib"))]
    texts = [path for path in files(folder) if path.suffix not in (".zip", ".zst")]
    model = yaml.safe_load((folder / "MLmodel").read_text())
    # The one path that was asked for: where every machine that scores has the environment.
    environment = model["flavors"]["dai_spark"]["env"]["uri"]
    for path in texts:
        text = path.read_text().replace(environment, "")
        for place in (str(ROOT), str(store), str(Path.home()), sys.prefix):
            assert place not in text, path.name
    for path in files(store):
        assert license_text.encode() not in path.read_bytes(), path


def test_an_embedded_environment_leaves_no_path_at_all(export, packed_environment, tmp_path, rows):
    """And the model scores where the archive that it was made of is gone."""
    archive = tmp_path / "elsewhere" / "dai.tar.zst"
    archive.parent.mkdir()
    shutil.copyfile(packed_environment.path, archive)
    model = tmp_path / "model"
    dai_spark.mlflow.save_model(model, export(), archive, embed_env=True)
    archive.unlink()
    text = (model / "MLmodel").read_text()
    assert not re.search(r"(?<![\w.])/[a-z]+/", text)
    assert "path: environment/dai.tar.zst" in text
    assert len(mlflow.pyfunc.load_model(str(model)).predict(rows)) == len(rows)


def test_two_versions_share_their_environment(log, export, folder_of, packed_environment):
    """Each version costs what its scoring wheel does, not what the dependencies do."""
    padded = export(padding_bytes=6_000_000)
    assert padded.stat().st_size > 6_000_000
    sizes = [
        sum(path.stat().st_size for path in files(folder_of(log(pipeline))))
        for pipeline in (export(), padded)
    ]
    assert max(sizes) < 1_000_000
    assert packed_environment.size_bytes > 50 * max(sizes)


@pytest.mark.parametrize("layout", ["flat", "nested", "unpacked"])
def test_the_layout_of_an_export_makes_no_difference(layout, export, packed_environment, tmp_path):
    """The same content gives the same files, whatever it was packed in."""
    found = []
    for number, name in enumerate(("zip", layout)):
        path = tmp_path / str(number)
        words = {"probe": False}
        dai_spark.mlflow.save_model(path, export(layout=name), packed_environment.path, **words)
        found.append((path / "pipeline" / "scorer.zip").read_bytes())
    assert found[0] == found[1]


def test_the_signature_says_what_goes_in_and_comes_out(log, folder_of):
    """Inputs of no type that MLflow would cast to, the declared ones beside; real outputs."""
    info = log()
    inputs = {column.name: column for column in info.signature.inputs}
    assert {str(column.type) for column in inputs.values()} == {"Any"}
    assert inputs["month"].required
    assert not inputs["dep_delay"].required
    outputs = [(column.name, column.type.name) for column in info.signature.outputs]
    assert outputs == [("late.no", "float"), ("late.yes", "float")]
    assert "contributions" in [param.name for param in info.signature.params]
    block = yaml.safe_load((folder_of(info) / "MLmodel").read_text())["flavors"]["dai_spark"]
    assert block["columns"]["month"] == "float32"
    assert block["columns"]["carrier"] == "object"
    assert block["outputs_from"] == "pipeline"
    strict = log(signature="strict").signature.inputs
    assert {column.name: column.type.name for column in strict}["month"] == "double"
    assert log(signature=None).signature.inputs is None


def test_logging_without_running_the_pipeline(log, folder_of, caplog):
    """As on macOS and Windows: outputs are those that the export tells, and that is said."""
    info = log(probe=False)
    assert [column.name for column in info.signature.outputs] == ["late.no", "late.yes"]
    assert "those that its export tells (late.no, late.yes)" in caplog.text
    assert "outputs_from: export" in (folder_of(info) / "MLmodel").read_text()


_ELSEWHERE = """
import os, sys
sys.path.insert(0, {root!r})
# Before MLflow, which asks the real system.
import mlflow
sys.platform = {system!r}
lacking = ["sched_getaffinity", "waitid"]
if sys.platform == "win32":
    lacking += ["getuid", "geteuid", "register_at_fork", "fork"]
    for name in ("fcntl", "pwd", "resource", "grp"):
        sys.modules[name] = None
for name in lacking:
    if hasattr(os, name):
        delattr(os, name)
import dai_spark.mlflow
dai_spark.mlflow.save_model({model!r}, {pipeline!r}, {env!r})
try:
    mlflow.pyfunc.load_model({model!r}).predict([dict(month=1)])
except mlflow.exceptions.MlflowException as error:
    print(error)
"""


@pytest.mark.parametrize("system", [pytest.param("darwin", marks=pytest.mark.long), "win32"])
def test_another_system_logs_and_does_not_score(system, export, packed_environment, tmp_path):
    """Without what Python has on Linux alone; outputs are those that the export tells."""
    script = _ELSEWHERE.format(
        root=str(ROOT),
        system=system,
        model=str(tmp_path / "model"),
        pipeline=str(export()),
        env=str(packed_environment.path),
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120
    )
    assert f"cannot score on {system}: Driverless AI's packages exist for Linux" in done.stdout, (
        done.stderr
    )
    signature = mlflow.models.get_model_info(str(tmp_path / "model")).signature
    assert [column.name for column in signature.outputs] == ["late.no", "late.yes"]


# -- the environment -------------------------------------------------------------------------------


def test_an_environment_that_is_gone_or_altered_is_told(export, packed_environment, tmp_path, rows):
    """In one sentence each; another one scores by its name, or by that of the variable."""
    archive = tmp_path / "dai.tar.zst"
    shutil.copyfile(packed_environment.path, archive)
    dai_spark.mlflow.save_model(tmp_path / "model", export(), archive)
    model = str(tmp_path / "model")
    archive.unlink()
    with pytest.raises(MlflowException, match=r"dai.tar.zst, .* is not on this machine") as caught:
        mlflow.pyfunc.load_model(model).predict(rows)
    assert isinstance(caught.value.__cause__, EnvironmentNotFoundError)
    assert caught.value.error_code == "INTERNAL_ERROR"
    instead = dai_spark.mlflow.load_model(model, env=packed_environment.path)
    assert len(instead.predict(rows)) == len(rows)
    by_config = mlflow.pyfunc.load_model(model, model_config={"env": str(packed_environment.path)})
    assert len(by_config.predict(rows)) == len(rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DAI_SPARK_ENV", str(packed_environment.path))
        assert len(mlflow.pyfunc.load_model(model).predict(rows)) == len(rows)
    # One that was built anew has the same name and other bytes.
    archive.write_bytes(packed_environment.path.read_bytes() + b"\0")
    with pytest.raises(MlflowException, match="not the one that it was logged with") as caught:
        mlflow.pyfunc.load_model(model).predict(rows)
    assert isinstance(caught.value.__cause__, EnvironmentMismatchError)


def test_an_environment_by_uri_is_fetched_by_mlflow(export, packed_environment, store, rows, log):
    """Once, into the cache folder, and checked by its digest."""
    with mlflow.start_run() as run:
        mlflow.log_artifact(str(packed_environment.path))
    uri = f"runs:/{run.info.run_id}/{packed_environment.path.name}"
    info = log(env=uri)
    assert len(mlflow.pyfunc.load_model(info.model_uri).predict(rows)) == len(rows)
    # A copy that was damaged here is fetched again; one that is whole is enough.
    (copy,) = models_folder().glob(f"{packed_environment.digest}/*")
    copy.write_bytes(b"cut off")
    assert len(mlflow.pyfunc.load_model(info.model_uri).predict(rows)) == len(rows)
    assert copy.stat().st_size == packed_environment.path.stat().st_size
    mlflow.MlflowClient().delete_run(run.info.run_id)
    (kept,) = store.glob(f"mlruns/*/{run.info.run_id}/artifacts/*")
    kept.unlink()
    assert len(mlflow.pyfunc.load_model(info.model_uri).predict(rows[:5])) == 5


def test_a_pipeline_that_was_altered_in_the_store_is_told(export, packed_environment, tmp_path):
    """By the digest that was logged."""
    dai_spark.mlflow.save_model(tmp_path / "model", export(), packed_environment.path, probe=False)
    shutil.copyfile(export(kind="regression"), tmp_path / "model" / "pipeline" / "scorer.zip")
    with pytest.raises(MlflowException, match="is not the one that was logged"):
        mlflow.pyfunc.load_model(str(tmp_path / "model"))


# -- where the package is not installed ------------------------------------------------------------


def test_the_package_travels_with_the_model(log, folder_of, rows, tmp_path):
    """As a zip in code_paths: what scores is what lies in the model."""
    subprocess.run(
        [sys.executable, "-m", "zipfile", "-c", str(tmp_path / "dai_spark.zip"), "dai_spark"],
        cwd=ROOT,
        check=True,
        timeout=60,
    )
    info = log(code_paths=[str(tmp_path / "dai_spark.zip")])
    folder = folder_of(info)
    rows.to_parquet(tmp_path / "rows.parquet")
    script = (
        "import json, sys, mlflow, pandas as pd\n"
        f"model = mlflow.pyfunc.load_model({str(folder)!r})\n"
        f"answer = model.predict(pd.read_parquet({str(tmp_path / 'rows.parquet')!r}))\n"
        "import dai_spark\n"
        "print(json.dumps([dai_spark.__file__, len(answer)]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=120, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    where, n_rows = json.loads(done.stdout.splitlines()[-1])
    assert Path(where).is_relative_to(folder / "code")
    assert n_rows == len(rows)
    requirements = (folder / "requirements.txt").read_text()
    assert "dai_spark" not in requirements
    assert "pyarrow" in requirements


def test_an_environment_needs_no_pipeline_to_be_refused(export, pipeline_python, tmp_path, log):
    """A model of another Driverless AI is not logged with this environment."""
    import pandas as pd

    table = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0] * 20, "y": ["n", "n", "y", "y"] * 20})
    other = build_export(
        tmp_path / "other.zip",
        table,
        "y",
        kind="binomial",
        python=pipeline_python,
        n_trees=2,
        dai_version="1.9.3.1",
    )
    with pytest.raises(EnvironmentMismatchError, match=r"is for Python 3\.8"):
        log(other)
