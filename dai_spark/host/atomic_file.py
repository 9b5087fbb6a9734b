"""Files that another process reads whole, or not at all."""

import contextlib
import os
import uuid
from pathlib import Path
from typing import Iterator

__all__ = ["beside", "keep", "replacing", "write_atomically"]


def beside(path: Path) -> Path:
    """A name beside `path` that nobody else makes, in no thread, container or host.

    Process ids do not do: two containers that share a folder may have equal ones.  Ours stands at
    the end only to tell a reader of the folder whose it is.
    """
    return path.with_name(f".{path.name}.{uuid.uuid4().hex}.{os.getpid()}")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a path beside `path`; what was written there takes its place when the context ends.

    A reader sees the old file or the new one, never a part.  Where the context is left by an
    error, the old file stays and nothing lies beside it.

    Parameters
    ----------
    path : Path
        File to replace or to make.

    Yields
    ------
    Path
        File to write, see `beside`.
    """
    aside = beside(path)
    try:
        yield aside
        aside.replace(path)
    finally:
        # Renaming does nothing where both names are links to one file already.
        aside.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    Parameters
    ----------
    path : Path
        File to replace or to make; its owner alone can read it.
    content : bytes
        All of it.
    """
    with replacing(path) as aside:
        aside.touch(mode=0o600)
        aside.write_bytes(content)


def keep(path: Path, content: bytes) -> None:
    """Have `path` hold `content`: written where it does not, whoever left it so.

    A file that is there may be empty or cut: a machine went down before its disk had the bytes,
    or something that cleans temporary folders has been at it.
    """
    try:
        found = path.read_bytes() if path.stat().st_size == len(content) else None
    except OSError:
        found = None
    if found != content:
        write_atomically(path, content)
