"""The bytes of a text file of an export, whichever editor or tool wrote it last."""

import codecs
import io
import json
import tokenize
from typing import Any

__all__ = ["json_of", "source_text"]

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def source_text(content: bytes) -> str:
    """A Python program's text, by its byte order mark or the encoding that it declares.

    Bytes that are no text there are read as Latin-1, which every byte is: a name may be garbled
    so, but not the rest.
    """
    if content.startswith(_UTF_16):
        return content.decode("utf-16", "replace")
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        return content.decode(encoding)
    except (SyntaxError, UnicodeError, LookupError):
        return content.decode("latin-1")


def json_of(content: bytes) -> Any:
    """The value of a JSON text in any of Unicode's encodings, with or without byte order mark.

    Raises
    ------
    ValueError
        It is none.
    """
    try:
        return json.loads(content)
    except RecursionError:
        raise ValueError("it has too many lists in each other") from None
