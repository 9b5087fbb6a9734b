"""What a packed environment says of itself, and what is refused when one is unpacked."""

import errno
import json
import os
import shutil
import stat
import tarfile
from collections import namedtuple
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from archives import MANIFEST, archive, member

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.extract import extract_archive
from dai_spark.artifacts.manifest import MANIFEST_NAME, EnvironmentManifest
from dai_spark.cli import main
from dai_spark.errors import (
    EnvironmentMismatchError,
    EnvironmentNotFoundError,
    EnvironmentUnpackError,
    PackedEnvironmentError,
)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DAI_SPARK_CACHE", str(tmp_path / "cache"))


@pytest.fixture(params=["tar.gz", "tar.zst"])
def sound(request, tmp_path):
    """A sound archive of one file, in either compression."""
    python = member("bin/python3.8", b"12345", mode=0o4755)
    return archive(tmp_path / f"env.{request.param}", python)


class Pipeline(SimpleNamespace):
    """What `check_fits` reads of a ScoringPipeline."""

    def __init__(self, **fields):
        known = {"python": None, "dai_line": None, "dai_version": None, "path": "scorer.zip"}
        super().__init__(**{**known, **fields})


def test_manifest_is_read_from_either_compression(sound):
    """An archive says what it holds, whichever way it is compressed."""
    found = PackedEnvironment(sound)
    assert found.manifest == MANIFEST
    assert (found.python, found.dai_line, found.core_version) == ("3.8", "1.10", "1.10.7.3")
    assert found.interpreter == "bin/python3.8"
    assert found.size_bytes == sound.stat().st_size
    assert len(found.digest) == 64


def test_repr_answers_what_a_user_asks(sound):
    """The repr names path, size, DAI line, core version, Python and C library."""
    shown = repr(PackedEnvironment(sound))
    for word in (str(sound), "MB", "1.10", "h2oaicore 1.10.7.3", "3.8.18", "glibc 2.17"):
        assert word in shown


def test_manifest_of_a_later_builder_is_read():
    """Keys that this version does not know are passed over; a later format is not."""
    known = json.loads(MANIFEST.to_json())
    assert EnvironmentManifest.from_json(json.dumps({**known, "colour": "blue"})) == MANIFEST
    with pytest.raises(ValueError, match="newer dai_spark"):
        EnvironmentManifest.from_json(json.dumps({**known, "format_version": 99}))


