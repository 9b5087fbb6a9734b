"""ModelSource: whether what a server was told to serve is another model now."""

from pathlib import Path
from typing import Any, Hashable

from dai_spark.registry.find_model import find_model
from dai_spark.registry.model_uri import is_model_uri

__all__ = ["state_of"]


def state_of(uri: str) -> Hashable:
    """What differs when the file is another one, or the alias leads to another version.

    Blocks: a registry is asked.

    Parameters
    ----------
    uri : str
        Path of an export, or ``models:/...``.

    Raises
    ------
    OSError
        The file is not there, which it is not while it is being replaced.
    DaiSparkError
        The registry does not tell.
    """
    if is_model_uri(uri):
        found: Any = find_model(uri).origin
        return (found.name, found.version, found.model_id)
    path = Path(uri)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return tuple((str(file), *_told(file)) for file in files)
    return _told(path)


def _told(path: Path) -> "tuple[int, int, int]":
    found = path.stat()
    return (found.st_mtime_ns, found.st_size, found.st_ino)
