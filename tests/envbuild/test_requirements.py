"""The requirements of an export and of a Driverless AI line."""

import pytest

from dai_spark.envbuild.packages.export_requirements import from_export
from dai_spark.envbuild.packages.requirements import from_line
from dai_spark.environments import Choice
from dai_spark.errors import EnvironmentBuildError


def test_requirements_of_an_export(folder_export, tmp_path):
    """Duplicates merged, disagreements settled and said, wheels taken from it but the model's."""
    wanted = from_export(
        folder_export(
            tmp_path / "export",
            requirements_txt=(
                "# pins\nnumpy==1.22.0\npandas==1.2.5\nnumpy==1.22.0\nPandas==1.2.4\n"
                "scipy==1.6.0\nscipy==1.7.0\nxgboost==2.1.4\ntensorflow==2.4.4\ndatatable==1.1.0\n"
                "h2oaicore-1.10.7.3-cp38-cp38-linux_x86_64.whl\n"
                "datatable-0.11.1-cp38-cp38-linux_x86_64.whl\n"
                "scoring_h2oai_experiment_ab_cd-1.0.0-py3-none-any.whl\n"
            ),
            req_constraints_deps_txt="pandas==1.2.5\npytz==2021.3\n",
            environment_yml=(
                "name: x\ndependencies:\n  - python=3.8\n  - openblas=0.3\n  - psutil=5.8.0\n"
                "  - pip:\n    - tabulate==0.8.9\n    - numpy==9\n"
            ),
        )
    )
    assert wanted.lines == (
        "importlib-resources", "numpy==1.22.0", "pandas==1.2.5", "psutil==5.8.0", "scipy==1.7.0",
        "tabulate==0.8.9",
        "tensorflow-cpu==2.4.4", "xgboost-cpu==2.1.4",
    )  # fmt: skip
    assert wanted.wheels == (
        "datatable-0.11.1-cp38-cp38-linux_x86_64.whl",
        "h2oaicore-1.10.7.3-cp38-cp38-linux_x86_64.whl",
    )
    assert (wanted.python, wanted.dai_line, wanted.core_version) == ("3.8", "1.10", "1.10.7.3")
    assert "pytz==2021.3" in wanted.overrides
    said = "\n".join(wanted.notes)
    assert (
        "pandas: the export lists pandas==1.2.5 and Pandas==1.2.4; taken is pandas==1.2.5" in said
    )
    assert "scipy==1.7.0, which stands last" in said
    assert "datatable: the export's own wheel is taken" in said
    assert "xgboost-cpu" in said
    assert "importlib-resources: added, since Python 3.8 lacks" in said
    assert "numpy: numpy==1.22.0 of requirements.txt, not numpy==9 of environment.yml" in said


def test_what_is_decided_is_shown_as_a_table(folder_export, tmp_path):
    """A row of each package, under one another; then all that is wanted, and no password."""
    listed = "six==1.16.0\nbabel==2.9\nours @ https://me:word@host/ours-1.0.zip\n"
    export = folder_export(
        tmp_path / "export", requirements_txt=listed, full_constraints_txt="six==1.17.0\n"
    )
    lines = from_export(export, Choice(add=("six==1.15.0",))).table()
    width = len("importlib-resources")
    assert (
        f"  {'babel':<{width}}  left out, since it translates Driverless AI's pages; " in lines[1]
    )
    assert (
        f"  {'six':<{width}}  six==1.16.0 of requirements.txt, not six==1.17.0 of the" in lines[-3]
    )
    assert lines[-2] == f"  {'six':<{width}}  six==1.15.0 instead of six==1.16.0"
    assert lines[-1].startswith("wanted for Python 3.8: importlib-resources, ours @ https://host/o")
    assert lines[-1].endswith("h2oaicore-1.10.7.3-cp38-cp38-linux_x86_64.whl")


def test_an_export_that_cannot_be_followed(folder_export, tmp_path):
    """A wheel that is named and absent, and a line that is no requirement, are told."""
    absent = folder_export(tmp_path / "a", requirements_txt="torch-1-cp38-cp38-linux_x86_64.whl\n")
    with pytest.raises(EnvironmentBuildError, match="names the wheel torch"):
        from_export(absent)
    broken = folder_export(tmp_path / "b", requirements_txt="numpy = 1\n")
    with pytest.raises(EnvironmentBuildError, match="'numpy = 1'"):
        from_export(broken)
    with pytest.raises(EnvironmentBuildError, match=r"no requirements\.txt"):
        from_export(folder_export(tmp_path / "c"))


def test_a_line_is_locked():
    """The lock of DAI 1.10 names every package at one version, and says what it lacks."""
    wanted = from_line("1.10")
    assert "pandas==1.2.5" in wanted.lines
    assert all("==" in line for line in wanted.lines)
    assert "h2oaicore exists only inside an export" in wanted.notes[0]
    with pytest.raises(EnvironmentBuildError, match=r"only for 1\.8, 1\.9, 1\.10, 1\.11"):
        from_line("1.7")