def test_reading_the_manifest_reads_no_more_than_the_start(tmp_path):
    """A damaged end does not matter to who only asks: the rest of the archive is not read."""
    noise = bytes(i * i % 251 for i in range(1 << 20))
    path = archive(tmp_path / "env.tar.gz", member("big", noise))
    path.write_bytes(path.read_bytes()[:-2000])
    assert PackedEnvironment(path).python == "3.8"


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.zst"])
@pytest.mark.parametrize("lost", [4, 700, 150_000])
def test_an_archive_that_was_cut_off_is_not_shown(tmp_path, capsys, suffix, lost):
    """Wherever the cut fell, though the manifest at its head can be read; exit status 1."""
    # With it the tar ends where a block that is read ends: the sum behind it is not met by chance.
    noise = np.random.default_rng(0).bytes(320_000)
    path = archive(
        tmp_path / f"env.{suffix}", member("noise", noise), manifest=replace(MANIFEST, n_files=1)
    )
    assert main(["env", "show", str(path)]) == 0
    assert "Python   3.8.18" in capsys.readouterr().out
    path.write_bytes(path.read_bytes()[:-lost])
    assert main(["env", "show", str(path)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "cut off while copied" in said.err
    assert len(said.err.splitlines()) == 1


def test_an_archive_between_two_members_cut_off_is_not_shown(tmp_path, capsys):
    """It reads as a shorter one, so its files are counted."""
    path = archive(tmp_path / "env.tar.gz", member("a"), manifest=replace(MANIFEST, n_files=2))
    assert main(["env", "show", str(path)]) == 1
    assert "holds 1 files where its manifest states 2" in capsys.readouterr().err


def test_folder_is_an_environment(sound, tmp_path):
    """A folder that an archive was unpacked to is one too, and its digest depends on its place."""
    first, second = tmp_path / "first", tmp_path / "second"
    extract_archive(sound, first)
    shutil.copytree(first, second)
    found = PackedEnvironment(first)
    assert found.is_folder
    assert found.manifest == MANIFEST
    assert found.digest == PackedEnvironment(first).digest
    assert found.digest != PackedEnvironment(second).digest


def test_what_is_no_environment_is_told_in_a_sentence(tmp_path):
    """Absent, no archive, cut off, without manifest, folder without manifest: what to do."""
    with pytest.raises(EnvironmentNotFoundError, match="dai-spark env build"):
        PackedEnvironment(tmp_path / "absent.tar.gz")
    text = tmp_path / "text.tar.gz"
    text.write_text("no archive")
    with pytest.raises(EnvironmentUnpackError, match="neither gzip nor zstd"):
        PackedEnvironment(text)
    cut = archive(tmp_path / "cut.tar.gz", member("a"))
    cut.write_bytes(cut.read_bytes()[:60])
    with pytest.raises(EnvironmentUnpackError, match="damaged or was cut off"):
        PackedEnvironment(cut)
    plain = archive(tmp_path / "plain.tar.gz", member("bin/python"), manifest=None)
    with pytest.raises(PackedEnvironmentError, match=r"conda-pack.*dai-spark env build"):
        PackedEnvironment(plain)
    with pytest.raises(PackedEnvironmentError, match=r"holds no dai_spark_environment\.json"):
        PackedEnvironment(tmp_path)


@pytest.mark.parametrize(
    ("pipeline", "sides"),
    [
        (Pipeline(python="3.11"), ("Python 3.8", "Python 3.11")),
        (Pipeline(python="3.8", dai_line="1.11"), ("Driverless AI 1.10", "Driverless AI 1.11")),
        (Pipeline(dai_version="1.10.6"), ("h2oaicore 1.10.7.3", "h2oaicore 1.10.6")),
    ],
)
def test_a_mismatch_names_both_sides(sound, pipeline, sides):
    """An environment of another Python, line or core is refused, with the command to type."""
    with pytest.raises(EnvironmentMismatchError) as caught:
        PackedEnvironment(sound).check_fits(pipeline)
    for side in sides:
        assert side in caught.value.message
    assert "dai-spark env build --reference scorer.zip" in caught.value.message


def test_what_is_not_stated_is_not_compared(sound, tmp_path):
    """A pipeline that tells nothing fits, and so does an environment built without an export."""
    PackedEnvironment(sound).check_fits(Pipeline())
    bare = archive(tmp_path / "bare.tar.gz", manifest=replace(MANIFEST, core_version=None))
    PackedEnvironment(bare).check_fits(
        Pipeline(python="3.8", dai_line="1.10", dai_version="1.10.6")
    )


def test_the_wrong_machine_is_named(tmp_path):
    """Another processor, or an older C library than needed, is told before anything is started."""
    for other, words in (
        (replace(MANIFEST, platform="linux-sparc"), "linux-sparc"),
        (replace(MANIFEST, glibc="2.99"), "GNU C library 2.99"),
    ):
        found = PackedEnvironment(archive(tmp_path / "env.tar.gz", manifest=other))
        with pytest.raises(EnvironmentMismatchError, match=words):
            found.check_machine()


def test_unpacking_keeps_content_and_privacy(tmp_path):
    """Files, links and executable bits arrive; set-uid and other users' rights do not."""
    path = archive(
        tmp_path / "env.tar.zst",
        member("lib", type=tarfile.DIRTYPE, mode=0o777),
        member("bin/python3.8", b"12345", mode=0o6777),
        member("lib/data", b"x", mode=0o644),
        member("bin/python", type=tarfile.SYMTYPE, linkname="python3.8"),
        member("lib/again", type=tarfile.LNKTYPE, linkname="lib/data"),
        manifest=replace(MANIFEST, n_files=4, unpacked_bytes=6),
    )
    to = tmp_path / "out"
    extract_archive(path, to)
    assert (to / "bin/python").read_bytes() == b"12345"
    assert (to / "lib/again").read_bytes() == b"x"
    modes = {
        name: stat.S_IMODE((to / name).stat().st_mode)
        for name in ("", "lib", "bin", "bin/python3.8", "lib/data")
    }
    assert modes == {"": 0o700, "lib": 0o700, "bin": 0o700, "bin/python3.8": 0o700,
                     "lib/data": 0o600}  # fmt: skip


def test_the_name_of_the_archive_does_not_matter(sound, tmp_path):
    """The shipped file has a digest for a name; the compression is told by its first bytes."""
    shipped = sound.rename(tmp_path / "0123abcd")
    extract_archive(shipped, tmp_path / "out")
    assert (tmp_path / "out/bin/python3.8").exists()


LINK, HARD = tarfile.SYMTYPE, tarfile.LNKTYPE


@pytest.mark.parametrize(
    ("reason", "members"),
    [
        ("absolute", [member("/evil", b"x")]),
        ("leads out", [member("../evil", b"x")]),
        ("leads out", [member("a/../../evil", b"x")]),
        ("leads out", [member("..", type=tarfile.DIRTYPE)]),
        ("a link to /", [member("out", type=LINK, linkname="/etc")]),
        ("link out leads out", [member("out", type=LINK, linkname="..")]),
        ("link a/out leads out", [member("a/out", type=LINK, linkname="../../evil")]),
        (
            "write through out",
            [member("out", type=LINK, linkname="."), member("out/evil", b"x")],
        ),
        (
            "write through out",
            [member("out", type=LINK, linkname="../x"), member("out/evil", b"x")],
        ),
        (
            "link out leads out",
            [
                member("a/b/c", type=LINK, linkname="../.."),
                member("out", type=LINK, linkname="a/b/c/.."),
            ],
        ),
        (
            "leads out",
            [
                member("one", type=LINK, linkname="two"),
                member("two", type=LINK, linkname="../x"),
            ],
        ),
        (
            "leads out",
            [
                member("one", type=LINK, linkname="two"),
                member("two", type=LINK, linkname="one"),
            ],
        ),
        ("a hard link to /", [member("hard", type=HARD, linkname="/etc/hostname")]),
        ("a hard link to ..", [member("hard", type=HARD, linkname="../evil")]),
        (
            "a hard link to soft",
            [
                member("soft", type=LINK, linkname="x"),
                member("hard", type=HARD, linkname="soft"),
            ],
        ),
        ("in it twice", [member("same", b"1"), member("same", b"2")]),
        ("in it twice", [member("soft", type=LINK, linkname="x"), member("soft", b"2")]),
        ("in it twice", [member("a/below", b"1"), member("a", b"2")]),
        ("write through file", [member("file", b"1"), member("file/below", b"2")]),
        ("neither file", [member("device", type=tarfile.CHRTYPE, devmajor=1, devminor=3)]),
        ("neither file", [member("block", type=tarfile.BLKTYPE)]),
        ("neither file", [member("pipe", type=tarfile.FIFOTYPE)]),
        ("leads out", [member(120 * "a" + "/../../evil", b"x")]),
        ("leads out", [member("short", b"x", pax_headers={"path": "../evil"})]),
        ("a link to /", [member("out", type=LINK, linkname="/" + 120 * "a")]),
        ("a hard link to later", [member("hard", type=HARD, linkname="later"), member("later")]),
        ("a hard link to folder", [member("folder/a"), member("h", type=HARD, linkname="folder")]),
        ("in it twice", [member("a/b", b"1"), member("a", type=LINK, linkname=".")]),
        ("unusual name", [member("a\\evil", b"x")]),
        ("in it twice", [member(MANIFEST_NAME, b"{}")]),
    ],
)
def test_an_unsafe_archive_is_refused(tmp_path, reason, members):
    """No member is written outside the folder, through a link, twice, or as a device."""
    manifest = replace(MANIFEST, n_files=len(members))
    path = archive(tmp_path / "env.tar.gz", *members, manifest=manifest)
    inner = tmp_path / "inner"
    inner.mkdir()
    with pytest.raises(EnvironmentUnpackError, match=reason):
        extract_archive(path, inner / "to")
    assert [found.name for found in inner.iterdir()] == ["to"]
    assert not (tmp_path / "evil").exists()
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.zst"])
@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_a_cut_off_archive_is_told(tmp_path, suffix, kept):
    """An archive that lost its end is refused wherever the cut fell."""
    noise = bytes(i * i * 7 % 251 for i in range(300_000))
    path = archive(tmp_path / f"env.{suffix}", member("noise", noise))
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(EnvironmentUnpackError, match=r"damaged or was cut off|holds 0 files"):
        extract_archive(path, tmp_path / "to")


def test_a_tar_that_ends_early_is_told(tmp_path):
    """A tar cut between two members reads as a shorter tar, so the files are counted."""
    path = archive(tmp_path / "env.tar.gz", member("one", b"1"),
                   manifest=replace(MANIFEST, n_files=2))  # fmt: skip
    with pytest.raises(EnvironmentUnpackError, match="holds 1 files where its manifest states 2"):
        extract_archive(path, tmp_path / "to")


def test_a_disk_without_room_is_told_with_both_figures(sound, tmp_path, monkeypatch):
    """Needed and free bytes are named, whether seen before or while writing."""
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, 3))
    with pytest.raises(EnvironmentUnpackError, match=r"needs 5 bytes in .* 3 are free"):
        extract_archive(sound, tmp_path / "before")
    monkeypatch.setattr("shutil.disk_usage", lambda _: usage(0, 0, 5))

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    with pytest.raises(EnvironmentUnpackError, match=r"bytes in .* 5 are free"):
        extract_archive(sound, tmp_path / "during")


