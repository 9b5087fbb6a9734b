"""Text of an export as it may stand in a message: no password, no control codes, not endless."""

import codecs
import re

__all__ = ["decoded", "shown"]

_LONGEST = 200
# UTF-32's mark begins with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def decoded(content: bytes) -> str:
    """Decode a text file: by its byte order mark, else as UTF-8.

    Parameters
    ----------
    content : bytes
        The file's bytes.

    Returns
    -------
    str
        Its text; bytes that are no text are U+FFFD, which no requirement may hold.
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return content[len(mark) :].decode(encoding, "replace")
    return content.decode("utf-8", "replace")


def shown(text: str) -> str:
    """Make text of an export fit for a terminal, a log and an error.

    Parameters
    ----------
    text : str
        What was written: a requirement, an address, an option.

    Returns
    -------
    str
        The same without users, passwords and queries of its addresses; what is not printed is
        escaped; the middle of a long text is left out.
    """
    text = re.sub(r"(\w+://)[^/\s]*@", r"\1", text)
    text = re.sub(r"(\w+://[^\s?#]*)\?[^\s#]*", r"\1?...", text)
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST // 2]} ... {text[-_LONGEST // 2 :]}"
    return text
