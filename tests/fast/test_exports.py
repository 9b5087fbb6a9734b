"""Exports as people have them: packed again, linked, encrypted, cut off, or something else."""

import bz2
import gzip
import io
import lzma
import os
import struct
import tarfile
import zipfile

import pyarrow as pa
import pytest

from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.errors import NotAPipelineError, PipelineNotFoundError

PACKAGE = "scoring_h2oai_experiment_4e86cfd8_ba96"
WHEEL = f"{PACKAGE}-1.0.0-py3-none-any.whl"
TOP = "scoring-pipeline/"
EXAMPLE = b"pd.Series(['1.5'], name='month', dtype='float32')\n"


def wheel(content="class Scorer: pass"):
    """A wheel of one file, without RECORD: the scorer needs none."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{PACKAGE}/__init__.py", content)
    return sink.getvalue()


MEMBERS = {
    WHEEL: wheel(),
    "example.py": EXAMPLE,
    "h2oaicore-1.10.7.3-cp38-cp38-linux_x86_64.whl": b"core" * 1000,
    "requirements.txt": b"numpy\n",
    "tmp/contrib/recipe.py": b"recipe = 1\n",
}


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DAI_SPARK_CACHE", str(tmp_path / "cache"))


def entry(name, method=zipfile.ZIP_DEFLATED, **fields):
    found = zipfile.ZipInfo(name)
    found.compress_type = method
    for field, value in fields.items():
        setattr(found, field, value)
    return found


def zipped(path, members, method=zipfile.ZIP_DEFLATED, again=None):
    """A zip of members by name; names may be `ZipInfo`.  `again` are members that follow."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
        for name, content in (again or {}).items():
            with pytest.warns(UserWarning, match="Duplicate name"):
                archive.writestr(name, content)
    return path


def below(top, members=MEMBERS):
    return {top + name: content for name, content in members.items()}


def tarred(path, members, links=(), compress=bytes):
    """A tar of members by name, and of links: name, type, target."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for name, kind, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            archive.addfile(info)
    path.write_bytes(compress(raw.getvalue()))
    return path


def zstd(content):
    return pa.Codec("zstd").compress(content, asbytes=True)


def spoilt(path, at, *, byte=None):
    """Change one byte of a file, at a place or where some bytes stand first."""
    content = bytearray(path.read_bytes())
    place = content.index(at) if isinstance(at, bytes) else at
    content[place] = content[place] ^ 0xFF if byte is None else byte
    path.write_bytes(content)
    return path


def claims(path, name, **fields):
    """Change the compression method or the flags of one member, in both of a zip's lists."""
    content = bytearray(path.read_bytes())
    for start, flags_at, name_at in ((b"PK\x03\x04", 6, 30), (b"PK\x01\x02", 8, 46)):
        place = content.find(start)
        while place >= 0:
            if content[place + name_at :].startswith(name.encode()):
                if "flags" in fields:
                    content[place + flags_at] |= fields["flags"]
                if "method" in fields:
                    struct.pack_into("<H", content, place + flags_at + 2, fields["method"])
            place = content.find(start, place + 4)
    path.write_bytes(content)
    return path


@pytest.fixture
def plain(tmp_path):
    """The export as Driverless AI writes it."""
    return ScoringPipeline(zipped(tmp_path / "plain.zip", below(TOP)))


def same(plain, path):
    """Whether an export is that one: all that it says, and what travels."""
    found = ScoringPipeline(path)
    for name in ("digest", "members", "columns", "dai_version", "package"):
        assert getattr(found, name) == getattr(plain, name), name
    for member in plain.members:
        assert found.read(member) == plain.read(member)
    return found


