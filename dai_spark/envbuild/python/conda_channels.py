"""Solves, locks and fetches packages of conda channels with rattler (`py-rattler`).

A channel is named by its URL, or as conda knows it (``conda-forge``).  No file of conda's own
configuration is read.
"""

import asyncio
import hashlib
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, Coroutine, Dict, List, Sequence, Tuple, TypeVar
from urllib.parse import unquote, urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from dai_spark.envbuild.packages.requirements import RequirementSet, exact_pin
from dai_spark.errors import EnvironmentBuildError
from dai_spark.host.atomic_file import replacing

if TYPE_CHECKING:
    from rattler import RepoDataRecord

__all__ = ["fetch", "install", "locked", "read_lock", "solve", "write_lock"]

_T = TypeVar("_T")
_SUBDIRS = ("linux-64", "noarch")
_LOCK_LINE = re.compile(r"^\S+/([\w-]+)/([^/\s]+)#(?:sha256:)?([0-9a-f]{64})$")


def solve(requirements: RequirementSet, channels: Sequence[str]) -> "List[RepoDataRecord]":
    """Choose a Python, what the channels have of the pinned packages, and all that these need.

    A pinned package that comes from a channel comes at its pin, whichever package needs it.

    Parameters
    ----------
    requirements : RequirementSet
        They name the Python and the pins.
    channels : sequence of str
        URLs of the channels.

    Returns
    -------
    list of rattler.RepoDataRecord
        The packages to install.

    Raises
    ------
    EnvironmentBuildError
        A channel cannot be read; the solver finds no solution, which details tell.
    """
    rattler = _rattler()
    pins = _pins([*requirements.overrides, *requirements.lines])
    listed = {name: pins[name] for name in _pins(requirements.lines)}

    async def answer() -> "List[RepoDataRecord]":
        gateway = rattler.Gateway()
        had = await gateway.query(list(channels), list(_SUBDIRS), sorted(listed), recursive=False)
        found = {
            record.name.normalized
            for records in had
            for record in records
            if str(record.version) == listed.get(record.name.normalized)
        }
        solved: List[RepoDataRecord] = await rattler.solve(
            list(channels),
            [
                f"python {requirements.python}.*",
                *(f"{name} =={listed[name]}" for name in sorted(found)),
            ],
            gateway=gateway,
            platforms=list(_SUBDIRS),
            virtual_packages=rattler.VirtualPackage.detect(),
            constraints=[f"{name} =={version}" for name, version in sorted(pins.items())],
        )
        return solved

    return _sorted(_asked(answer(), channels))


def locked(lock: str, channels: Sequence[str]) -> "List[RepoDataRecord]":
    """Find the packages of a lock in channels, which may be mirrors of those it was written with.

    Parameters
    ----------
    lock : str
        Text of the lock.
    channels : sequence of str
        URLs of the channels.

    Returns
    -------
    list of rattler.RepoDataRecord
        The packages to install.

    Raises
    ------
    EnvironmentBuildError
        A channel cannot be read, or has a package no more, or with other bytes.
    """
    rattler = _rattler()
    entries = read_lock(lock)
    names = sorted({file_name.rsplit("-", 2)[0] for _, file_name, _ in entries})

    async def answer() -> "List[RepoDataRecord]":
        found: Dict[Tuple[str, str, str], RepoDataRecord] = {}
        for records in await rattler.Gateway().query(
            list(channels), list(_SUBDIRS), names, recursive=False
        ):
            for record in records:
                found.setdefault(_entry(record), record)
        absent = [entry for entry in entries if entry not in found]
        if absent:
            subdir, file_name, digest = absent[0]
            raise EnvironmentBuildError(
                f"{subdir}/{file_name} of the lock, with the digest {digest[:12]}..., is not in "
                f"{_named(channels)}; write the lock anew, or name the channel that has it."
            )
        return [found[entry] for entry in entries]

    return _sorted(_asked(answer(), channels))


def write_lock(records: "Sequence[RepoDataRecord]") -> str:
    """Write a lock in conda's own form of an explicit list: address and digest.

    Parameters
    ----------
    records : sequence of rattler.RepoDataRecord
        Solved packages.

    Returns
    -------
    str
        The lock's text, without secrets of the addresses.
    """
    lines = sorted(f"{_public(str(record.url))}#sha256:{_entry(record)[2]}" for record in records)
    return "\n".join(["# platform: linux-64", "@EXPLICIT", *lines]) + "\n"


def read_lock(text: str) -> List[Tuple[str, str, str]]:
    """Read a lock.

    Parameters
    ----------
    text : str
        The lock's text.

    Returns
    -------
    list of tuple of str
        Subdirectory, file name and SHA-256 of each package.

    Raises
    ------
    EnvironmentBuildError
        The text is no such lock.
    """
    lines = [line.strip() for line in text.splitlines()]
    listed = [line for line in lines if line and not line.startswith(("#", "@"))]
    found = [_LOCK_LINE.match(line) for line in listed]
    if "@EXPLICIT" not in lines or not listed or not all(found):
        wrong = next((line for line, match in zip(listed, found) if match is None), "")
        raise EnvironmentBuildError(
            "The lock is no list of conda packages, with @EXPLICIT and a line URL#sha256:DIGEST "
            f"each{f' (it has {_public(wrong)!r})' if wrong else ''}; write one with --write-lock."
        )
    return sorted((match[1], match[2], match[3]) for match in found if match)


