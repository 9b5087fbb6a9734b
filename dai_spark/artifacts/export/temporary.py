"""The files below an export's ``tmp/``, which travel with it: its custom recipes."""

from typing import List, Optional

from dai_spark.artifacts.export.export_files import ExportFiles, below
from dai_spark.errors import NotAPipelineError

__all__ = ["temporary_files"]

# What a file system of an executor takes, below the cache's own folders.
_MOST_NAME_BYTES = 255
_MOST_PATH_BYTES = 2000
_MOST_FOLDERS = 100


def temporary_files(files: ExportFiles, root: str) -> List[str]:
    """Their names, relative to the folder `root` of the export.

    All of them, or none: a pipeline whose recipes are not all there may score otherwise.

    Raises
    ------
    NotAPipelineError
        One cannot be read, or no file of its name can be made.
    """
    for name, why in below(root, files.refused).items():
        if name == "tmp" or name.startswith("tmp/"):
            raise NotAPipelineError(
                f"{files.path}: its file {name!r}, which the pipeline may need to score, {why}."
            )
    found = sorted(name for name in below(root, files.sizes_bytes) if name.startswith("tmp/"))
    folders = {name[:i] for name in found for i, letter in enumerate(name) if letter == "/"}
    for name in found:
        fault = "is a file and a folder" if name in folders else _fault(name)
        if fault is not None:
            raise NotAPipelineError(
                f"{files.path}: its file {name[:300]!r} {fault}, so it cannot be unpacked on an "
                "executor; rename it or take it away."
            )
    return found


def _fault(name: str) -> Optional[str]:
    try:
        parts = [part.encode("utf-8") for part in name.split("/")]
    except UnicodeEncodeError:
        return "has a name that is not UTF-8"
    if len(parts) > _MOST_FOLDERS:
        return f"lies in more than {_MOST_FOLDERS} folders"
    if max(map(len, parts)) > _MOST_NAME_BYTES or len(name.encode("utf-8")) > _MOST_PATH_BYTES:
        return "has too long a name"
    return None