# -- read where that is safe -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "compress"),
    [
        ("export.tar", bytes),
        ("export.tar.gz", gzip.compress),
        ("export.tgz", gzip.compress),
        ("export.tar.bz2", bz2.compress),
        ("export.tar.xz", lzma.compress),
        ("export.tar.zst", zstd),
        ("export.zip", gzip.compress),
    ],
)
@pytest.mark.parametrize("top", [TOP, "", "./", "./a/scoring-pipeline/"])
def test_a_tar_of_an_export_is_that_export(plain, tmp_path, name, compress, top):
    """Whatever it is compressed with and called; its core wheel can be taken out as well."""
    found = same(plain, tarred(tmp_path / name, below(top), compress=compress))
    core = "h2oaicore-1.10.7.3-cp38-cp38-linux_x86_64.whl"
    assert found.extract_member(core, tmp_path).read_bytes() == MEMBERS[core]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_by_another_method_is_read(plain, tmp_path, method):
    """Methods that Python knows."""
    same(plain, zipped(tmp_path / "x.zip", below(TOP), method))


@pytest.mark.parametrize("system", [0, 3, 10])
def test_backslashes_are_slashes(plain, tmp_path, system):
    """As .NET and Windows' own packers write names."""
    members = {
        entry((TOP + name).replace("/", "\\"), create_system=system): content
        for name, content in MEMBERS.items()
    }
    same(plain, zipped(tmp_path / "x.zip", members))


@pytest.mark.parametrize("top", ["/", "/srv/", "../", "../../x/", "./", "a//b/", "C:/x/"])
def test_names_that_lead_elsewhere_stay_below(plain, tmp_path, top):
    """Absolute names and `..` are taken as unzip takes them."""
    same(plain, zipped(tmp_path / "x.zip", below(top)))


def test_a_name_that_leads_out_of_tmp_stays_in_it(tmp_path):
    """What travels is unpacked on executors by names that are clean."""
    hostile = {**MEMBERS, "tmp/../../../etc/cron.d/x": b"x", "tmp//a/./b": b"y"}
    found = ScoringPipeline(zipped(tmp_path / "x.zip", below(TOP, hostile)))
    with zipfile.ZipFile(found.slim_path) as slim:
        assert {"tmp/a/b", "tmp/etc/cron.d/x"} < set(slim.namelist())
        assert not [name for name in slim.namelist() if ".." in name or name.startswith("/")]


def test_names_that_differ_in_case_are_two_files(tmp_path):
    """Executors tell them apart."""
    members = below(TOP, {**MEMBERS, "tmp/A.py": b"A", "tmp/a.py": b"a", "EXAMPLE.PY": b""})
    found = ScoringPipeline(zipped(tmp_path / "x.zip", members))
    assert (found.read("tmp/A.py"), found.read("tmp/a.py")) == (b"A", b"a")
    assert len(found.columns) == 1


def test_names_in_utf_8_that_do_not_say_so_are_read(tmp_path):
    """Zipfile takes them for the code page of DOS."""
    path = zipped(tmp_path / "x.zip", below(TOP, {**MEMBERS, "tmp/Größe.py": b"x"}))
    content = path.read_bytes()
    flagged = struct.pack("<HH", 0x800, 8)
    assert content.count(flagged) == 2
    path.write_bytes(content.replace(flagged, struct.pack("<HH", 0, 8)))
    assert "tmp/Größe.py" in ScoringPipeline(path).members


@pytest.mark.parametrize("where", ["copies/", "a/b/", ""])
def test_the_same_wheel_twice_is_one(plain, tmp_path, where):
    """Of equal wheels the one that lies with its example is meant."""
    members = {**below(TOP), where + WHEEL: MEMBERS[WHEEL]}
    assert ScoringPipeline(zipped(tmp_path / "x.zip", members)).digest == plain.digest
    path = zipped(tmp_path / "y.zip", below(TOP), again={TOP + WHEEL: MEMBERS[WHEEL]})
    assert ScoringPipeline(path).digest == plain.digest


