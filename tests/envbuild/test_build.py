"""Environments built for real: what is in the archive, and what is refused."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path

import pytest
from wheels import wheel

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.extract import extract_archive
from dai_spark.artifacts.manifest import EnvironmentManifest
from dai_spark.envbuild.build import build_from_requirements
from dai_spark.envbuild.packages.requirements import RequirementSet
from dai_spark.envbuild.packages.selection import select_packages
from dai_spark.envbuild.prefix.pack import write_archive
from dai_spark.envbuild.prefix.prune import compile_sources
from dai_spark.environments import Choice, build_environment
from dai_spark.errors import EnvironmentBuildError, OptionError

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
TAG = f"cp{MINOR.replace('.', '')}"


def test_manifest_states_what_was_built(small, unpacked):
    """Python, platform, packages, sizes and the way taken stand in the archive itself."""
    manifest = small.environment.manifest
    assert manifest.python == platform.python_version()
    assert manifest.platform == f"linux-{platform.machine()}"
    assert manifest.packages == {"tiny": "1.0"}
    assert manifest.glibc.startswith("2.")
    assert "relocatable" in manifest.how
    files = [path for path in unpacked.rglob("*") if path.is_symlink() or path.is_file()]
    assert manifest.n_files == len(files) - 1


def test_scripts_find_the_python_beside_them(unpacked):
    """A console script starts the Python of its own folder, wherever that folder lies."""
    answer = subprocess.run(
        [str(unpacked / "bin" / "tiny")],
        env={"PATH": os.defpath}, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert answer.stdout == f"tiny in {unpacked}\n"


def test_nothing_names_the_folder_of_the_build(small, unpacked):
    """No file holds the path that the environment had while it was built."""
    path = os.fsencode(str(small.output.parent))
    files = [found for found in unpacked.rglob("*") if found.is_file()]
    assert [str(found) for found in files if path in found.read_bytes()] == []


def test_a_c_library_that_is_too_old_is_told_before_anything_is_installed(small, tmp_path):
    """With the files of the Python that want a newer one; nothing is resolved or fetched for it."""
    output = tmp_path / "old.tar.zst"
    small.said.clear()
    with pytest.raises(
        EnvironmentBuildError, match=r"needs the GNU C library 2\.\d+ or later,"
    ) as e:
        build_from_requirements(
            output,
            small.wanted,
            python=sys.executable,
            target_glibc="2.5",
            on_message=small.said.append,
        )
    assert "one for 2.5 was asked for" in e.value.message
    assert re.search(r"^bin/python3\S+ needs 2\.\d+$", e.value.details, re.MULTILINE)
    assert list(tmp_path.iterdir()) == []
    assert any("copying" in text for text in small.said), small.said
    assert not any("resolving" in text or "installing" in text for text in small.said)
    with pytest.raises(OptionError, match="is no version"):
        build_from_requirements(
            output,
            small.wanted,
            python=sys.executable,
            target_glibc="rhel8",
            on_message=small.said.append,
        )


def test_the_same_inputs_are_not_built_twice(small):
    """A second build of the same inputs leaves the archive as it is."""
    before = small.output.stat().st_mtime_ns
    again = small.build()
    assert small.output.stat().st_mtime_ns == before
    assert again.manifest == small.environment.manifest
    assert "same inputs" in small.said[-1]


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.zst"])
def test_the_same_files_give_the_same_bytes(tmp_path, suffix):
    """Times, rights and order of the building machine do not reach the archive."""
    archives = []
    for i, names in enumerate((["b", "a/c"], ["a/c", "b"])):
        root = tmp_path / str(i)
        for name in names:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(name)
            (root / name).chmod(0o600 + i * 0o44)
            os.utime(root / name, (i * 1000, i * 1000))
        manifest = EnvironmentManifest("3.8.18", "linux-x86_64", "bin/python3.8", unpacked_bytes=4)
        output = tmp_path / f"{i}.{suffix}"
        write_archive(root, manifest, output, lambda _: None)
        archives.append(output.read_bytes())
    assert archives[0] == archives[1]
    assert PackedEnvironment(output).manifest == manifest


def test_bytecode_that_lies_there_changes_no_bytes(unpacked):
    """Compiled again, each source gives what it gave, though bytecode of the compiler is there."""
    before = {path: path.read_bytes() for path in unpacked.rglob("*.pyc")}
    compile_sources(unpacked, unpacked / "bin" / f"python{MINOR}")
    after = {path: path.read_bytes() for path in unpacked.rglob("*.pyc")}
    assert len(after) > 100
    assert [path for path in {*before, *after} if before.get(path) != after.get(path)] == []


def test_what_is_excluded_does_not_come_with_another(tmp_path):
    """Installed for real: the package asks for a dependency, and goes without."""
    needy = wheel(tmp_path, "needy", {"needy.py": ""}, needs=("six",))
    lines, overrides = {"needy": f"needy @ {needy.as_uri()}"}, {"six": "six==1.17.0"}
    select_packages(lines, overrides, Choice(exclude=("six",)), [])
    wanted = RequirementSet(
        MINOR, "1.10", None, tuple(lines.values()), (), tuple(overrides.values()), "a test", ()
    )
    said = []
    built = build_from_requirements(
        tmp_path / "needy.tar.zst", wanted, python=sys.executable, on_message=said.append
    )
    assert built.manifest.packages == {"needy": "1.0"}
    assert "installing 1 packages: needy" in said


def test_what_cannot_be_built_is_told_first(tmp_path):
    """Wrong options, a wrong suffix, an absent folder and a wrong Python are sentences."""
    with pytest.raises(OptionError, match="either reference= "):
        build_environment(tmp_path / "x.tar.gz")
    with pytest.raises(EnvironmentBuildError, match=r"\.tar\.gz or \.tar\.zst"):
        build_environment(tmp_path / "x.zip", dai="1.10")
    with pytest.raises(EnvironmentBuildError, match="make it first"):
        build_environment(tmp_path / "absent" / "x.tar.gz", dai="1.10")
    with pytest.raises(EnvironmentBuildError, match=r"Python 3\.8 is wanted"):
        build_environment(tmp_path / "x.tar.gz", dai="1.10", python=sys.executable)


def test_tensorflow_is_renamed_where_the_export_brings_it(tmp_path):
    """Installed, moved, packed and unpacked for real: both names import one module."""
    export = tmp_path / "export"
    export.mkdir()
    core = wheel(export, "h2oaicore", {"h2oaicore.py": ""}, version="1.11.1",
                 tag=f"{TAG}-{TAG}-linux_x86_64")  # fmt: skip
    brought = [
        wheel(export, "tensorflow_cpu", {"tensorflow/__init__.py": "import tensorflow_estimator"}),
        wheel(export, "tensorflow_estimator", {"tensorflow_estimator/__init__.py": "n = 7"}),
    ]
    wheel(export, "scoring_h2oai_experiment_ab_cd", {"x.py": ""}, version="1.0.0")
    lines = "".join(f"{path.name}\n" for path in [core, *brought])
    (export / "requirements.txt").write_text(lines)
    said = []
    output = tmp_path / "tensorflow.tar.zst"
    build_environment(output, reference=export, python=sys.executable, on_message=said.append)
    assert any(one.startswith("tensorflow is tensorflow_cpu now") for one in said)
    home = tmp_path / "elsewhere"
    extract_archive(output, home)
    (site,) = home.glob("lib/python*/site-packages")
    assert (site / "tensorflow").readlink() == Path("tensorflow_cpu")
    code = "import tensorflow, tensorflow_cpu, tensorflow_estimator_dai as e; print(e.n)"
    python = home / "bin" / f"python{MINOR}"
    answer = subprocess.run(
        [str(python), "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    assert answer.stdout == "7\n"
    (record,) = site.glob("tensorflow_cpu-*.dist-info/RECORD")
    assert "tensorflow/__init__.py" in record.read_text()
