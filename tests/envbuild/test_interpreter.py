"""Where a Python of the building machine is looked for."""

from pathlib import Path

import pytest

from dai_spark.envbuild.python import interpreter
from dai_spark.errors import EnvironmentBuildError


def test_no_python_of_the_version(monkeypatch):
    """Where none is found and none can be downloaded, the commands to type are named."""
    monkeypatch.setattr(interpreter, "_candidates", lambda _: iter(()))
    monkeypatch.setattr(interpreter, "_uv_pythons", lambda _: iter(()))
    monkeypatch.setattr(interpreter, "_download", lambda _: "no network")
    with pytest.raises(EnvironmentBuildError, match=r"uv python install 3\.8.*--python") as caught:
        interpreter.find_interpreter("3.8", on_message=lambda _: None)
    assert "no network" in caught.value.details


def test_pyenv_is_looked_at_without_its_shims(tmp_path, monkeypatch):
    """Versions lie in PYENV_ROOT, newest patch first, whatever PATH has in front."""
    for version in ("3.8.9", "3.8.18", "3.9.1", "3.8-dev"):
        (tmp_path / "versions" / version).mkdir(parents=True)
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(interpreter, "_uv_pythons", lambda _: iter(()))
    found = [path.relative_to(tmp_path) for path in interpreter._candidates("3.8")
             if tmp_path in path.parents]  # fmt: skip
    assert found == [
        Path("versions/3.8.18/bin/python3.8"),
        Path("versions/3.8.9/bin/python3.8"),
    ]