def test_links_of_archives_lead_to_files_in_them(plain, tmp_path):
    """Symbolic and hard, of files and of folders."""
    members = below("store/", MEMBERS)
    links = [
        (f"scoring-pipeline/{WHEEL}", tarfile.SYMTYPE, f"../store/{WHEEL}"),
        ("scoring-pipeline/example.py", tarfile.LNKTYPE, "store/example.py"),
        ("scoring-pipeline/tmp", tarfile.SYMTYPE, "../store/tmp"),
        ("scoring-pipeline/contrib", tarfile.SYMTYPE, "tmp/contrib"),
    ]
    del members["store/requirements.txt"]
    core = "h2oaicore-1.10.7.3-cp38-cp38-linux_x86_64.whl"
    members[f"scoring-pipeline/{core}"] = members.pop(f"store/{core}")
    found = ScoringPipeline(tarred(tmp_path / "x.tar.gz", members, links, gzip.compress))
    assert found.digest == plain.digest
    assert found.read("contrib/recipe.py") == b"recipe = 1\n"
    linked = {
        **members,
        **{
            entry(name, create_system=3, external_attr=0o120777 << 16): target
            for name, kind, target in links
            if kind == tarfile.SYMTYPE
        },
        "scoring-pipeline/example.py": EXAMPLE,
    }
    assert ScoringPipeline(zipped(tmp_path / "x.zip", linked)).digest == plain.digest


def folder_of(path, members=MEMBERS):
    for name, content in members.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def test_links_of_a_folder_that_stay_in_it_are_followed(plain, tmp_path):
    """Also where the folder itself is a link, and where links make a circle."""
    folder = folder_of(tmp_path / "export")
    (folder / "store").mkdir()
    (folder / WHEEL).rename(folder / "store" / WHEEL)
    (folder / WHEEL).symlink_to(f"store/{WHEEL}")
    (folder / "tmp").rename(folder / "store" / "tmp")
    (folder / "tmp").symlink_to("store/tmp")
    (folder / "store" / "round").symlink_to("..")
    (tmp_path / "link").symlink_to(folder)
    for path in (folder, tmp_path / "link"):
        assert ScoringPipeline(path).digest == plain.digest


def test_what_an_export_can_do_without_may_be_damaged(plain, tmp_path):
    """Links that lead nowhere, FIFOs and unreadable files matter where they travel."""
    folder = folder_of(tmp_path / "export")
    (folder / "README.txt").symlink_to("gone.txt")
    (folder / "tmp-2").symlink_to("/etc")
    os.mkfifo(folder / "fifo")
    found = ScoringPipeline(folder)
    assert found.digest == plain.digest
    assert found.notes == ()


# -- else one sentence ---------------------------------------------------------------------------


def refused(path):
    """The sentence that refuses an export, when it is opened or when it is sent."""
    with pytest.raises(NotAPipelineError) as caught:
        _ = ScoringPipeline(path).digest
    message = caught.value.message
    assert str(path) in message
    assert "\n" not in message
    assert "Error" not in message
    return message


def test_an_encrypted_zip_is_refused(tmp_path):
    """By the file that it is about: of one that is not needed nothing is said."""
    path = zipped(tmp_path / "x.zip", below(TOP))
    claims(path, TOP + "requirements.txt", flags=1)
    assert ScoringPipeline(path).digest
    claims(path, TOP + WHEEL, flags=1)
    assert "is encrypted; pack the export without a password" in refused(path)


@pytest.mark.parametrize(
    ("method", "word"), [(9, "Deflate64"), (93, "Zstandard"), (99, "AES"), (77, "method 77")]
)
def test_a_method_that_python_does_not_know_is_named(tmp_path, method, word):
    """Windows packs large files by Deflate64."""
    path = claims(zipped(tmp_path / "x.zip", below(TOP)), TOP + WHEEL, method=method)
    assert f"is compressed by {word}, which Python cannot read; unpack it" in refused(path)


def test_a_damaged_wheel_is_refused(tmp_path):
    """By the archive's checksum, and by the wheel's own."""
    path = spoilt(zipped(tmp_path / "a.zip", below(TOP), zipfile.ZIP_STORED), b"class Scorer"[:1])
    stored = io.BytesIO()
    with zipfile.ZipFile(stored, "w") as archive:
        archive.writestr(f"{PACKAGE}/__init__.py", "class Scorer: pass")
    members = below(TOP, {**MEMBERS, WHEEL: stored.getvalue()})
    path = spoilt(zipped(tmp_path / "a.zip", members, zipfile.ZIP_STORED), b"Scorer: pass")
    assert "cannot be read (Bad CRC-32" in refused(path)
    inner = stored.getvalue().replace(b"Scorer: pass", b"Scorer: fail")
    path = zipped(tmp_path / "b.zip", below(TOP, {**MEMBERS, WHEEL: inner}))
    assert "has a wrong checksum" in refused(path)
    path = zipped(tmp_path / "c.zip", below(TOP, {**MEMBERS, WHEEL: b"no zip"}))
    assert "is damaged (File is not a zip file)" in refused(path)


