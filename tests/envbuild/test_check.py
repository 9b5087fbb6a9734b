"""The check of an environment: a sound one passes, and each fault is told."""

import os
import platform
import subprocess

import pytest

from dai_spark.artifacts.license import read_license
from dai_spark.envbuild.check import sandbox
from dai_spark.environments import check_environment
from dai_spark.local.local_plan import no_uri


def test_runs_with_the_building_python_out_of_sight(small):
    """Its Python imports everything where nothing but the C library is to be seen."""
    report = check_environment(small.output)
    assert report.problems == ()
    assert report.python == platform.python_version()
    assert {"ssl", "ctypes", "sqlite3"} <= set(report.imported)
    assert report.alone or os.geteuid() != 0
    assert report.glibc == small.environment.manifest.glibc
    assert "tiny" in report.package_bytes
    for word in ("sound", "glibc", "Python and libraries", "h2oaicore is not in it"):
        assert word in report.text()


@pytest.mark.parametrize("alone", [True, False])
def test_a_library_taken_from_outside_is_a_problem(unpacked, tmp_path, monkeypatch, alone):
    """The check fails on an environment that a library was removed from, confined or not."""
    if not alone:
        monkeypatch.setattr(sandbox.Sandbox, "_can_confine", lambda _: False)
    broken = tmp_path / "broken"
    subprocess.run(["cp", "-a", str(unpacked), str(broken)], timeout=60, check=True)
    (removed,) = (broken / "lib").glob("libffi.so*")
    removed.unlink()
    report = check_environment(broken)
    assert any("ctypes" in problem or "libffi" in problem for problem in report.problems)
    assert any(removed.name in note for note in report.notes)
    assert "PROBLEM" in report.text()


@pytest.mark.parametrize(
    ("fate", "is_given", "told"),
    [
        ("", False, "give --license-file"),
        pytest.param("raise_in_load", True, "the export's own example cannot be scored in it: ",
                     marks=pytest.mark.long),
    ],
)  # fmt: skip
def test_an_example_that_cannot_be_scored_is_a_problem(
    pipeline_python, export, license_file, fate, is_given, told
):
    """Each with its own reason: no licence, a pipeline that raises; the licence is never told."""
    environment = pipeline_python.parent.parent
    license = read_license(None, str(license_file), no_uri)
    report = check_environment(
        environment, export(fate=fate), license=license if is_given else None
    )
    assert report.trial is None
    (problem,) = report.problems
    assert told in problem
    assert license.reveal() not in report.text()


def test_the_environment_of_dai_1_10(packed_environment, export, license_file):
    """The suite's own is sound: DAI 1.10's pins import, and an export's example is scored in it."""
    license = read_license(None, str(license_file), no_uri)
    report = check_environment(packed_environment.path, export(), license=license)
    assert report.problems == ()
    assert report.trial.n_rows == 15
    assert report.trial.output == ("late.no", "late.yes")
    assert {"xgboost_cpu"} <= set(report.trial.unused)
    assert not {"pandas", "lightgbm", "numpy"} & set(report.trial.unused)
    assert "scored   15 rows" in report.text()
    (note,) = [one for one in report.notes if "OpenBLAS" in one]
    assert "2 copies of OpenBLAS are loaded (0.3." in note
    assert "scipy.libs/libopenblas" in note
    assert "each seen only by the package that brings it" in note
    assert packed_environment.dai_line == "1.10"
    assert packed_environment.python == "3.8"
    wanted = {
        "pandas": "1.2.5", "pyarrow": "3.0.0", "numpy": "1.22.0", "sklearn.ensemble": "0.24.2",
        "datatable": "1.1.0", "lightgbm": "3.3.5", "xgboost": "2.1.4",
    }  # fmt: skip
    assert {name: report.imported.get(name) for name in wanted} == wanted
    assert not any(name.startswith("nvidia") for name in packed_environment.manifest.packages)
