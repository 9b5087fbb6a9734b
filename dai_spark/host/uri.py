"""What names a file of this host, and what names one elsewhere that Spark can read."""

import os
import re
from pathlib import Path
from urllib.parse import unquote

__all__ = ["is_uri", "local_path", "without_password"]

# Two letters at least: one letter would be a drive.
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_FILE = re.compile(r"file:(//[^/]*(?=/))?", re.IGNORECASE)
# Unity Catalog's volumes: a mount on Databricks' own drivers, known to Spark alone elsewhere.
_VOLUMES = "/Volumes/"
# A container may stand before the @ of abfss://, so what has no colon is a secret on the web alone.
_USER = re.compile(
    r"([A-Za-z][A-Za-z0-9+.-]*://)[^/?#\s@:]*:[^?#\s@]*@|(https?://)[^/?#\s@]+@", re.IGNORECASE
)
_NAMED = re.compile(
    r"([?&;][\w.-]*(?:password|passwd|pwd|secret|token|signature|credential|access-?key|sig)=)"
    r"[^&;#\s'\")]+",
    re.IGNORECASE,
)


def is_uri(text: str) -> bool:
    """Whether Spark's file systems must read it: not a path of this host, nor a ``file:`` URI.

    ``/Volumes/...`` is a path where it is mounted, and a URI elsewhere.
    """
    if _SCHEME.match(text):
        return not text.lower().startswith("file:")
    return text.startswith(_VOLUMES) and not Path(text).exists()


def local_path(text: str) -> Path:
    """The path of this host that a path or a ``file:`` URI names.

    Hadoop takes the characters behind ``file:`` as they stand and the web's rules decode them
    (``%20``); the file that is there is meant.
    """
    if not _SCHEME.match(text):
        # As it stands where this user has no home; who opens it says so.
        return Path(os.path.expanduser(text))  # noqa: PTH111 - Path's own raises
    plain = _FILE.sub("", text, count=1)
    literal, decoded = Path(plain), Path(unquote(plain))
    return decoded if decoded.exists() and not literal.exists() else literal


def without_password(text: str) -> str:
    """`text` with what URIs in it hold of passwords taken out, for errors, logs and reports.

    The part before ``@`` (``s3a://key:secret@bucket``), and values by names such as ``password``
    or ``sig`` behind ``?``, ``&`` and ``;`` (signed URLs, JDBC).
    """
    return _NAMED.sub(r"\1***", _USER.sub(r"\1\2***@", text))
