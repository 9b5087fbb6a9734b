"""The licence taken out of texts, before they are cut, written or sent.

A pipeline may print its licence whole, as a repr, escaped for JSON or a URL, folded into lines, or
cut.  So each run of `_RUN` characters that is part of it in one of these forms becomes ``***``.
"""

import json
import re
from typing import Any, Dict, Optional, Tuple
from urllib.parse import quote, quote_plus

# Chance does not make 16 characters of a licence; what is shorter tells nothing of it.
_RUN = 16
# A run holds one such piece that begins at a multiple of it, so a text is looked at in these steps.
_STEP = _RUN // 2
# Nothing shorter is a licence, and to take "no" out of an error would spoil it.
_LEAST = 8
SHOWN = "***"


class Secret:
    """A text that is to be nowhere.

    Parameters
    ----------
    text : str or None
        None, and what is too short to be a licence, is looked for nowhere.
    """

    def __init__(self, text: Optional[str]) -> None:
        text = text or ""
        found = {text, repr(text)[1:-1], json.dumps(text)[1:-1], quote(text, ""), quote(text)}
        found.update([quote_plus(text), text.encode("utf-8", "replace").decode("latin-1")])
        self._forms = sorted(found, key=len, reverse=True) if len(text) >= _LEAST else []
        self._word = None
        if _LEAST <= len(text) < _RUN:
            words = "|".join(re.escape(form) for form in self._forms)
            self._word = re.compile("(?<![0-9A-Za-z])(?:{})(?![0-9A-Za-z])".format(words))
        self._pieces = {
            form[i : i + _STEP] for form in self._forms for i in range(len(form) - _STEP + 1)
        }

    def clean(self, text: str) -> str:
        """`text` without it."""
        if self._word is not None:
            return self._word.sub(SHOWN, text)
        for form in self._forms:
            text = text.replace(form, SHOWN)
        kept, begin = [], 0
        for i in range(0, len(text) - _STEP + 1 if self._pieces else 0, _STEP):
            if i < begin or text[i : i + _STEP] not in self._pieces:
                continue
            start, end = self._around(text, i, begin)
            if end - start >= _RUN:
                kept.append(text[begin:start])
                begin = end
        if not kept:
            return text
        return SHOWN.join([*kept, text[begin:]])

    def clean_all(self, data: Dict[str, Any]) -> Dict[str, Any]:
        """An error object without it."""
        return {
            name: self.clean(value) if isinstance(value, str) else value
            for name, value in data.items()
        }

    def _around(self, text: str, i: int, begin: int) -> Tuple[int, int]:
        """The longest run of one form around the piece at `i`."""
        start, end = i, i + _STEP
        while end < len(text) and self._is_part(text[start : end + 1]):
            end += 1
        while start > begin and self._is_part(text[start - 1 : end]):
            start -= 1
        return start, end

    def _is_part(self, text: str) -> bool:
        return any(text in form for form in self._forms)

    def n_open(self, text: str) -> int:
        """How many characters at the end of `text` may go on to be it."""
        n_chars = 0
        while n_chars < len(text) and self._is_part(text[len(text) - n_chars - 1 :]):
            n_chars += 1
        return n_chars


class CleanStream:
    """A stream of bytes without a secret, also where that stands in two pieces of it."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret
        self._open = ""

    def take(self, piece: bytes) -> bytes:
        """What of the stream can be written by now."""
        # Byte by byte a character: nothing is lost, whatever a pipeline prints.
        text = self._open + piece.decode("latin-1")
        n_written = len(text) - self._secret.n_open(text)
        self._open = text[n_written:]
        return self._secret.clean(text[:n_written]).encode("latin-1")

    def rest(self) -> bytes:
        """What was held back, where nothing follows for now."""
        text, self._open = self._open, ""
        return self._secret.clean(text).encode("latin-1")
