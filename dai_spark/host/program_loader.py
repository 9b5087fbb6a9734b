"""Why a program does not begin on this host: its loader, and what that says of libraries."""

import platform
import re
import struct
from pathlib import Path
from typing import Optional

__all__ = ["missing_loader", "refusal"]

_TOO_NEW = re.compile(r"version [`'](GLIBC_[\w.]+)' not found(?: \(required by ([^)\n]+)\))?")
_MISSING = re.compile(r"error while loading shared libraries: (\S+): cannot open shared object")
# The type of the program header that names the loader.
_PT_INTERP = 3
# What a loader's name may have, with what stands before it in any real program.
_MOST_BYTES = 1 << 16


def missing_loader(program: Path) -> Optional[str]:
    """The loader that a program wants and this host does not have; None where it is not that.

    The kernel calls the program itself missing where its loader is.

    Parameters
    ----------
    program : Path
    """
    try:
        with program.open("rb") as stream:
            head = stream.read(_MOST_BYTES)
        loader = _loader(head)
    except (OSError, struct.error, IndexError, UnicodeDecodeError):
        return None
    return None if loader is None or Path(loader).exists() else loader


def _loader(head: bytes) -> Optional[str]:
    # 64 bits and little-endian, as all that Driverless AI's packages are built for.
    if head[:6] != b"\x7fELF\x02\x01":
        return None
    (at,) = struct.unpack_from("<Q", head, 32)
    size, count = struct.unpack_from("<HH", head, 54)
    for i in range(count):
        kind, _, offset, _, _, n_bytes = struct.unpack_from("<IIQQQQ", head, at + i * size)
        if kind == _PT_INTERP:
            return head[offset : offset + n_bytes].rstrip(b"\0").decode("utf-8")
    return None


def refusal(text: str) -> Optional[str]:
    """What a loader has said of libraries, and what to do, as half a sentence; None of other texts.

    Parameters
    ----------
    text : str
        What a program printed, or the text of an ``ImportError``.
    """
    found = _TOO_NEW.search(text)
    if found is not None:
        version, by = found.groups()
        wanted = f"{version.replace('GLIBC_', 'glibc ')}{f' by {Path(by).name}' if by else ''}"
        _, here = platform.libc_ver()
        has = f"has {here}" if here else "has another"
        return (
            f"it wants a newer C library ({wanted}) than that host's, which {has}; build the "
            "environment on a machine whose C library is not newer than that of the executors "
            "(dai-spark env build --target-glibc refuses what is newer)"
        )
    found = _MISSING.search(text)
    if found is not None:
        return (
            f"it wants the library {found.group(1)}, which that host does not have; install it "
            "there, or build the environment with `dai-spark env build`, which packs what its "
            "Python wants"
        )
    return None
