"""BearerToken: what clients must show, from a file that may be replaced while the server runs."""

import hmac
import logging
from pathlib import Path
from typing import Optional

from dai_spark.errors import OptionError

__all__ = ["BearerToken"]

_LOG = logging.getLogger("dai_spark")
# Far more than any token has.
_MOST_BYTES = 64 << 10


class BearerToken:
    """A token, which no `repr` shows.

    Parameters
    ----------
    text : str
    file : Path, optional
        Where it was read, and where `renew` looks.
    """

    def __init__(self, text: str, file: Optional[Path] = None) -> None:
        self._expected = f"Bearer {text}".encode()
        self._file = file

    @classmethod
    def of_file(cls, file: Path) -> "BearerToken":
        """Read a file's token.

        Parameters
        ----------
        file : Path

        Raises
        ------
        OptionError
            The file is not there, cannot be read, or holds no token.
        """
        return cls(_read(file), file)

    def is_in(self, header: bytes) -> bool:
        """Whether a client's ``Authorization`` has it; takes as long for each wrong one.

        Parameters
        ----------
        header : bytes
        """
        return hmac.compare_digest(header, self._expected)

    def renew(self) -> None:
        """Take up a file that was replaced; a small file is read.

        One that cannot be read, or is empty, costs a line in the log, and the old token holds.
        """
        if self._file is None:
            return
        try:
            expected = f"Bearer {_read(self._file)}".encode()
        except OptionError as error:
            _LOG.error("The old token holds: %s", error.message)
            return
        if expected != self._expected:
            self._expected = expected
            _LOG.info("The token of %s is another one now; the old one is refused.", self._file)

    def __repr__(self) -> str:
        return "BearerToken('***')"


def _read(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
        token = content.decode("utf-8").strip()
    except OSError as error:
        why = error.strerror or error
        raise OptionError(f"--token-file {file} cannot be read ({why}).") from None
    except UnicodeDecodeError:
        raise OptionError(f"--token-file {file} cannot be read (it is no text).") from None
    if not token:
        raise OptionError(f"--token-file {file} is empty.")
    if len(content) > _MOST_BYTES or not token.isprintable():
        raise OptionError(f"--token-file {file} holds more than a token.")
    return token
