"""Shipped files to folders, once per host: content-addressed, locked, unpacked aside, renamed."""

import contextlib
import os
import shutil
import socket
import time
import zipfile
import zlib
from pathlib import Path
from typing import Any, Callable, Dict, Iterator, Tuple

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.extract import extract_archive
from dai_spark.errors import (
    DaiSparkError,
    EnvironmentMismatchError,
    EnvironmentNotFoundError,
    EnvironmentUnpackError,
    NotAPipelineError,
    ShippingError,
)
from dai_spark.host.atomic_file import beside
from dai_spark.host.cache_folder import cache_folder, cache_limit_bytes, private_folder
from dai_spark.host.digest import file_digest
from dai_spark.host.file_lock import lock_within
from dai_spark.plan.plan import ScoringPlan, ShippedFile
from dai_spark.unpack.contents import is_whole, note
from dai_spark.unpack.unpack_cache import evict, in_use, measure

__all__ = [
    "environment_folder",
    "interpreter",
    "pipeline_folder",
    "sidecar_source",
    "spark_file",
]

# Far more than the sidecar's few files take.
_WAIT_S = 30.0


def pipeline_folder(pipeline: ShippedFile, timeout_s: float) -> Path:
    """Return this host's unpacked copy of a pipeline's slim copy, unpacking it if need be.

    The folder holds ``pipeline.json``, ``site/`` (the scoring wheel's content) and ``tmp/``.

    Raises
    ------
    NotAPipelineError, EnvironmentUnpackError, ShippingError
    """

    def unpack(archive: Path, to: Path) -> None:
        try:
            _unpack_pipeline(archive, to)
        except (zipfile.BadZipFile, zlib.error) as error:
            raise NotAPipelineError(
                f"The scoring wheel of {pipeline.label} is damaged ({error}); export the pipeline "
                "again."
            ) from error

    return _unpacked(pipeline, "pipelines", unpack, timeout_s)


def environment_folder(environment: ShippedFile, timeout_s: float) -> Path:
    """Return this host's folder of an environment, unpacking it if need be.

    Waits at most `timeout_s` seconds for another process that unpacks the same.

    Raises
    ------
    EnvironmentNotFoundError, EnvironmentUnpackError, ShippingError
    EnvironmentMismatchError
        An archive is for machines of another kind than this host, or lies where this host lets
        nothing be run from.
    """
    if environment.kind == "folder":
        folder = Path(environment.name)
    elif environment.kind == "archive":
        folder = spark_file(environment.name)
    else:

        def unpack(archive: Path, to: Path) -> None:
            # Before half a gigabyte is written that cannot run here.
            PackedEnvironment(archive).check_machine(environment.label)
            extract_archive(archive, to)

        root = private_folder(cache_folder() / "environments")
        _check_mount(root, environment.label, "set DAI_SPARK_CACHE on the executors to")
        return _unpacked(environment, "environments", unpack, timeout_s)
    if not folder.is_dir():
        how = "env= names a folder" if environment.kind == "folder" else "--archives shipped none"
        raise EnvironmentNotFoundError(
            f"No environment lies in {folder} on this host ({how}); it must be there on every "
            "executor, or give a packed archive and it will be shipped."
        )
    _check_mount(folder, environment.label, "put the environment into")
    return folder


def interpreter(plan: ScoringPlan, folder: Path) -> Path:
    """Return the Python of an environment's folder: what the plan names, else ``bin/python``."""
    found = folder / (plan.interpreter or "bin/python")
    if not found.exists():
        raise EnvironmentNotFoundError(
            f"The environment {plan.environment.label} has no {found.relative_to(folder)} in "
            f"{folder}; build it with `dai-spark env build`."
        )
    return found


def sidecar_source() -> Path:
    """Return a folder of this host from which Python runs the sidecar, written if need be.

    It holds `__main__.py` and the package `dai_spark_sidecar` and nothing else, since the folder is
    on the pipeline's `sys.path` and must not shadow a module of the pipeline's.  Read through the
    package's loader: on executors dai_spark lies in a zip.
    """
    import hashlib
    from importlib import resources

    files = dict(_sources(resources.files("dai_spark.sidecar"), "dai_spark_sidecar"))
    files["__main__.py"] = (
        b"import sys\n\nfrom dai_spark_sidecar.guard import main\n\nmain(sys.argv)\n"
    )
    digest = hashlib.sha256()
    for name in sorted(files):
        digest.update(name.encode() + b"\0" + files[name])
    final = private_folder(cache_folder() / "sidecar") / digest.hexdigest()[:16]
    if not _holds(final, files):
        _write_source(final, files)
    return final


def _write_source(final: Path, files: Dict[str, bytes]) -> None:
    aside = beside(final)
    what = "dai_spark's own sidecar"
    try:
        with _disk_told(what, final.parent), _alone(final, what, _WAIT_S):
            if _holds(final, files):
                return
            for name, content in files.items():
                (aside / name).parent.mkdir(parents=True, mode=0o700, exist_ok=True)
                (aside / name).write_bytes(content)
            _put(aside, final)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _holds(folder: Path, files: Dict[str, bytes]) -> bool:
    # Each byte, since there are few: what runs here is never half of something.
    try:
        return all((folder / name).read_bytes() == content for name, content in files.items())
    except OSError:
        return False


