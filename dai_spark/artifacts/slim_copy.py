"""The slim copy of a pipeline: what travels to the executors, with only what a scorer needs."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping

from dai_spark.host.atomic_file import keep
from dai_spark.host.cache_folder import cache_folder, private_folder
from dai_spark.host.zip_entry import zip_entry

__all__ = ["slim_copy"]


def slim_copy(
    about: Mapping[str, Any], members: Iterable[str], read: Callable[[str], bytes]
) -> Path:
    """Write the slim copy of an export, unless it is there, and return its path.

    An export is mostly dependency wheels, which the packed environment already holds.  Made once
    per content in the cache folder; equal exports give equal bytes, whatever their layout.  Named
    by its SHA-256, and so that Spark leaves it alone (it unpacks .tar, .tgz and .tar.gz).

    Parameters
    ----------
    about : mapping
        What the sidecar is told of the pipeline, as ``pipeline.json``.
    members : iterable of str
        Files of the export that travel: the scoring wheel and ``tmp/``.
    read : callable
        Gives the bytes of one of them.

    Returns
    -------
    Path
    """
    sink = io.BytesIO()
    # Not compressed: builds of zlib differ in the bytes that they make of the same content, and a
    # model that one host has logged is held to its digest by others.  Wheels are compressed anyway.
    with zipfile.ZipFile(sink, "w") as archive:
        text = json.dumps(about, sort_keys=True)
        archive.writestr(
            zip_entry("pipeline.json", mode=0o600, deflate=False), text.encode("utf-8")
        )
        for member in members:
            archive.writestr(zip_entry(member, mode=0o600, deflate=False), read(member))
    content = sink.getvalue()
    digest = hashlib.sha256(content).hexdigest()
    path = private_folder(cache_folder() / "slim") / f"{digest}.pipeline"
    keep(path, content)
    return path
