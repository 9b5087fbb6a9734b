"""The file of a wheel: what it says of itself, and how one of an old version is installed."""

import base64
import csv
import email.parser
import hashlib
import io
import re
import shutil
import zipfile
from pathlib import Path
from typing import Callable, List, NamedTuple
from urllib.parse import unquote

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from dai_spark.envbuild.lists.plain_text import shown
from dai_spark.envbuild.packages.wheel_name import WheelName, version_for_uv
from dai_spark.errors import EnvironmentBuildError

__all__ = ["installable_wheel"]

_MOST_METADATA_BYTES = 1 << 24


class _About(NamedTuple):
    folder: str
    name: str
    version: str
    text: str


def installable_wheel(path: Path) -> Path:
    """Check a wheel against its name, and make one of it that uv installs.

    uv and today's pip refuse versions that do not follow PEP 440, which wheels of Driverless AI
    1.7 have.  Such a wheel is written anew beside the given one: the same files, with the version
    that `version_for_uv` gives in its name, its metadata and its record.

    Parameters
    ----------
    path : Path
        The wheel.

    Returns
    -------
    Path
        The given wheel, with its name decoded, or the new one.

    Raises
    ------
    EnvironmentBuildError
        It is no wheel, or holds another package or version than its name says.
    """
    named = WheelName.of(path.name)
    # What is percent-encoded would be encoded once more in an address.
    path = path.rename(path.with_name(unquote(path.name)))
    try:
        with zipfile.ZipFile(path) as wheel:
            about = _read_about(wheel, path)
            _compare(named, about, path)
            version = version_for_uv(about.version)
            if version == about.version:
                return path
            return _written_anew(wheel, about, version, named, path.parent)
    except (zipfile.BadZipFile, OSError, KeyError, ValueError) as error:
        raise EnvironmentBuildError(
            f"{path.name} cannot be read as a wheel ({shown(str(error))}); it is damaged, so "
            "export the pipeline again."
        ) from error


def _read_about(wheel: zipfile.ZipFile, path: Path) -> _About:
    found = [
        member
        for member in wheel.infolist()
        if re.fullmatch(r"[^/]+\.dist-info/METADATA", member.filename)
    ]
    if len(found) != 1 or found[0].file_size > _MOST_METADATA_BYTES:
        raise EnvironmentBuildError(
            f"{path.name} does not say once which package it holds (*.dist-info/METADATA), so it "
            "is no wheel; export the pipeline again."
        )
    text = wheel.read(found[0]).decode("utf-8", "replace")
    head = email.parser.HeaderParser().parsestr(text)
    folder = found[0].filename.partition("/")[0]
    return _About(folder, str(head["Name"] or ""), str(head["Version"] or ""), text)


def _compare(named: WheelName, about: _About, path: Path) -> None:
    """Refuse a wheel that is another one than its name says."""
    with_build = f"{named.version}-{named.build}"
    same_version = _same(about.version, named.version) or _same(about.version, with_build)
    if canonicalize_name(about.name) == named.package and same_version:
        return
    raise EnvironmentBuildError(
        f"{path.name} holds {shown(about.name)} {shown(about.version)}, which is not what its name "
        "says; it was renamed or replaced, so export the pipeline again."
    )


def _same(ours: str, theirs: str) -> bool:
    try:
        return Version(ours) == Version(theirs)
    except InvalidVersion:
        return ours.lower().replace("_", "-") == theirs.lower().replace("_", "-")


def _written_anew(
    wheel: zipfile.ZipFile, about: _About, version: str, named: WheelName, folder: Path
) -> Path:
    stem = about.folder[: -len(".dist-info")]
    name = stem.partition("-")[0]
    metadata, n_versions = re.subn(
        r"^Version:.*$", f"Version: {version}", about.text, count=1, flags=re.MULTILINE | re.I
    )
    assert n_versions == 1

    def renamed(member: str) -> str:
        return re.sub(
            rf"^{re.escape(stem)}\.(dist-info|data)(?=/)", rf"{name}-{version}.\1", member
        )

    tags = (".".join(part) for part in (named.interpreters, named.abis, named.platforms))
    # The build is a part of some old versions; their files all differ by name already.
    target = folder / "-".join([name, version, *tags])
    target = target.with_name(f"{target.name}.whl")
    record_name = f"{about.folder}/RECORD"
    with zipfile.ZipFile(target, "w") as new:
        for member in wheel.infolist():
            if member.is_dir() or member.filename == record_name:
                continue
            entry = zipfile.ZipInfo(renamed(member.filename), member.date_time)
            entry.external_attr, entry.compress_type = member.external_attr, member.compress_type
            with wheel.open(member) as source, new.open(entry, "w", force_zip64=True) as sink:
                if member.filename == f"{about.folder}/METADATA":
                    sink.write(metadata.encode("utf-8"))
                else:
                    shutil.copyfileobj(source, sink, 1 << 20)
        record = _record(wheel.read(record_name).decode("utf-8"), metadata, renamed)
        new.writestr(f"{name}-{version}.dist-info/RECORD", record)
    return target


def _record(text: str, metadata: str, renamed: Callable[[str], str]) -> str:
    """The list of files and digests, with the new names and the new metadata's digest."""
    content = metadata.encode("utf-8")
    digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
    rows: List[List[str]] = []
    for row in csv.reader(io.StringIO(text)):
        if row:
            is_metadata = row[0].endswith(".dist-info/METADATA") and row[0].count("/") == 1
            rest = [f"sha256={digest}", str(len(content))] if is_metadata else row[1:]
            rows.append([renamed(row[0]), *rest])
    written = io.StringIO()
    csv.writer(written, lineterminator="\n").writerows(rows)
    return written.getvalue()