def test_archives_that_were_cut_off_are_refused(tmp_path):
    """At any place; a plain tar has no checksum, but an end."""
    whole = {
        "x.zip": zipped(tmp_path / "x.zip", below(TOP)),
        "x.tar": tarred(tmp_path / "x.tar", below(TOP)),
        "x.tgz": tarred(tmp_path / "x.tgz", below(TOP), compress=gzip.compress),
        "x.tar.xz": tarred(tmp_path / "x.tar.xz", below(TOP), compress=lzma.compress),
        "x.tar.zst": tarred(tmp_path / "x.tar.zst", below(TOP), compress=zstd),
    }
    for name, path in whole.items():
        content = path.read_bytes()
        for part in (0.1, 0.5, 0.9):
            cut = tmp_path / f"cut-{part}-{name}"
            cut.write_bytes(content[: int(len(content) * part)])
            assert "copied" in (told := refused(cut)) or "copy" in told
    # Between two members.
    tar = whole["x.tar"].read_bytes()
    with tarfile.open(whole["x.tar"]) as archive:
        places = [member.offset for member in archive]
    for place in places[1:]:
        (tmp_path / "cut.tar").write_bytes(tar[:place])
        assert "cut off" in refused(tmp_path / "cut.tar")


def test_a_checksum_behind_the_tar_is_looked_at(tmp_path):
    """A tar's own end comes before that of what compresses it."""
    raw = tarred(tmp_path / "x.tar", below(TOP)).read_bytes()
    path = tmp_path / "x.tgz"
    path.write_bytes(gzip.compress(raw + bytes(4 << 20)))
    assert ScoringPipeline(path).digest
    assert "CRC check failed" in refused(spoilt(path, -8))


def test_two_wheels_that_are_not_one_are_refused(tmp_path):
    """Of one name and of two, in one folder and in two."""
    other = wheel("class Scorer: x = 1")
    path = zipped(tmp_path / "a.zip", {**below(TOP), f"old/{WHEEL}": other})
    assert f"holds the scoring wheel {WHEEL} 2 times, not always the same" in refused(path)
    path = zipped(tmp_path / "b.zip", below(TOP), again={TOP + WHEEL: other})
    assert "is in it twice, with different content" in refused(path)
    second = WHEEL.replace("4e86", "5e86")
    path = zipped(tmp_path / "c.zip", {**below(TOP), TOP + second: MEMBERS[WHEEL]})
    assert "holds 2 scoring wheels" in refused(path)


def test_a_zip_in_a_zip_is_named(tmp_path):
    """What browsers and artefact stores make of a download."""
    inner = zipped(tmp_path / "scorer.zip", below(TOP))
    path = zipped(tmp_path / "x.zip", {"artifact/scorer.zip": inner.read_bytes()})
    assert "holds no scoring wheel, but artifact/scorer.zip; if that is the export" in refused(path)


@pytest.mark.parametrize(
    ("begin", "words"),
    [
        (b"", "is an empty file"),
        (b"<!DOCTYPE html><html>log in", "is a web page and no zip"),
        (b"version https://git-lfs.github.com/spec/v1\noid", "is a pointer of Git LFS"),
        (b"7z\xbc\xaf\x27\x1c\x00", "is a 7z archive"),
        (b"Rar!\x1a\x07", "is a RAR archive"),
        (gzip.compress(b"no tar"), "cannot be read as a tar"),
        (b"\x00" * 5000, "is not a readable zip"),
    ],
    ids=lambda value: value if isinstance(value, str) else "begin",
)
def test_what_is_no_archive_is_named(tmp_path, begin, words):
    """By its first bytes."""
    (tmp_path / "x.zip").write_bytes(begin)
    assert words in refused(tmp_path / "x.zip")


