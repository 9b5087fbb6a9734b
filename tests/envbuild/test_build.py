"""Environments built for real: a small one of this suite's own Python, and the one of DAI 1.10."""

import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from wheels import wheel

from dai_spark import ScoringPipeline
from dai_spark.artifacts.environment import EnvironmentManifest, PackedEnvironment
from dai_spark.artifacts.extract import extract_archive
from dai_spark.artifacts.license import read_license
from dai_spark.envbuild.build import build_from_requirements
from dai_spark.envbuild.check import sandbox
from dai_spark.envbuild.packages.export_requirements import from_export
from dai_spark.envbuild.packages.requirements import RequirementSet, from_line
from dai_spark.envbuild.packages.selection import LEFT_OUT, select_packages
from dai_spark.envbuild.prefix.pack import write_archive
from dai_spark.envbuild.python import interpreter
from dai_spark.environments import Choice, build_environment, check_environment
from dai_spark.errors import EnvironmentBuildError, OptionError
from dai_spark.local import no_uri

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
TAG = f"cp{MINOR.replace('.', '')}"


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A packed environment of the Python that runs the suite and one package, and what was said."""
    folder = tmp_path_factory.mktemp("small")
    tiny = wheel(
        folder,
        "tiny",
        {
            "tiny.py": "def main():\n    import sys\n    print('tiny in', sys.prefix)\n",
            "tiny-1.0.dist-info/entry_points.txt": "[console_scripts]\ntiny = tiny:main\n",
        },
    )
    wanted = RequirementSet(MINOR, "1.10", None, (f"tiny @ {tiny.as_uri()}",), (), (), "a test", ())
    output = folder / "small.tar.zst"
    said = []

    def build():
        return build_from_requirements(
            output, wanted, python=sys.executable, on_message=said.append
        )

    return SimpleNamespace(
        environment=build(), output=output, build=build, said=said, wanted=wanted
    )


@pytest.fixture(scope="module")
def unpacked(small, tmp_path_factory):
    """The small environment, unpacked in a folder that was not known when it was built."""
    folder = tmp_path_factory.mktemp("elsewhere") / "unpacked"
    extract_archive(small.output, folder)
    return folder


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


def test_a_c_library_that_is_too_old_is_told_before_anything_is_packed(small, tmp_path):
    """With the files that want a newer one; what is old enough is built."""
    output = tmp_path / "old.tar.zst"
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


def folder_export(folder, *wheels, **texts):
    """An unpacked export with a core wheel, one wheel more, and the scoring wheel."""
    folder.mkdir()
    for name in (
        "h2oaicore-1.10.7.3-cp38-cp38-linux_x86_64.whl",
        "datatable-0.11.1-cp38-cp38-linux_x86_64.whl",
        "scoring_h2oai_experiment_ab_cd-1.0.0-py3-none-any.whl",
        *wheels,
    ):
        (folder / name).write_text("")
    for name, text in texts.items():
        (folder / name.replace("_txt", ".txt").replace("_yml", ".yml")).write_text(text)
    return ScoringPipeline(folder)


def test_requirements_of_an_export(tmp_path):
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


def test_what_is_decided_is_shown_as_a_table(tmp_path):
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


def test_the_docs_say_what_is_left_out():
    """Each row of the table, with its reason."""
    docs = Path(__file__).resolve().parents[2] / "docs" / "environments.md"
    rows = [line for line in docs.read_text().splitlines() if line.startswith("| `")]
    assert rows == [f"| `{name}` | {why} |" for name, why in LEFT_OUT.items()]


LISTED = (
    "numpy==1.22.0\nplotly==4.14.3\ncupy-cuda110==9.0.0\npyorc==0.4.0\nbotocore==1.20.0\n"
    "requests==2.26.0\nh2oaicore-1.10.7.3-cp38-cp38-linux_x86_64.whl\n"
)


def test_what_scoring_never_uses_is_left_out(tmp_path):
    """By a table with reasons, said one by one; what the user says wins over it."""
    export = folder_export(tmp_path / "export", requirements_txt=LISTED)
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


def test_a_wheel_of_the_export_is_no_reason_to_compile(tmp_path):
    """Pyorc is left out where it would have to be compiled, and taken where its wheel lies."""
    brought = [f"{name}-cp38-cp38-linux_x86_64.whl" for name in ("pyorc-0.4.0", "h2o4gpu-0.3.2")]
    listed = LISTED + "\n".join(brought)
    wanted = from_export(folder_export(tmp_path / "export", *brought, requirements_txt=listed))
    found = [wheel.partition("-")[0] for wheel in wanted.wheels]
    assert found == ["datatable", "h2oaicore", "pyorc"]


def test_wheels_that_the_requirements_do_not_name(tmp_path):
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
def test_an_export_for_gpus_only(tmp_path, name):
    """A wheel that runs on nothing else is refused, until the user says that the model does."""
    export = folder_export(tmp_path / "export", name, requirements_txt=f"{LISTED}{name}\n")
    with pytest.raises(EnvironmentBuildError, match="a build for NVIDIA's GPUs, and scoring here"):
        from_export(export)
    package = name.partition("-")[0].replace("_", "-")
    assert name in from_export(export, Choice(keep=(package,))).wheels
    assert name not in from_export(export, Choice(exclude=(package,))).wheels


@pytest.mark.parametrize(
    ("choice", "error", "words"),
    [
        (Choice(exclude=("nunpy",)), OptionError, "nunpy cannot be kept or excluded.*numpy"),
        (Choice(constraints=("/nowhere/pins.txt",)), EnvironmentBuildError, "cannot be read"),
        (Choice(add=("numpy 1",)), EnvironmentBuildError, "--add has 'numpy 1'"),
    ],
)
def test_a_choice_that_cannot_be_meant(tmp_path, choice, error, words):
    """Names that nothing has, files that are not there, lines that are no requirements."""
    with pytest.raises(error, match=words) as told:
        from_export(folder_export(tmp_path / "export", requirements_txt=LISTED), choice)
    assert "\n" not in told.value.message


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


def test_an_export_that_cannot_be_followed(tmp_path):
    """A wheel that is named and absent, and a line that is no requirement, are told."""
    absent = folder_export(tmp_path / "a", requirements_txt="torch-1-cp38-cp38-linux_x86_64.whl\n")
    with pytest.raises(EnvironmentBuildError, match="names the wheel torch"):
        from_export(absent)
    broken = folder_export(tmp_path / "b", requirements_txt="numpy = 1\n")
    with pytest.raises(EnvironmentBuildError, match="'numpy = 1'"):
        from_export(broken)
    with pytest.raises(EnvironmentBuildError, match=r"no requirements\.txt"):
        from_export(folder_export(tmp_path / "c"))


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
def test_wheels_of_another_kind_of_machine_or_python(tmp_path, name, words):
    """A sentence before anything is installed."""
    export = folder_export(tmp_path / "export", name, requirements_txt=f"{LISTED}{name}\n")
    with pytest.raises(EnvironmentBuildError, match=words):
        from_export(export)
    assert from_export(export, Choice(exclude=("torch",))).wheels


def test_a_line_is_locked():
    """The lock of DAI 1.10 names every package at one version, and says what it lacks."""
    wanted = from_line("1.10")
    assert "pandas==1.2.5" in wanted.lines
    assert all("==" in line for line in wanted.lines)
    assert "h2oaicore exists only inside an export" in wanted.notes[0]
    with pytest.raises(EnvironmentBuildError, match=r"only for 1\.8, 1\.9, 1\.10, 1\.11"):
        from_line("1.7")


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
