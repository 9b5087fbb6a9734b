"""The wheels that an export brings: taken, or refused with a reason."""

import pytest

from dai_spark import ScoringPipeline
from dai_spark.envbuild.packages.export_requirements import from_export
from dai_spark.environments import Choice
from dai_spark.errors import EnvironmentBuildError


def test_a_wheel_of_the_export_is_no_reason_to_compile(
    folder_export, tmp_path, listed_requirements
):
    """Pyorc is left out where it would have to be compiled, and taken where its wheel lies."""
    brought = [f"{name}-cp38-cp38-linux_x86_64.whl" for name in ("pyorc-0.4.0", "h2o4gpu-0.3.2")]
    listed = listed_requirements + "\n".join(brought)
    wanted = from_export(folder_export(tmp_path / "export", *brought, requirements_txt=listed))
    found = [wheel.partition("-")[0] for wheel in wanted.wheels]
    assert found == ["datatable", "h2oaicore", "pyorc"]


def test_wheels_that_the_requirements_do_not_name(folder_export, tmp_path):
    """What lies beside them is installed, and said; of two that would do neither is guessed at."""
    wheels = (
        "xgboost-1.6.2-cp38-cp38-linux_x86_64.whl",
        "xgboost-1.6.2-cp36-cp36m-linux_x86_64.whl",
    )
    export = folder_export(tmp_path / "export", *wheels, requirements_txt="xgboost==1.6.2\n")
    (tmp_path / "export" / "tmp").mkdir()
    (tmp_path / "export" / "tmp" / "recipe-1.0-py3-none-any.whl").touch()
    wanted = from_export(ScoringPipeline(export.path))
    assert [wheel.partition("-")[0] for wheel in wanted.wheels] == [
        "datatable", "h2oaicore", "xgboost",
    ]  # fmt: skip
    assert wheels[0] in wanted.wheels
    assert not any("xgboost" in line for line in wanted.lines)
    said = "\n".join(wanted.notes)
    assert f"xgboost: {wheels[0]} of the export, though its requirements name none" in said
    (tmp_path / "export" / "xgboost-1.6.1-cp38-cp38-linux_x86_64.whl").touch()
    with pytest.raises(EnvironmentBuildError, match=r"xgboost-1\.6\.1-.* and xgboost-1\.6\.2-"):
        from_export(ScoringPipeline(export.path))


@pytest.mark.parametrize(
    "name",
    [
        "tensorflow_gpu-1.13.1-cp38-cp38-linux_x86_64.whl",
        "torch-1.13.1+cu117-cp38-cp38-linux_x86_64.whl",
    ],
)
def test_an_export_for_gpus_only(folder_export, tmp_path, name, listed_requirements):
    """A wheel that runs on nothing else is refused, until the user says that the model does."""
    export = folder_export(
        tmp_path / "export", name, requirements_txt=f"{listed_requirements}{name}\n"
    )
    with pytest.raises(EnvironmentBuildError, match="a build for NVIDIA's GPUs, and scoring here"):
        from_export(export)
    package = name.partition("-")[0].replace("_", "-")
    assert name in from_export(export, Choice(keep=(package,))).wheels
    assert name not in from_export(export, Choice(exclude=(package,))).wheels


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("torch-1.13.1-cp38-cp38-linux_ppc64le.whl", "built for linux_ppc64le; .* on x86_64"),
        (
            "torch-1.13.1-cp36-cp36m-linux_x86_64.whl",
            "needs Python 3.8 and brings torch-1.13.1-cp36",
        ),
    ],
)
def test_wheels_of_another_kind_of_machine_or_python(
    folder_export, tmp_path, name, words, listed_requirements
):
    """A sentence before anything is installed."""
    export = folder_export(
        tmp_path / "export", name, requirements_txt=f"{listed_requirements}{name}\n"
    )
    with pytest.raises(EnvironmentBuildError, match=words):
        from_export(export)
    assert from_export(export, Choice(exclude=("torch",))).wheels