def test_a_packed_environment_is_told_from_an_export(tmp_path):
    """Both are archives that a user has, and two arguments take one each."""
    path = tarred(tmp_path / "x.tgz", {"dai_spark_environment.json": b"{}"}, (), gzip.compress)
    assert "is a packed environment and no pipeline; give it as env=" in refused(path)


def test_what_is_neither_file_nor_folder_is_refused(tmp_path):
    """A FIFO would be waited for."""
    os.mkfifo(tmp_path / "fifo")
    assert "is neither file nor folder" in refused(tmp_path / "fifo")
    folder = folder_of(tmp_path / "export")
    (folder / "tmp" / "fifo").parent.mkdir(exist_ok=True)
    os.mkfifo(folder / "tmp" / "fifo")
    assert "'tmp/fifo', which the pipeline may need to score, is neither" in refused(folder)


@pytest.mark.parametrize(
    ("name", "target", "words"),
    [
        ("tmp/x", "gone", "is a link that leads nowhere; copy the export with its links followed"),
        ("tmp/x", "/etc/passwd", "is a link out of the folder, to /etc/passwd"),
        ("tmp/x", "../../secret", "is a link out of the folder"),
        ("tmp/x", ".", "is a link to a folder that it lies in"),
        (WHEEL, "../secret", "is a link out of the folder"),
    ],
)
def test_links_of_a_folder_that_leave_it_are_refused(tmp_path, name, target, words):
    """A pipeline chooses no files of this host to be sent with it."""
    (tmp_path / "secret").write_text("secret")
    folder = folder_of(tmp_path / "export")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(target)
    assert words in refused(folder)


@pytest.mark.parametrize("target", ["gone", "/etc/passwd", "../../../etc/passwd", ".", "x"])
def test_links_of_an_archive_that_leave_it_are_refused(tmp_path, target):
    """Also in a circle."""
    links = [(TOP + "tmp/x", tarfile.SYMTYPE, target)]
    path = tarred(tmp_path / "x.tgz", below(TOP), links, gzip.compress)
    assert "'tmp/x', which the pipeline may need to score, is a link to" in refused(path)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("tmp/" + "a/" * 1500 + "x", "lies in more than 100 folders"),
        ("tmp/" + "a" * 300, "has too long a name"),
        ("tmp/" + "/".join(["a" * 200] * 20), "has too long a name"),
        ("tmp/contrib/recipe.py/x", "is a file and a folder"),
        ("tmp/b\udce9.py", "has a name that is not UTF-8"),
    ],
)
def test_names_that_no_executor_can_make_are_refused(tmp_path, name, words):
    """Before anything is sent."""
    path = tarred(tmp_path / "x.tgz", below(TOP, {**MEMBERS, name: b"x"}), (), gzip.compress)
    assert words in refused(path)


def test_a_device_in_tmp_is_refused(tmp_path):
    """As tar keeps it."""
    links = [(TOP + "tmp/null", tarfile.CHRTYPE, "")]
    path = tarred(tmp_path / "x.tgz", below(TOP), links, gzip.compress)
    assert "is neither file, folder nor link" in refused(path)


def test_a_folder_in_which_folders_go_on_for_ever_is_refused(tmp_path):
    """The wrong folder was given, or links make it so."""
    folder = folder_of(tmp_path / "export")
    deep = folder
    for _ in range(200):
        deep = deep / "a"
    deep.mkdir(parents=True)
    assert "has more than 100 folders in each other" in refused(folder)


def test_paths_that_lead_nowhere_are_named(tmp_path, monkeypatch):
    """Too long, through a file, with a zero, from a home that nobody has."""
    zipped(tmp_path / "x.zip", below(TOP))
    for path in ("a" * 5000, tmp_path / "x.zip" / "y", "a\0b"):
        with pytest.raises(PipelineNotFoundError, match="No scoring pipeline lies at"):
            ScoringPipeline(path)
    with pytest.raises(PipelineNotFoundError, match="leads nowhere on this host"):
        ScoringPipeline("~nobody-of-that-name/x.zip")