def test_a_used_folder_is_refused(sound, tmp_path):
    """An environment never mixes with what lay in the folder before."""
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "left").touch()
    with pytest.raises(EnvironmentUnpackError, match="not empty"):
        extract_archive(sound, tmp_path / "to")


def counted(n_bytes, n_files=1):
    return replace(MANIFEST, unpacked_bytes=n_bytes, n_files=n_files)


@pytest.mark.parametrize("suffix", ["tar.gz", "tar.zst"])
def test_a_file_ends_at_the_size_that_the_manifest_states(tmp_path, suffix):
    """50 MB of zeros in a small archive that states 1,000 bytes: no block of them is written."""
    bomb = archive(
        tmp_path / f"bomb.{suffix}",
        member("lib/sound", b"x" * 1000),
        member("lib/bomb", bytes(50_000_000)),
        manifest=counted(1000, 2),
    )
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(EnvironmentUnpackError, match=r"refused: it unpacks to more than 1,000 byt"):
        extract_archive(bomb, tmp_path / "to")
    assert (tmp_path / "to" / "lib" / "bomb").stat().st_size == 0


def test_many_small_files_end_at_the_size_too(tmp_path):
    """The sum counts, of files that are each within it."""
    members = [member(f"lib/{i}", b"x" * 100) for i in range(20)]
    path = archive(tmp_path / "e.tar.zst", *members, manifest=counted(1000, 20))
    with pytest.raises(EnvironmentUnpackError, match="more than 1,000 bytes"):
        extract_archive(path, tmp_path / "to")
    assert sum(p.stat().st_size for p in (tmp_path / "to" / "lib").iterdir()) <= 1000


