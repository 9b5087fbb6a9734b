"""Links in an archive, which nobody has unpacked: to the files that they lead to."""

import posixpath
from typing import Dict, Mapping, Optional, Set, Tuple

from dai_spark.artifacts.export.export_files import clean_name

__all__ = ["followed"]

# As Linux itself.
_MOST_LINKS = 40
_COPY = "copy the export with its links followed (cp -rL) and pack that"


def followed(files: Set[str], links: Mapping[str, str]) -> Tuple[Dict[str, str], Dict[str, str]]:
    """Follow links of an archive within it.

    Parameters
    ----------
    files : set of str
        Names of the archive's files.
    links : mapping of str to str
        Names of its links, and what each says: relative to the folder that it lies in.

    Returns
    -------
    same : dict of str to str
        For each name that a link gives to a file, the file's own name.  A link to a folder gives a
        name to each file below it.
    refused : dict of str to str
        Links that lead nowhere, out of the archive or in a circle: why, and what to do.
    """
    same: Dict[str, str] = {}
    refused: Dict[str, str] = {}
    for link in links:
        target = _end(link, links)
        below = f"{target}/"
        if target in files:
            same[link] = target
        elif target is None or not any(name.startswith(below) for name in files):
            refused[link] = f"is a link to {links[link]!r}, which is not in it; {_COPY}"
        elif f"{link}/".startswith(below):
            refused[link] = f"is a link to {links[link]!r}, a folder that it lies in; {_COPY}"
        else:
            for name in files:
                if name.startswith(below):
                    same[f"{link}/{name[len(below) :]}"] = name
    return same, refused


def _end(name: str, links: Mapping[str, str]) -> Optional[str]:
    """Where a name leads in the end; None where that is out of the archive, or a circle."""
    for _ in range(_MOST_LINKS):
        parts = name.split("/")
        for i in range(1, len(parts) + 1):
            head = "/".join(parts[:i])
            if head not in links:
                continue
            target = links[head]
            if target.startswith("/"):
                return None
            joined = posixpath.normpath(posixpath.join(*parts[: i - 1], target, *parts[i:]))
            if joined.split("/")[0] == "..":
                return None
            name = clean_name(joined)
            break
        else:
            return name
    return None
