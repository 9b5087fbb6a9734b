"""Files and folders that another process sees whole or not at all."""

import json
import os
import shutil
import uuid
from typing import Any, Dict


def write_json(path: str, data: Dict[str, Any]) -> None:
    """Write a JSON file that a reader sees whole or not at all."""
    aside = "{}.{}".format(path, uuid.uuid4().hex)
    with open(aside, "w") as stream:
        json.dump(data, stream)
    os.rename(aside, path)


def remove_place(folder: str) -> None:
    """Take a folder away at once, and then what is in it.

    While it went file by file, who waits in it for a lock would make that lock's file anew, and the
    folder would stay.
    """
    aside = "{}.{}".format(folder, uuid.uuid4().hex)
    try:
        os.rename(folder, aside)
    except OSError:
        aside = folder
    shutil.rmtree(aside, ignore_errors=True)
