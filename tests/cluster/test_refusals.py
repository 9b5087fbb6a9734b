"""What cannot work is refused in one sentence, with exit status 3 and no traceback."""

import io
import re
import tarfile
import zipfile
from dataclasses import replace

import pytest

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.manifest import MANIFEST_NAME

# Of each run: what its one sentence says.  {..} are fixtures' paths.
SENTENCES = {
    "no_such_zip": r"No scoring pipeline lies at \S+/nothing\.zip; give ",
    "mojo": r"\S+/mojo\.zip is a MOJO pipeline",
    "no_wheel": r"\S+/no_wheel\.zip holds no scoring wheel",
    "two_wheels": r"\S+/two_wheels\.zip holds 2 scoring wheels \(",
    "missing_columns": r"Table parquet:\S+ lacks (dest, carrier|carrier, dest) of the ",
    "wrong_python": r"The environment \S+ is for Python 3\.11, but .* for Python 3\.8\. Build",
    "other_dai": r"The environment \S+ is for Driverless AI 1\.9, but .* for Driverless AI 1\.10",
    "no_environment": r"No packed environment lies at \S+/nothing\.tar\.gz; build ",
    "other_processor": r".* is for linux-sparc, but the host \S+ is linux-",
    "newer_library": r".* needs the GNU C library 9\.99 or later, but the host \S+ has ",
    "no_license": r"Pipeline \S+ wants a valid Driverless AI licence on \S+: none was found; give ",
    "recipe_server": r"Pipeline \S+ needs the H2O-3 recipe server",
    "target_exists": r"The target parquet:\S+ exists; give --mode append",
}


def packed(path, manifest):
    """An archive that holds a manifest alone."""
    text = manifest.to_json().encode()
    with tarfile.open(path, "w:gz") as archive:
        member = tarfile.TarInfo(MANIFEST_NAME)
        member.size = len(text)
        archive.addfile(member, io.BytesIO(text))
    return path


def zipped(path, *names):
    """A zip with empty files."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(name, b"")
    return path


@pytest.fixture(scope="module")
def runs(tmp_path_factory, export, packed_environment, license_file, flights, flights_parquet):
    """The arguments of each run."""
    folder = tmp_path_factory.mktemp("refusals")
    few = folder / "few"
    flights.drop(columns=["carrier", "dest"]).head(100).to_parquet(few)
    manifest = PackedEnvironment(packed_environment.path).manifest
    (folder / "taken").mkdir()
    flights.head(1).to_parquet(folder / "taken" / "part-0.parquet")
    wheel = "scoring_h2oai_experiment_{}-1.0.0-py3-none-any.whl"
    changes = {
        "no_such_zip": {"pipeline": folder / "nothing.zip"},
        "mojo": {"pipeline": zipped(folder / "mojo.zip", "mojo-pipeline/pipeline.mojo")},
        "no_wheel": {"pipeline": zipped(folder / "no_wheel.zip", "scoring-pipeline/run.sh")},
        "two_wheels": {
            "pipeline": zipped(
                folder / "two_wheels.zip",
                *(f"scoring-pipeline/{wheel.format(name)}" for name in ("a1", "b2")),
            )
        },
        "missing_columns": {"source": f"parquet:{few}"},
        "wrong_python": {
            "env": packed(folder / "python.tar.gz", replace(manifest, python="3.11.9"))
        },
        "other_dai": {"env": packed(folder / "dai.tar.gz", replace(manifest, dai_line="1.9"))},
        "no_environment": {"env": folder / "nothing.tar.gz"},
        "other_processor": {
            "env": packed(folder / "sparc.tar.gz", replace(manifest, platform="linux-sparc"))
        },
        "newer_library": {
            "env": packed(folder / "library.tar.gz", replace(manifest, glibc="9.99"))
        },
        "no_license": {"license-file": None},
        "recipe_server": {"pipeline": export(fate="needs_recipe_server")},
        "target_exists": {"target": f"parquet:{folder / 'taken'}"},
    }
    usual = {
        "pipeline": export(),
        "env": packed_environment.path,
        "license-file": license_file,
        "source": f"parquet:{flights_parquet}",
        "target": f"parquet:{folder / 'scores'}",
    }
    made = {}
    for name, change in changes.items():
        words = {**usual, **change}
        made[name] = [
            word for key, value in words.items() if value for word in (f"--{key}", str(value))
        ]
    return made


@pytest.fixture(scope="module")
def run(run_program, runs):
    """One application that is refused again and again."""
    made = run_program("refusals.py", {"runs": runs})
    assert made.exit_code == 0, made.stderr
    return made


@pytest.mark.parametrize("name", SENTENCES)
def test_one_sentence_says_it(run, name):
    """Status 3, and on standard error one line of ours that names what was found."""
    assert run.findings[name] == 3
    told = run.stderr.partition(f"<<<{name}\n")[2].partition(f">>>{name}\n")[0]
    lines = [
        line.partition("dai-spark: ")[2] for line in told.splitlines() if "dai-spark: " in line
    ]
    lines = [line for line in lines if not line.startswith("--verbose")]
    assert len(lines) == 1, told
    assert re.match(SENTENCES[name], lines[0]), lines[0]
    assert len(lines[0]) < 600
    assert "Traceback" not in told
    assert "\tat " not in told
    print(f"{name}: {lines[0]}")


def test_nothing_is_left(run, nothing_left):
    """No refusal leaves a sidecar or its files."""
    nothing_left(run)
