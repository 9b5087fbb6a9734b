"""What lies in an unpacked folder, noted when it was whole.

A folder comes into its place by one rename, so it is whole then.  Later it may not be: what cleans
temporary folders takes single files, a machine goes down before its disk has the bytes, a full disk
lets somebody look for room by hand.
"""

import os
from pathlib import Path
from typing import Iterator, Tuple

__all__ = ["is_whole", "note"]

_NAME = "unpacked_contents"
_END = b"end"


def note(folder: Path) -> None:
    """Write into a folder what lies in it: size and path of each file and link, then an end."""
    found = [b"%d %s" % (n_bytes, os.fsencode(path)) for path, n_bytes in _files(folder)]
    # A path may hold anything but a zero.
    (folder / _NAME).write_bytes(b"\0".join([*found, _END]))


def is_whole(folder: Path) -> bool:
    """Whether a folder is there with all that was noted of it, by looking at names and sizes.

    Some 2 microseconds for each file; nothing is read.  A file may have grown and others may have
    come: pipelines write into their own packages' folders.
    """
    try:
        *found, end = (folder / _NAME).read_bytes().split(b"\0")
        if end != _END:
            return False
        root = os.fsencode(folder)
        for one in found:
            n_bytes, _, path = one.partition(b" ")
            if os.lstat(root + b"/" + path).st_size < int(n_bytes):
                return False
    except (OSError, ValueError):
        return False
    return True


def _files(folder: Path, below: str = "") -> Iterator[Tuple[str, int]]:
    # By what the folder itself tells: a Path for each of thirty thousand files takes a second.
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _files(Path(entry.path), f"{below}{entry.name}/")
            else:
                yield f"{below}{entry.name}", entry.stat(follow_symlinks=False).st_size