@pytest.mark.parametrize("what", ["files", "links", "hard links", "folders"])
def test_the_number_of_members_ends_at_what_the_manifest_states(tmp_path, what):
    """Empty files, links and folders take inodes, of which a disk has so many."""
    kinds = {
        "files": {},
        "links": {"type": tarfile.SYMTYPE, "linkname": "0"},
        "hard links": {"type": tarfile.LNKTYPE, "linkname": "lib/0"},
        "folders": {"type": tarfile.DIRTYPE},
    }
    members = [member(f"lib/m{i}", **kinds[what]) for i in range(3000)]
    path = archive(
        tmp_path / "e.tar.zst", member("lib/0", b"12345"), *members, manifest=counted(5, 3)
    )
    with pytest.raises(EnvironmentUnpackError, match=r"refused: it unpacks to more than [\d,]+ f"):
        extract_archive(path, tmp_path / "to")
    assert len(list((tmp_path / "to").rglob("*"))) <= (1010 if what == "folders" else 6)


def test_a_sparse_file_is_refused(tmp_path):
    """It claims bytes that no archive holds, without end."""
    sparse = member("lib/sparse", b"\0" * 512, type=tarfile.GNUTYPE_SPARSE)
    path = archive(tmp_path / "e.tar.zst", sparse, manifest=counted(10**12))
    with pytest.raises(EnvironmentUnpackError):
        extract_archive(path, tmp_path / "to")


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_would_fill_the_memory_is_refused(tmp_path, kind):
    """Tarfile reads a member's long name and other notes whole, before it tells of the member."""
    note = member("./note", bytes(5_000_000), type=kind)
    path = archive(tmp_path / "e.tar.zst", note, member("lib/0", b"12345"))
    with pytest.raises(EnvironmentUnpackError, match="a header in it claims 5,000,000 bytes"):
        extract_archive(path, tmp_path / "to")


