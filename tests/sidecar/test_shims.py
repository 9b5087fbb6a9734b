"""Repairs of old packages: each applied in a real Python 3.8 that needs it, and only there."""

import json
import subprocess

import pytest

from dai_spark.unpack.folders import sidecar_source

# What the suite's environment lacks; pure wheels of the index, of its Python's time.
PACKAGES = ["importlib-resources==6.4.5", "python-magic==0.4.27"]
LOOK = """
import importlib.resources, json, os, sys
sys.path[:0] = sys.argv[1:]
import psutil
if os.environ.get("WITHOUT_LIMITS"):
    for name in [name for name in dir(psutil) if name.startswith(os.environ["WITHOUT_LIMITS"])]:
        delattr(psutil, name)
if os.environ.get("WITHOUT_LIBMAGIC"):
    import ctypes
    real = ctypes.CDLL.__init__
    def refuse(self, name=None, *rest, **words):
        if name and "magic" in str(name):
            raise OSError(name)
        real(self, name, *rest, **words)
    ctypes.CDLL.__init__ = refuse
from dai_spark_sidecar.pipeline.shims import apply_shims
applied = apply_shims()
import resource
try:
    import magic
    asked = magic.from_buffer(b"%PDF-1.2")
except Exception as error:
    asked = repr(error)
print(json.dumps({
    "applied": [one.split(":")[0] for one in applied],
    "has_files": hasattr(importlib.resources, "files"),
    "limit": getattr(psutil, "RLIMIT_NOFILE", None) == resource.RLIMIT_NOFILE,
    "infinity": getattr(psutil, "RLIM_INFINITY", None) == resource.RLIM_INFINITY,
    "asked": asked,
}))
"""


@pytest.fixture(scope="module")
def site(pipeline_python, tmp_path_factory):
    """A folder with the two packages, installed for the pipeline's Python."""
    from dai_spark.envbuild.packages.uv import find_uv

    folder = tmp_path_factory.mktemp("site")
    command = [find_uv(), "pip", "install", "--quiet", "--python", str(pipeline_python)]
    subprocess.run([*command, "--target", str(folder), *PACKAGES], timeout=120, check=True)
    return folder


@pytest.fixture
def look(pipeline_python):
    """A function that applies the shims in a process of the pipeline's Python and looks around."""

    def run(*folders, **variables):
        command = [
            str(pipeline_python),
            "-s",
            "-c",
            LOOK,
            str(sidecar_source()),
            *map(str, folders),
        ]
        ended = subprocess.run(
            command, env=variables, capture_output=True, text=True, timeout=60, check=True
        )
        return json.loads(ended.stdout)

    return run


def test_nothing_is_repaired_that_is_not_broken(look):
    """Without the packages there is nothing to repair."""
    found = look()
    assert found["applied"] == []
    assert not found["has_files"]


def test_the_backport_stands_in_for_what_the_standard_library_lacks(look, site):
    """Python 3.8 gets `importlib.resources.files`."""
    found = look(site)
    assert "shim resources_files" in found["applied"]
    assert found["has_files"]


@pytest.mark.parametrize("missing", ["RLIMIT_", "RLIM_INFINITY"])
def test_psutil_without_limits_gets_them(look, missing):
    """Of the same values."""
    found = look(WITHOUT_LIMITS=missing)
    assert found["applied"] == ["shim psutil_limits"]
    assert found["limit"]
    assert found["infinity"]


def test_python_magic_can_be_imported_without_its_library(look, site):
    """It says what is missing when it is asked."""
    found = look(site, WITHOUT_LIBMAGIC="1")
    assert "shim libmagic" in found["applied"]
    assert "magic.from_buffer() wants libmagic" in found["asked"]
