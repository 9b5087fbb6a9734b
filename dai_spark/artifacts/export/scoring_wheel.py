"""The scoring wheel of an export: which of the files it is, and whether it can be unpacked."""

import hashlib
import io
import re
import zipfile
import zlib
from typing import Optional, Sequence, Tuple

from dai_spark.artifacts.export.export_files import ExportFiles, below
from dai_spark.errors import NotAPipelineError, shortened

__all__ = ["find_wheel", "is_read", "package_of", "wheel_fault"]

# Exports of 2017 to 2.x name it so; "suffixed" packages put more behind the id, so the import
# name is whatever stands before the version.
_SCORING_WHEEL = re.compile(r"^(scoring_(?!mli)\w+?)-(\d[^-]*)-[^/]*\.whl$")
# An export has some thirty files; what has fewer is around another one.
_FEW = 10


def find_wheel(files: ExportFiles) -> Tuple[str, str]:
    """The folder of the export within its archive (with a slash behind it), and the wheel's name.

    Where the same wheel is there several times, the one with most files beside it.

    Raises
    ------
    NotAPipelineError
        There is none, or several that are not the same, or it cannot be read.
    """
    every = [*files.sizes_bytes, *files.refused]
    wheels = sorted(name for name in every if _SCORING_WHEEL.match(_base(name)))
    for name in wheels:
        if name in files.refused:
            raise NotAPipelineError(f"{files.path}: its file {name!r} {files.refused[name]}.")
    if not wheels or len({_base(name) for name in wheels}) > 1:
        raise NotAPipelineError(_why_not(files, every, wheels))
    if len(wheels) > 1 and len({hashlib.sha256(files.read(name)).digest() for name in wheels}) > 1:
        raise NotAPipelineError(
            f"{files.path} holds the scoring wheel {_base(wheels[0])} {len(wheels)} times, not "
            f"always the same ({', '.join(wheels)}); keep one export in it."
        )

    def n_beside(wheel: str) -> int:
        return sum("/" not in n for n in below(wheel[: -len(_base(wheel))], files.sizes_bytes))

    root, slash, wheel = max(wheels, key=n_beside).rpartition("/")
    return root + slash, wheel


def package_of(wheel: str) -> str:
    """Import name of the package in a scoring wheel, by the wheel's name."""
    match = _SCORING_WHEEL.match(wheel)
    assert match is not None
    return match.group(1)


def is_read(name: str) -> bool:
    """Whether a file is read for scoring: all but the wheels of what the pipeline needs."""
    return not name.endswith(".whl") or _SCORING_WHEEL.match(_base(name)) is not None


def wheel_fault(content: bytes) -> Optional[str]:
    """What is wrong with a wheel, as the end of a sentence; None where nothing is.

    A wheel need not have a RECORD: it is unpacked, and not installed.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as wheel:
            damaged = wheel.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, ValueError) as error:
        return f"is damaged ({error}); copy or export the pipeline again"
    except RuntimeError as error:
        # Encrypted, or packed in a way that zipfile does not know.
        return f"cannot be unpacked ({error}); export the pipeline again"
    if damaged is not None:
        return f"is damaged (its file {damaged} has a wrong checksum); export the pipeline again"
    return None


def _why_not(files: ExportFiles, every: Sequence[str], wheels: Sequence[str]) -> str:
    path = files.path
    names = {_base(name) for name in every}
    if "pipeline.mojo" in names:
        return (
            f"{path} is a MOJO pipeline, not a Python scoring pipeline; export the "
            "experiment with 'Download Python Scoring Pipeline', or score a MOJO with "
            "Sparkling Water."
        )
    if any(name.startswith("scoring_mli") for name in names):
        return (
            f"{path} is a k-LIME (MLI) pipeline; dai_spark scores the experiment's own "
            "'Python Scoring Pipeline', export that one."
        )
    if wheels:
        return (
            f"{path} holds {len(wheels)} scoring wheels ({', '.join(wheels)}) "
            "where an export has one; keep one export in it."
        )
    packed = sorted(name for name in every if name.lower().endswith((".zip", ".tar.gz", ".tgz")))
    if packed and len(names) < _FEW:
        return (
            f"{path} holds no scoring wheel, but {shortened(packed, 3)}; if that is the export, "
            "unpack it and give it itself."
        )
    return (
        f"{path} holds no scoring wheel (scoring_h2oai_experiment_<id>-1.0.0-*.whl), so "
        "it is not a Python scoring pipeline as Driverless AI exports it."
    )


def _base(name: str) -> str:
    return name.rpartition("/")[2]