def install(records: "Sequence[RepoDataRecord]", prefix: Path, cache: Path) -> None:
    """Install solved packages into a new prefix; digests are compared on the way.

    Parameters
    ----------
    records : sequence of rattler.RepoDataRecord
        Solved packages.
    prefix : Path
        The prefix.
    cache : Path
        Folder for the packages that are fetched.

    Raises
    ------
    EnvironmentBuildError
        A package cannot be fetched, or is not what its channel lists.
    """
    rattler = _rattler()
    _asked(
        rattler.install(list(records), target_prefix=prefix, cache_dir=cache, show_progress=False),
        sorted({str(record.channel) for record in records}),
    )


def fetch(records: "Sequence[RepoDataRecord]", to: Path) -> int:
    """Make a folder a channel of solved packages.

    Parameters
    ----------
    records : sequence of rattler.RepoDataRecord
        Solved packages.
    to : Path
        The folder; packages that lie there are not fetched again, other files are removed.

    Returns
    -------
    int
        How many packages had to be fetched.

    Raises
    ------
    EnvironmentBuildError
        A package cannot be fetched, or is not what its channel lists.
    """
    rattler = _rattler()
    listed = {to / subdir / name: (record, digest)
              for record in records for subdir, name, digest in [_entry(record)]}  # fmt: skip
    for subdir in _SUBDIRS:
        (to / subdir).mkdir(parents=True, exist_ok=True)
    for path in [path for path in to.rglob("*") if path.is_file() and path not in listed]:
        path.unlink()
    missing = {
        path: (record, digest)
        for path, (record, digest) in listed.items()
        if not path.exists() or _digest(path) != digest
    }

    async def collect() -> None:
        from rattler.package_streaming import download_to_path

        client = rattler.Client.authenticated_client()
        for path, (record, digest) in missing.items():
            parts = urlsplit(str(record.url))
            with replacing(path) as beside:
                if parts.scheme == "file":
                    shutil.copyfile(unquote(parts.path), beside)
                else:
                    await download_to_path(client, str(record.url), beside)
                if _digest(beside) != digest:
                    raise EnvironmentBuildError(
                        f"{_public(str(record.url))} is not what its channel lists; try again, or "
                        "another channel."
                    )
        await rattler.index.index_fs(to, write_zst=False, write_shards=False, force=True)

    _asked(collect(), sorted({str(record.channel) for record in records}))
    return len(missing)


def _asked(question: "Coroutine[Any, Any, _T]", channels: Sequence[str]) -> _T:
    """Run rattler in a thread: the caller's own may have a running loop (a notebook's has)."""
    from rattler.exceptions import SolverError

    try:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(asyncio.run, question).result()
    except EnvironmentBuildError:
        raise
    except SolverError as error:
        said = _public(str(error))
        raise EnvironmentBuildError(
            f"The channels {_named(channels)} have no set of packages that fits: {_line(said)}",
            details=said,
        ) from error
    except Exception as error:  # rattler's errors have no base of their own
        said = _public(str(error))
        raise EnvironmentBuildError(
            f"The channels {_named(channels)} could not be read: {_line(said)}", details=said
        ) from error


def _rattler() -> Any:
    try:
        import rattler
        import rattler.index
    except ImportError:
        raise EnvironmentBuildError(
            "Conda channels are read with py-rattler, which is not here; install it with "
            "`pip install 'dai_spark[env,conda]'`."
        ) from None
    return rattler


def _pins(lines: Sequence[str]) -> Dict[str, str]:
    """Exact pins by canonical name; later lines win."""
    found: Dict[str, str] = {}
    for line in lines:
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        pin = exact_pin(requirement)
        if pin is not None and requirement.marker is None:
            found[str(canonicalize_name(requirement.name))] = pin
    return found


def _entry(record: "RepoDataRecord") -> Tuple[str, str, str]:
    return str(record.subdir), str(record.file_name), (record.sha256 or b"").hex()


def _sorted(records: "Sequence[RepoDataRecord]") -> "List[RepoDataRecord]":
    return sorted(records, key=_entry)


def _named(channels: Sequence[str]) -> str:
    return ", ".join(_public(channel) for channel in channels)


def _public(text: str) -> str:
    """Remove the secrets that an address can hold: user and password, a token's path."""
    text = re.sub(r"(\w+://)[^/\s@]+@", r"\1", text)
    return re.sub(r"(/t/)[^/\s]+(?=/)", r"\1***", text)


def _line(text: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"[│├└─╰]+", "", text)).strip()[:600]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
