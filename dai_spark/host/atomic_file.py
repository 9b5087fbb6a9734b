"""Files that another process reads whole, or not at all."""

import contextlib
import uuid
from pathlib import Path
from typing import Iterator

__all__ = ["replacing", "write_atomically"]


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
        File to write; its name is no other process's, in no container that shares the folder.
    """
    beside = path.with_name(f".{path.name}.{uuid.uuid4().hex[:12]}")
    try:
        yield beside
        beside.replace(path)
    finally:
        # Renaming does nothing where both names are links to one file already.
        beside.unlink(missing_ok=True)


def write_atomically(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never a part.

    Parameters
    ----------
    path : Path
        File to replace or to make; its owner alone can read it.
    content : bytes
        All of it.
    """
    with replacing(path) as beside:
        beside.touch(mode=0o600)
        beside.write_bytes(content)