def test_a_manifest_that_is_none_is_told(tmp_path):
    """One of 5 MB is not read; one with no numbers is refused in a sentence."""
    huge = tmp_path / "huge.tar.zst"
    archive(huge, member(MANIFEST_NAME, b" " * 5_000_000), manifest=None)
    with pytest.raises(PackedEnvironmentError, match=r"claims 5,000,000 bytes, so it is none"):
        PackedEnvironment(huge)
    for stated in (None, "5", -1, True, 1.5):
        path = archive(tmp_path / "odd.tar.zst", manifest=replace(MANIFEST, n_files=stated))
        with pytest.raises(PackedEnvironmentError, match=r"its n_files is .* no number of them"):
            PackedEnvironment(path)


def test_a_name_of_two_thousand_folders_is_told(tmp_path):
    """What no disk takes is a sentence and no RecursionError."""
    path = archive(tmp_path / "e.tar.zst", member("a/" * 2000 + "b", b"12345"))
    with pytest.raises(EnvironmentUnpackError):
        extract_archive(path, tmp_path / "to")


@pytest.mark.parametrize(
    "changed",
    [
        *[{name: None} for name in ("python", "platform", "interpreter", "packages", "n_files")],
        *[{name: 5} for name in ("python", "platform", "interpreter", "dai_line", "how", "inputs")],
        *[{"packages": value} for value in ([], "numpy", {"numpy": None}, {"numpy": 1})],
        *[{"unpacked_bytes": value} for value in ("5", -1, 1.5, True)],
        *[{"format_version": value} for value in ("1", None, [], 99)],
        *[{"interpreter": value} for value in ("/bin/sh", "../../bin/sh", "bin/../../sh", "", [])],
        {"glibc": 2.17},
        {"built_from": None},
    ],
    ids=str,
)
def test_a_manifest_of_wrong_types_is_refused_by_the_name(tmp_path, changed):
    """Of an archive, of a folder, and while it is unpacked: never a raw error."""
    text = json.dumps({**json.loads(MANIFEST.to_json()), **changed}).encode()
    path = archive(tmp_path / "env.tar.gz", member(MANIFEST_NAME, text), manifest=None)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / MANIFEST_NAME).write_bytes(text)
    words = "format" if "format_version" in changed else next(iter(changed))
    for given in (path, folder):
        with pytest.raises(PackedEnvironmentError, match=f"cannot be read: its {words} is"):
            PackedEnvironment(given)
    with pytest.raises(EnvironmentUnpackError, match=f"cannot be read: its {words} is"):
        extract_archive(path, tmp_path / "to")


