"""The conda way, with the real solver and conda-pack, from channels that are built here."""

import asyncio
import shutil
import subprocess

import pytest
from conda_channel import build_packages, kept_channel
from pandas.testing import assert_frame_equal

from dai_spark import score_pandas
from dai_spark.artifacts.extract import extract_archive
from dai_spark.envbuild.packages.requirements import RequirementSet
from dai_spark.envbuild.python import conda_channels
from dai_spark.envbuild.python.conda_python import HOME, LOCK_NAME, CondaOptions
from dai_spark.environments import build_environment, check_environment, download_environment
from dai_spark.errors import EnvironmentBuildError, OptionError
from dai_spark.local.unpacked_python import unpacked_python


def wanted(*lines, overrides=(), python="3.8"):
    return RequirementSet(python, "1.10", None, lines, (), overrides, "a test", ())


@pytest.fixture(scope="module")
def hollow(tmp_path_factory):
    """URL of a channel whose packages hold one file each: enough to solve, lock and fetch."""
    channel = tmp_path_factory.mktemp("channel")
    build_packages(
        channel,
        ("python", "3.8.18", []),
        ("pandas", "1.2.5", ["python 3.8.*", "pytz"]),
        ("pandas", "1.5.3", ["python 3.8.*", "pytz"]),
        ("pytz", "2021.3", []),
        ("pytz", "2025.1", []),
        ("broken", "1.0", ["python 3.11.*"]),
    )
    return channel.as_uri()


def names(records):
    return {f"{one.name.normalized} {one.version}" for one in records}


def test_channels_give_what_they_have_at_its_pin(hollow):
    """The rest is left to uv; a pin holds for what a package brings with it, too."""
    asked = wanted("pandas==1.2.5", "numpy==1.22.0", overrides=("pytz==2021.3",))
    found = names(conda_channels.solve(asked, [hollow]))
    assert found == {"python 3.8.18", "pandas 1.2.5", "pytz 2021.3"}
    found = names(conda_channels.solve(wanted("pandas==1.2.5"), [hollow]))
    assert "pytz 2025.1" in found
    assert names(conda_channels.solve(wanted("pandas>=1"), [hollow])) == {"python 3.8.18"}


def test_a_lock_is_followed_from_a_mirror(hollow, tmp_path):
    """By name and digest: another address serves, other bytes under the name do not."""
    asked = wanted("pandas==1.2.5", overrides=("pytz==2021.3",))
    lock = conda_channels.write_lock(conda_channels.solve(asked, [hollow]))
    assert "@EXPLICIT" in lock
    mirror = tmp_path / "mirror"
    shutil.copytree(hollow[len("file://") :], mirror)
    found = conda_channels.locked(lock, [mirror.as_uri()])
    assert names(found) == {"python 3.8.18", "pandas 1.2.5", "pytz 2021.3"}
    digest = conda_channels.read_lock(lock)[0][2]
    with pytest.raises(EnvironmentBuildError, match=r"linux-64/pandas-1\.2\.5.*is not in"):
        conda_channels.locked(lock.replace(digest, "0" * 64), [mirror.as_uri()])
    with pytest.raises(EnvironmentBuildError, match="--write-lock"):
        conda_channels.read_lock("numpy==1.22.0\n")


def test_fetched_packages_are_a_channel(hollow, tmp_path):
    """What is there is not fetched again, what is damaged is, what is not wanted goes."""
    records = conda_channels.solve(wanted("pandas==1.2.5"), [hollow])
    assert conda_channels.fetch(records, tmp_path) == 3
    (damaged,) = (tmp_path / "linux-64").glob("pytz-*.conda")
    damaged.write_bytes(b"damaged")
    (tmp_path / "linux-64" / "old-1.0-0.conda").touch()
    assert conda_channels.fetch(records, tmp_path) == 1
    assert len(list(tmp_path.rglob("*.conda"))) == 3
    again = conda_channels.solve(wanted("pandas==1.2.5"), [tmp_path.as_uri()])
    assert conda_channels.write_lock(again).count("\n") == 5


def test_no_solution_is_told_with_the_solvers_reason(hollow):
    """In one sentence, which names the packages."""
    with pytest.raises(EnvironmentBuildError, match="no set of packages that fits.*broken") as told:
        conda_channels.solve(wanted("broken==1.0"), [hollow])
    assert "\n" not in told.value.message
    with pytest.raises(EnvironmentBuildError, match=r"python 3\.11"):
        conda_channels.solve(wanted("six==1.17.0", python="3.11"), [hollow])


