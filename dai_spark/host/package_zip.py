"""package_zip: this very package as one importable file."""

import hashlib
import io
import zipfile
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Iterator, Tuple

from dai_spark.host.atomic_file import keep
from dai_spark.host.cache_folder import cache_folder, private_folder
from dai_spark.host.zip_entry import zip_entry

__all__ = ["package_zip"]


def package_zip() -> Path:
    """An importable zip of this very package, made once per content in the cache folder."""
    content, digest = _packed()
    path = private_folder(cache_folder() / "ship") / f"dai_spark-{digest[:16]}.zip"
    keep(path, content)
    return path


@cache
def _packed() -> Tuple[bytes, str]:
    """The zip and its SHA-256: what this process runs stays what it is."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted(_sources(resources.files("dai_spark"), "dai_spark")):
            archive.writestr(zip_entry(name, mode=0o644), content)
    content = sink.getvalue()
    return content, hashlib.sha256(content).hexdigest()


def _sources(folder: Any, name: str) -> Iterator[Tuple[str, bytes]]:
    # Through the loader's own view: dai_spark may have come to the driver as a zip as well.
    for entry in folder.iterdir():
        if entry.is_dir():
            if entry.name not in ("__pycache__", "testing", "envbuild"):
                yield from _sources(entry, f"{name}/{entry.name}")
        elif entry.name.endswith(".py"):
            yield f"{name}/{entry.name}", entry.read_bytes()
