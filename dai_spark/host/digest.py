"""Content digests of files, remembered so that a gigabyte is read once and not at every call."""

import contextlib
import hashlib
import json
import re
from pathlib import Path
from typing import Dict, Union

from dai_spark.host.atomic_file import write_atomically
from dai_spark.host.cache_folder import cache_folder

__all__ = ["file_digest"]

_DIGEST = re.compile("[0-9a-f]{64}")


def file_digest(path: Union[str, Path]) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal.

    Remembered in the cache folder by path, size and time of change (in nanoseconds).  Two
    processes that remember at the same moment may lose one entry, which costs one more reading.
    """
    real = Path(path).resolve()
    found = real.stat()
    stamp = f"{found.st_size}:{found.st_mtime_ns}:{found.st_ino}"
    memory = cache_folder() / "digests.json"
    known: Dict[str, str] = {}
    with contextlib.suppress(OSError, ValueError, TypeError):
        known = dict(json.loads(memory.read_text(encoding="utf-8")))
    name = f"{real}:{stamp}"
    if _DIGEST.fullmatch(str(known.get(name))):
        return known[name]
    digest = hashlib.sha256()
    with real.open("rb") as stream:
        while True:
            block = stream.read(1 << 20)
            if not block:
                break
            digest.update(block)
    # Entries of the same path with another stamp are of bytes that are gone.
    known = {k: v for k, v in known.items() if not k.startswith(f"{real}:")}
    known[name] = digest.hexdigest()
    # A cache that cannot be written costs another reading and nothing else.
    with contextlib.suppress(OSError):
        write_atomically(memory, json.dumps(known, indent=0).encode("utf-8"))
    return known[name]