@pytest.mark.parametrize(
    "channel",
    ["http://user:secret-word@127.0.0.1:9/t/secret-word/channel", "file:///nowhere/channel"],
)
def test_a_channel_that_is_not_there(channel):
    """One sentence that names it, and no secret of its address."""
    with pytest.raises(EnvironmentBuildError, match="/channel could not be read") as told:
        conda_channels.solve(wanted("six==1.17.0"), [channel])
    assert "\n" not in told.value.message
    assert "secret-word" not in told.value.text


def test_secrets_of_an_address_stay_out_of_a_lock(hollow):
    """User, password and token: the lock travels in the archive."""
    records = conda_channels.solve(wanted(), [hollow])
    records[0].url = "https://user:secret-word@host/t/secret-word/channel/linux-64/python-3.conda"
    assert "https://host/t/***/channel/linux-64/python-3.conda#" in conda_channels.write_lock(
        records
    )


def test_options_that_exclude_each_other(hollow, tmp_path):
    """A lock without a channel, a channel beside a Python or an offline folder."""
    output = tmp_path / "x.tar.zst"
    with pytest.raises(OptionError, match="name the channel"):
        CondaOptions.of((), tmp_path / "lock", None)
    with pytest.raises(OptionError, match="leave out either"):
        build_environment(output, dai="1.10", channels=[hollow], python="/usr/bin/python3")
    with pytest.raises(OptionError, match="offline folder brings"):
        build_environment(output, dai="1.10", channels=[hollow], offline=tmp_path)
    with pytest.raises(EnvironmentBuildError, match="cannot be read"):
        build_environment(output, dai="1.10", channels=[hollow], lock=tmp_path / "absent")


def test_within_a_running_loop(hollow):
    """A notebook's cell runs in one."""

    async def cell():
        return conda_channels.solve(wanted(), [hollow])

    assert names(asyncio.run(cell())) == {"python 3.8.18"}


@pytest.fixture(scope="module")
def channel():
    """URL of a channel with a real Python 3.8, NumPy and two more, kept in build/."""
    return kept_channel()


@pytest.fixture(scope="module")
def built(channel, tmp_path_factory):
    """The environment of DAI 1.10, its Python and three packages of the channel."""
    folder = tmp_path_factory.mktemp("conda")
    return build_environment(
        folder / "conda.tar.zst", dai="1.10", channels=[channel], write_lock=folder / "conda.lock"
    )


@pytest.mark.long
@pytest.mark.timeout(900)
def test_its_environment_is_sound(built, packed_environment, tmp_path):
    """What the other way gives, in the same layout; no file names this build."""
    report = check_environment(built.path)
    assert report.problems == ()
    assert report.alone or not shutil.which("unshare")
    assert built.manifest.built_from == "conda"
    assert "conda-pack" in built.manifest.how
    assert built.manifest.packages == packed_environment.manifest.packages
    extract_archive(built.path, tmp_path / "env")
    where = subprocess.run(
        [str(tmp_path / "env" / "bin" / "where")],
        env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, timeout=30, check=True,
    )  # fmt: skip
    assert where.stdout == f"{tmp_path}/env\n"
    assert (tmp_path / "env" / LOCK_NAME).read_text() == (
        built.path.parent / "conda.lock"
    ).read_text()
    files = [path for path in (tmp_path / "env").rglob("*") if path.is_file()]
    naming = [path for path in files if str(built.path.parent).encode() in path.read_bytes()]
    assert naming == []
    assert [path for path in files if HOME.encode() in path.read_bytes()] == []


@pytest.mark.long
@pytest.mark.timeout(900)
def test_scores_are_the_pipelines_own(built, export, own_scores, flights, license_file):
    """To the last bit, with nulls and texts among the columns."""
    found = score_pandas(flights, export(), built.path, license_file=str(license_file))
    own = own_scores(export(), flights, python=unpacked_python(built.path))
    assert_frame_equal(found, own, check_exact=True)


@pytest.mark.long
@pytest.mark.timeout(900)
def test_carried_and_locked_it_is_the_same(built, channel, tmp_path):
    """The same bytes from the lock, and from an offline folder."""
    lock = built.path.parent / "conda.lock"
    locked = build_environment(
        tmp_path / "locked.tar.zst", dai="1.10", channels=[channel], lock=lock
    )
    assert locked.digest == built.digest
    folder = download_environment(tmp_path / "carried", dai="1.10", channels=[channel])
    assert {path.name for path in folder.iterdir()} == {
        "SHA256SUMS", "conda", "conda.lock", "dai_spark_download.json", "system", "wheels",
    }  # fmt: skip
    offline = build_environment(tmp_path / "offline.tar.zst", dai="1.10", offline=folder)
    assert offline.digest == built.digest
