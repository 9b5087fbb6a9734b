"""Versions of a registered model: each content once; aliases that go on and back."""

import mlflow
import pytest

import dai_spark.mlflow
from dai_spark.cli import main
from dai_spark.errors import NotAPipelineError, OptionError


@pytest.fixture
def name(request):
    """A registered model of the test's own."""
    return request.node.name.replace("[", "-").replace("]", "")


def numbers(name):
    versions = mlflow.MlflowClient().search_model_versions(f"name='{name}'")
    return sorted(int(version.version) for version in versions)


def test_the_same_content_makes_no_new_version(name, log, export, packed_environment):
    """Whoever logs it again, by whichever way; another option or pipeline does."""
    first = dai_spark.mlflow.log_model(
        export(), packed_environment.path, registered_model_name=name
    )
    assert first.registered_model_version == "1" or first.registered_model_version == 1
    again = dai_spark.mlflow.log_model(
        export(layout="flat"), packed_environment.path, registered_model_name=name
    )
    assert again.model_uri != first.model_uri
    assert int(again.registered_model_version) == 1
    assert dai_spark.mlflow.register_model(again.model_uri, name).version in (1, "1")
    assert numbers(name) == [1]
    for number, info in ((2, log(labels=True)), (3, log(export(kind="regression")))):
        assert int(dai_spark.mlflow.register_model(info.model_uri, name).version) == number
    tags = mlflow.MlflowClient().get_model_version(name, "3").tags
    assert set(tags) == {"dai_spark.digest", "dai_spark.pipeline_digest"}


def test_an_alias_goes_on_and_back(name, log, export):
    """As often as it was moved, and no further."""
    for info in (log(), log(labels=True), log(export(kind="regression"))):
        dai_spark.mlflow.register_model(info.model_uri, name, alias="challenger")
        dai_spark.mlflow.promote(name, "challenger")

    def champion():
        return int(mlflow.MlflowClient().get_model_version_by_alias(name, "champion").version)

    assert champion() == 3
    dai_spark.mlflow.promote(name, "3")
    found = []
    for _ in range(2):
        dai_spark.mlflow.rollback(name)
        found.append(champion())
    assert found == [2, 1]
    with pytest.raises(OptionError, match="has named no other version"):
        dai_spark.mlflow.rollback(name)
    with pytest.raises(OptionError, match="has no version 9 in the registry"):
        dai_spark.mlflow.promote(name, "9")
    assert champion() == 1


def test_a_model_of_another_kind_is_refused(name, store):
    """It has no pipeline whose content could be compared."""

    class Other(mlflow.pyfunc.PythonModel):
        def predict(self, context, model_input, params=None):
            return model_input

    info = mlflow.pyfunc.log_model(name="other", python_model=Other(), pip_requirements=[])
    with pytest.raises(NotAPipelineError, match="is no model that dai_spark logged"):
        dai_spark.mlflow.register_model(info.model_uri, name)


def test_the_commands_do_the_same(name, export, packed_environment, capsys, license_file):
    """Log and register, promote, roll back; what they print is what the next one takes."""

    def run(*words):
        assert main(["mlflow", *words]) == 0
        return capsys.readouterr().out.splitlines()

    words = ["--env", str(packed_environment.path), "--license-file", str(license_file)]
    uri, version = run("log", str(export()), *words, "--register", name, "--alias", "challenger")
    assert version == f"models:/{name}/1"
    assert run("register", uri, name) == [version]
    assert run("promote", name, "challenger") == [f"models:/{name}@champion is version 1"]
    uri, version = run("log", str(export()), *words, "--labels", "--register", name)
    assert version == f"models:/{name}/2"
    assert run("alias", name, "2", "champion") == [f"models:/{name}@champion is version 2"]
    assert run("rollback", name) == [f"models:/{name}@champion is version 1"]
    assert main(["mlflow", "rollback", name]) == 1
    assert "has named no other version" in capsys.readouterr().err
    assert main(["mlflow", "log", str(export()), *words, "--alias", "x"]) == 1
    assert "--alias names a version of a registered model" in capsys.readouterr().err
    assert main(["mlflow", "register", "models:/m-none", name]) == 1
    error = capsys.readouterr().err
    assert error.startswith("dai-spark: ")
    assert "Traceback" not in error
