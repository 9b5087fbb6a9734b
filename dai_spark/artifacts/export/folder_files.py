"""The files of an export that somebody has unpacked into a folder."""

import contextlib
import os
import stat
from pathlib import Path
from typing import IO, Dict, Iterator, List, Tuple

from dai_spark.artifacts.export.export_files import ExportFiles
from dai_spark.errors import NotAPipelineError

__all__ = ["FolderFiles"]

# An export has some five; links may make circles.
MOST_FOLDERS = 100
_COPY = "copy the export with its links followed (cp -rL)"


class FolderFiles(ExportFiles):
    """The files of a folder; links are followed where they lead to something inside it.

    A link out of it is not: what lies in an export is sent to executors, where the pipeline's own
    code reads it, and it must not choose files of this host for that.

    Parameters
    ----------
    path : Path

    Raises
    ------
    NotAPipelineError
        A folder in it cannot be listed, or lies too deep.
    """

    def __init__(self, path: Path) -> None:
        sizes: Dict[str, int] = {}
        refused: Dict[str, str] = {}
        root = Path(os.path.realpath(path))
        to_do: List[Tuple[Path, str, Tuple[str, ...]]] = [(root, "", (str(root),))]
        while to_do:
            folder, below, inside = to_do.pop()
            for entry in _entries(folder, path):
                name = f"{below}{entry.name}"
                real = os.path.realpath(entry.path)
                try:
                    found = entry.stat()
                except OSError as error:
                    what = "a link that leads nowhere" if entry.is_symlink() else error.strerror
                    refused[name] = f"is {what}; {_COPY}"
                    continue
                if entry.is_symlink() and os.path.commonpath([root, real]) != str(root):
                    refused[name] = f"is a link out of the folder, to {real}; {_COPY}"
                elif stat.S_ISDIR(found.st_mode):
                    if real in inside:
                        refused[name] = f"is a link to a folder that it lies in; {_COPY}"
                    elif len(inside) > MOST_FOLDERS:
                        raise NotAPipelineError(
                            f"{path} has more than {MOST_FOLDERS} folders in each other "
                            f"({name[:200]}...), which no export has; give the folder of the "
                            "export itself."
                        )
                    else:
                        to_do.append((Path(entry.path), f"{name}/", (*inside, real)))
                elif stat.S_ISREG(found.st_mode):
                    sizes[name] = found.st_size
                else:
                    refused[name] = "is neither file nor folder; take it away"
        super().__init__(path, sizes, refused)

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        with (self.path / name).open("rb") as stream:
            yield stream


def _entries(folder: Path, path: Path) -> "List[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise NotAPipelineError(
            f"The folder {folder} of the export {path} cannot be read "
            f"({error.strerror or error}); let this user read all of it."
        ) from error
