"""Copies of OpenBLAS in the pipeline's Python: several are no fault, one that all see is told."""

import json
import shutil
import subprocess

import pytest
from scoring_calls import describe, log_of

from dai_spark.artifacts.extract import extract_archive
from dai_spark.envbuild.prefix.bundle import find_patchelf
from dai_spark.environments import check_environment
from dai_spark.sidecar.pipeline.openblas import mixed
from dai_spark.unpack.folders import sidecar_source

LOOK = """
import ctypes, json, sys
sys.path.insert(0, sys.argv[1])
if len(sys.argv) > 2:
    ctypes.CDLL(sys.argv[2], mode=ctypes.RTLD_GLOBAL)
import numpy, scipy.linalg
from dai_spark_sidecar.pipeline import openblas
from dai_spark_sidecar.pipeline.diagnosis import library_search
print(json.dumps([openblas.copies(), openblas.mixed(), library_search("")]))
"""


@pytest.fixture(scope="module")
def another(pipeline_python, tmp_path_factory):
    """A copy of scipy's OpenBLAS under a name of its own, as a third package would bring it."""
    (own,) = pipeline_python.parents[1].glob("lib/python*/site-packages/scipy.libs/libopenblas*")
    path = tmp_path_factory.mktemp("another") / "libopenblas.so.0"
    shutil.copyfile(own, path)
    # Beside what it needs: in another folder it finds no libgfortran.
    for name, value in (("--set-soname", path.name), ("--set-rpath", str(own.parent))):
        subprocess.run([find_patchelf(), name, value, str(path)], timeout=60, check=True)
    return path


def look(python, *arguments, **variables):
    """Copies, the sentence, and the search for libraries, of a process of the pipeline's Python."""
    command = [str(python), "-s", "-c", LOOK, str(sidecar_source()), *map(str, arguments)]
    ended = subprocess.run(
        command, env=variables, capture_output=True, text=True, timeout=60, check=True
    )
    return json.loads(ended.stdout)


def test_a_copy_for_each_package_is_no_fault(pipeline_python):
    """That of numpy and that of scipy, with their versions."""
    copies, told, search = look(pipeline_python)
    assert sorted(path.split("/")[-2] for path, _ in copies) == ["numpy.libs", "scipy.libs"]
    assert all(version.startswith("0.3.") for _, version in copies)
    assert told is None
    assert f"  copies of OpenBLAS\n    {copies[0][0]} {copies[0][1]}\n" in search


def test_a_copy_that_all_see_is_told(pipeline_python, another):
    """Preloaded, or loaded for all by a package; a single one for all is no fault."""
    for found in (
        look(pipeline_python, another),
        look(pipeline_python, LD_PRELOAD=str(another)),
    ):
        copies, told, search = found
        assert len(copies) == 3
        assert f"and {another} is visible to all libraries" in told
        assert f"\n    {told}\n" in search
    assert mixed() is None


def test_a_sidecar_says_so_in_its_log(plan, executor, another):
    """Once it has loaded its pipeline, which scores all the same."""
    assert describe(plan(env_vars={"LD_PRELOAD": str(another)}), executor).described.output
    assert f"and {another} is visible to all libraries" in log_of(executor)


@pytest.mark.long
def test_the_check_of_an_environment_tells_it(packed_environment, another, tmp_path):
    """As a note: nobody knows whether a pipeline minds."""
    extract_archive(packed_environment.path, tmp_path / "env")
    (site,) = (tmp_path / "env").glob("lib/python*/site-packages")
    shutil.copy(another, site / "libopenblas.so.0")
    (site / "loads.pth").write_text(
        "import ctypes, os, sys; ctypes.CDLL(os.path.join(sys.prefix, 'lib', "
        "'python%d.%d' % sys.version_info[:2], 'site-packages', 'libopenblas.so.0'), "
        "mode=ctypes.RTLD_GLOBAL)\n"
    )
    command = [find_patchelf(), "--set-rpath", "$ORIGIN/scipy.libs", str(site / "libopenblas.so.0")]
    subprocess.run(command, timeout=60, check=True)
    report = check_environment(tmp_path / "env")
    assert report.problems == ()
    assert "site-packages/libopenblas.so.0 is visible to all libraries" in report.text()
