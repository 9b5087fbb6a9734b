"""The Driverless AI licence: found, carried inside tasks, and never shown."""

import hashlib
import hmac
import os
from pathlib import Path
from typing import Callable, Mapping, Optional

from dai_spark.errors import DaiSparkError, LicenseError, OptionError
from dai_spark.host.uri import is_uri, local_path

__all__ = ["License", "find_license", "read_license"]

_FILE_VARIABLE = "DRIVERLESS_AI_LICENSE_FILE"
_KEY_VARIABLE = "DRIVERLESS_AI_LICENSE_KEY"
_HOME_FILE = Path(".driverlessai") / "license.sig"


class License:
    """A licence's text, which no `repr`, log, plan or error ever shows.

    Pickles, since it travels inside the task, on a connection that Spark itself guards.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text.strip()

    def reveal(self) -> str:
        """Return the text itself; called where the sidecar's standard input is written."""
        return self._text

    def keyed_hash(self, key: str) -> str:
        """A keyed hash (HMAC-SHA-256, hexadecimal) that tells licences apart and reveals none."""
        return hmac.new(key.encode(), self._text.encode(), hashlib.sha256).hexdigest()

    def __repr__(self) -> str:
        return "License('***')"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, License) and hmac.compare_digest(self._text, other._text)

    def __hash__(self) -> int:
        return hash(License)


def read_license(
    text: Optional[str], file: Optional[str], read_uri: Callable[[str], bytes]
) -> Optional[License]:
    """Return the licence that the arguments name, else the one that this process's host has.

    Runs on the driver (or in a local process).

    Parameters
    ----------
    text : str, optional
        ``license=``: the licence itself.
    file : str, optional
        ``license_file=``: a path, or any URI that `read_uri` reads.
    read_uri : callable
        Reads what is not a path of this host.

    Returns
    -------
    License or None
        None where nothing is named and nothing found; executors then look on their own hosts.
    """
    if text is not None and file is not None:
        raise OptionError("license and license_file are both given; give one.")
    if text is not None:
        if not text.strip():
            raise LicenseError(
                "license= is an empty text; give the licence's text or leave it out."
            )
        return License(text)
    if file is None:
        return find_license(os.environ)
    try:
        content = read_uri(file) if is_uri(file) else local_path(file).read_bytes()
    except OSError as error:
        raise LicenseError(
            f"The licence file {file} cannot be read ({error.strerror or error}); "
            "give the path of license.sig."
        ) from None
    except DaiSparkError as error:
        raise LicenseError(f"The licence cannot be read: {error.message}", error.details) from None
    if not content.strip():
        raise LicenseError(f"The licence file {file} is empty; give the path of license.sig.")
    return License(content.decode("utf-8", "replace"))


def find_license(environment: Mapping[str, str]) -> Optional[License]:
    """Look where Driverless AI itself looks on this host, in its order.

    Runs on the driver, and on an executor where the driver had none.  The variables
    ``DRIVERLESS_AI_LICENSE_FILE`` and ``DRIVERLESS_AI_LICENSE_KEY``, then
    ``~/.driverlessai/license.sig`` (documentation of DAI, "Standalone Python Scoring Pipeline").
    """
    named = environment.get(_FILE_VARIABLE)
    if named and Path(named).is_file():
        return License(Path(named).read_text(encoding="utf-8"))
    if environment.get(_KEY_VARIABLE):
        return License(environment[_KEY_VARIABLE])
    at_home = Path("~").expanduser() / _HOME_FILE
    try:
        return License(at_home.read_text(encoding="utf-8"))
    except OSError:
        return None
