"""Files that say something to another process."""

import json
import os
import uuid
from typing import Any, Dict


def write_json(path: str, data: Dict[str, Any]) -> None:
    """Write a JSON file that a reader sees whole or not at all."""
    aside = "{}.{}".format(path, uuid.uuid4().hex)
    with open(aside, "w") as stream:
        json.dump(data, stream)
    os.rename(aside, path)