@pytest.mark.parametrize(
    "text",
    [b"", b"null", b"[]", b"5", b'"x"', b"{", b"\xff\xfe{", b"{}", b"[" * 100_000, b"\xff"],
    ids=["empty", "null", "list", "number", "text", "half", "utf-16", "none", "deep", "bytes"],
)
def test_a_manifest_that_is_none_is_refused(tmp_path, text):
    """In a sentence, wherever it lies."""
    path = archive(tmp_path / "env.tar.gz", member(MANIFEST_NAME, text), manifest=None)
    (tmp_path / MANIFEST_NAME).write_bytes(text)
    for given in (path, tmp_path):
        with pytest.raises(PackedEnvironmentError, match="cannot be read: ") as caught:
            PackedEnvironment(given)
        assert "\n" not in caught.value.message


def test_a_manifest_may_leave_out_what_it_need_not_state():
    """And state that there is none."""
    text = json.dumps(
        {"python": "3.8", "platform": "x", "interpreter": "bin/python", "glibc": None}
    )
    assert EnvironmentManifest.from_json(text).packages == {}
    assert EnvironmentManifest.from_json(text[:-1] + ', "packages": {}}').glibc is None


def test_a_manifest_with_a_byte_order_mark_is_read(tmp_path):
    """As an editor leaves it."""
    (tmp_path / MANIFEST_NAME).write_bytes(b"\xef\xbb\xbf" + MANIFEST.to_json().encode())
    assert PackedEnvironment(tmp_path).manifest == MANIFEST


def test_a_manifest_that_is_no_file_is_refused(tmp_path):
    """A folder, a FIFO that would be waited for, and one of gigabytes."""
    for name in ("folder", "fifo", "large"):
        (tmp_path / name).mkdir()
    (tmp_path / "folder" / MANIFEST_NAME).mkdir()
    os.mkfifo(tmp_path / "fifo" / MANIFEST_NAME)
    with (tmp_path / "large" / MANIFEST_NAME).open("wb") as stream:
        stream.truncate(5 << 30)
    for name, words in (("folder", "holds no"), ("fifo", "holds no"), ("large", "has more than")):
        with pytest.raises(PackedEnvironmentError, match=words):
            PackedEnvironment(tmp_path / name)


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE])
@pytest.mark.parametrize("n_folders", [101, 1500])
def test_folders_without_end_are_refused(tmp_path, kind, n_folders):
    """What removes a folder goes into it by calling itself, and stops a thousand folders down."""
    deep = member("a/" * n_folders + "x", type=kind, linkname="y")
    path = archive(tmp_path / "env.tar.gz", deep)
    with pytest.raises(EnvironmentUnpackError, match="lies in more than 100 folders"):
        extract_archive(path, tmp_path / "to")
    shutil.rmtree(tmp_path / "to")


def test_a_path_of_a_home_that_nobody_has_is_refused():
    """Of a user without an entry in passwd, as containers have them."""
    with pytest.raises(EnvironmentNotFoundError, match="leads nowhere on this host"):
        PackedEnvironment("~nobody-of-that-name/env.tar.gz")
