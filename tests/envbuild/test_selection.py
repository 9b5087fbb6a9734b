"""Packages that are left out, and what the user says instead."""

from pathlib import Path

import pytest

from dai_spark.envbuild.packages.export_requirements import from_export
from dai_spark.envbuild.packages.selection import LEFT_OUT
from dai_spark.environments import Choice
from dai_spark.errors import EnvironmentBuildError, OptionError


def test_the_docs_say_what_is_left_out():
    """Each row of the table, with its reason."""
    docs = Path(__file__).resolve().parents[2] / "docs" / "environments.md"
    rows = [line for line in docs.read_text().splitlines() if line.startswith("| `")]
    assert rows == [f"| `{name}` | {why} |" for name, why in LEFT_OUT.items()]


def test_what_scoring_never_uses_is_left_out(folder_export, tmp_path, listed_requirements):
    """By a table with reasons, said one by one; what the user says wins over it."""
    export = folder_export(tmp_path / "export", requirements_txt=listed_requirements)
    wanted = from_export(export)
    assert wanted.lines == ("importlib-resources", "numpy==1.22.0", "requests==2.26.0")
    said = "\n".join(wanted.notes)
    assert "cupy-cuda110: left out, since it runs on NVIDIA's GPUs" in said
    assert "--keep plotly installs it" in said
    pins = tmp_path / "pins.txt"
    pins.write_text("# ours\nurllib3==1.26.20\nnumpy==1.22.4\n")
    choice = Choice(
        exclude=("Requests",), add=("importlib-resources==5.12.0",), keep=("plotly",),
        constraints=(str(pins),),
    )  # fmt: skip
    wanted = from_export(export, choice)
    assert wanted.lines == ("importlib-resources==5.12.0", "numpy==1.22.4", "plotly==4.14.3")
    assert "urllib3==1.26.20" in wanted.overrides
    assert "requests; python_version < '0'" in wanted.overrides
    assert "numpy: numpy==1.22.4 instead of numpy==1.22.0, as your" in "\n".join(wanted.notes)
    assert len(wanted.wheels) == 2


@pytest.mark.parametrize(
    ("choice", "error", "words"),
    [
        (Choice(exclude=("nunpy",)), OptionError, "nunpy cannot be kept or excluded.*numpy"),
        (Choice(constraints=("/nowhere/pins.txt",)), EnvironmentBuildError, "cannot be read"),
        (Choice(add=("numpy 1",)), EnvironmentBuildError, "--add has 'numpy 1'"),
    ],
)
def test_a_choice_that_cannot_be_meant(
    folder_export, tmp_path, choice, error, words, listed_requirements
):
    """Names that nothing has, files that are not there, lines that are no requirements."""
    with pytest.raises(error, match=words) as told:
        from_export(
            folder_export(tmp_path / "export", requirements_txt=listed_requirements), choice
        )
    assert "\n" not in told.value.message