def _sources(folder: Any, name: str) -> Iterator[Tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _sources(entry, f"{name}/{entry.name}")
        elif entry.name.endswith(".py"):
            yield f"{name}/{entry.name}", entry.read_bytes()


def _unpacked(
    file: ShippedFile, kind: str, unpack: Callable[[Path, Path], None], timeout_s: float
) -> Path:
    root = private_folder(cache_folder() / kind)
    final = root / file.digest
    with _disk_told(file.label, root), in_use([final], timeout_s):
        if is_whole(final):
            return final
        # Before half a gigabyte is written.
        limit_bytes = cache_limit_bytes()
        archive = Path(file.name) if file.kind == "path" else spark_file(file.name)
        with _alone(final, file.label, timeout_s):
            if not is_whole(final):
                _unpack_aside(archive, file, final, unpack)
        evict(limit_bytes)
    return final


def _unpack_aside(
    archive: Path, file: ShippedFile, final: Path, unpack: Callable[[Path, Path], None]
) -> None:
    # We hold the lock, so a folder beside ours is of a process that was killed.
    for left in final.parent.glob(f".{file.digest}.*"):
        shutil.rmtree(left, ignore_errors=True)
    if not archive.is_file():
        raise ShippingError(
            f"{file.label} has not arrived on this executor (looked for {archive}); it is shipped "
            "by score_udf, score_dataframe and score_table of the session that scores."
        )
    found = file_digest(archive)
    if found != file.digest:
        raise EnvironmentUnpackError(
            f"{file.label} arrived damaged on this host ({archive} has digest {found[:12]}, "
            f"wanted {file.digest[:12]}); start the application again."
        )
    aside = beside(final)
    begun = time.monotonic()
    try:
        aside.mkdir(mode=0o700)
        unpack(archive, aside)
        note(aside)
        (aside / "unpacked_s").write_text(f"{time.monotonic() - begun:.3f}", encoding="utf-8")
        measure(aside)
        _put(aside, final)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def _disk_told(what: str, folder: Path) -> Iterator[None]:
    """Turn what a disk says no to into one sentence."""
    try:
        yield
    except DaiSparkError:
        # Some of ours are OSErrors too.
        raise
    except OSError as error:
        raise EnvironmentUnpackError(
            f"{what} could not be unpacked to {folder} on {socket.gethostname()} "
            f"({error.strerror or error}); make room there, or set DAI_SPARK_CACHE on the "
            "executors to a folder of another disk."
        ) from error


def _check_mount(folder: Path, label: str, remedy: str) -> None:
    # Not on every system is this known.
    if os.statvfs(folder).f_flag & getattr(os, "ST_NOEXEC", 0):
        raise EnvironmentMismatchError(
            f"The environment {label} cannot be run from {folder} on {socket.gethostname()}, "
            f"which is mounted noexec; {remedy} a folder of a disk that is not."
        )


@contextlib.contextmanager
def _alone(final: Path, what: str, timeout_s: float) -> Iterator[None]:
    """Hold the lock of a folder that is to be put in its place."""
    try:
        fd = lock_within(final.with_name(f"{final.name}.lock"), timeout_s)
    except TimeoutError as error:
        raise EnvironmentUnpackError(
            f"Another process of this host unpacks {what} for more than "
            f"{timeout_s:g} s; raise start_timeout_s, or look why the disk is so slow."
        ) from error
    try:
        yield
    finally:
        os.close(fd)


def _put(aside: Path, final: Path) -> None:
    """Put a whole folder in its place, by who holds its lock; what lies there is none."""
    broken = beside(final)
    try:
        with contextlib.suppress(FileNotFoundError):
            final.rename(broken)
        try:
            aside.rename(final)
        except OSError:
            # Where a mount has no locks, another process may have been faster.
            if not final.is_dir():
                raise
    finally:
        if broken.is_dir() and not broken.is_symlink():
            shutil.rmtree(broken, ignore_errors=True)
        else:
            broken.unlink(missing_ok=True)


def _unpack_pipeline(archive: Path, to: Path) -> None:
    # `ZipFile.extract` keeps every member below `to`, whatever its name says.
    _extract(archive, to)
    wheel = next(to.glob("*.whl"))
    _extract(wheel, to / "site")
    wheel.unlink()


def _extract(archive: Path, to: Path) -> None:
    with zipfile.ZipFile(archive) as members:
        # No member unpacks to more than the archive's list says of it, so the list is the size.
        n_bytes = sum(member.file_size for member in members.infolist())
        free_bytes = shutil.disk_usage(to.parent).free
        if n_bytes > free_bytes:
            raise EnvironmentUnpackError(
                f"The pipeline's {archive.name} could not be unpacked to {to.parent} on "
                f"{socket.gethostname()} (No space left on device); make room there for "
                f"{n_bytes:,} bytes, where {free_bytes:,} are free, set DAI_SPARK_CACHE on the "
                "executors to a folder of another disk, or export the pipeline again if it cannot "
                "be so large."
            )
        members.extractall(to)


def spark_file(name: str) -> Path:
    """Return where Spark has put a shipped file, or unpacked an archive, on this executor."""
    from pyspark import SparkFiles

    # The root is relative on executors ("."), and a sidecar has another working directory.
    return Path(SparkFiles.get(name)).absolute()
