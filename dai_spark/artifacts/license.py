"""The Driverless AI licence: found, carried inside tasks, and never shown."""

import contextlib
import hashlib
import hmac
import os
import re
from pathlib import Path
from typing import Callable, Mapping, Optional, Union

from dai_spark.errors import DaiSparkError, LicenseError, OptionError
from dai_spark.host.uri import is_uri, local_path, without_password

__all__ = ["License", "find_license", "missing_file", "read_license"]

_FILE_VARIABLE = "DRIVERLESS_AI_LICENSE_FILE"
_KEY_VARIABLE = "DRIVERLESS_AI_LICENSE_KEY"
_HOME_FILE = Path(".driverlessai") / "license.sig"
# Far more than any licence has; what has more is another file.
_LIMIT_BYTES = 1 << 20
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_GIVE = "give the path of license.sig."
# What licences consist of.  Folders may have digests for names, which have no capitals.
_LICENSE_LIKE = re.compile(r"[A-Za-z0-9+=_-]{40,}")
_DIGEST_LIKE = re.compile(r"[0-9a-f-]+")
_PATH_LIMIT_CHARS = 1024


class License:
    """A licence's text, which no `repr`, log, plan or error ever shows.

    Pickles, since it travels inside the task, on a connection that Spark itself guards.
    """

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        # One licence, whichever system its file was written on.
        self._text = text.strip().replace("\r\n", "\n")

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

    Raises
    ------
    OptionError
        Both are given, or one is no text.
    LicenseError
        The licence is not there, cannot be read, or is no text; never holds any part of it.
    """
    if text is not None and file is not None:
        raise OptionError("license and license_file are both given; give one.")
    if text is not None:
        if not isinstance(text, str):
            raise OptionError(f"license= is the licence's text, not of type {type(text).__name__}.")
        if not text.strip():
            raise LicenseError(
                "license= is an empty text; give the licence's text or leave it out."
            )
        return License(_checked(text, "license="))
    if file is None:
        return find_license(os.environ)
    name = os.fspath(file)
    if _is_license(name):
        raise LicenseError(
            "license_file= (--license-file) was given what looks like the licence itself (it is "
            "not shown here); give the path of license.sig, or the text by license=."
        )
    try:
        content = read_uri(name) if is_uri(name) else _read(local_path(name))
    except (OSError, ValueError, RuntimeError) as error:
        raise LicenseError(
            f"The licence file {name or repr(name)} cannot be read ({_why(error)}); {_GIVE}"
        ) from None
    except DaiSparkError as error:
        raise LicenseError(f"The licence cannot be read: {error.message}", error.details) from None
    shown = without_password(name)
    found = _decoded(content, f"The licence file {shown}")
    if found is None:
        raise LicenseError(f"The licence file {shown} is empty; {_GIVE}")
    return found


def find_license(environment: Mapping[str, str]) -> Optional[License]:
    """Look where Driverless AI itself looks on this host, in its order.

    Runs on the driver, and on an executor where the driver had none.  The variables
    ``DRIVERLESS_AI_LICENSE_FILE`` and ``DRIVERLESS_AI_LICENSE_KEY``, then
    ``~/.driverlessai/license.sig`` (documentation of DAI, "Standalone Python Scoring Pipeline").
    What is blank, or names a file that is not on this host, counts as none.

    Raises
    ------
    LicenseError
        A file is there that cannot be read, or one of them is no text.
    """
    named = environment.get(_FILE_VARIABLE, "").strip()
    if named and not _is_license(named):
        found = _at(Path(named), f"The licence file {named} of {_FILE_VARIABLE}")
        if found is not None:
            return found
    text = environment.get(_KEY_VARIABLE, "")
    if text.strip():
        return License(_checked(text, _KEY_VARIABLE))
    # As it stands where this user has no home.
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path's own raises
    if not home.is_absolute():
        return None
    return _at(home / _HOME_FILE, f"The licence file {home / _HOME_FILE}")


def missing_file(environment: Mapping[str, str]) -> str:
    """A clause on the file that a variable names and this host has not; else nothing."""
    named = environment.get(_FILE_VARIABLE, "").strip()
    if not named or _is_license(named) or find_license({_FILE_VARIABLE: named}) is not None:
        return ""
    return f" (there is no licence in {named}, which {_FILE_VARIABLE} names)"


def _at(path: Path, what: str) -> Optional[License]:
    """The licence of a file; None where it is not there, or is blank."""
    try:
        if not path.exists():
            return None
    except (OSError, ValueError):
        # A folder above it is closed to this user, or the name is none.
        return None
    try:
        content = _read(path)
    except OSError as error:
        raise LicenseError(f"{what} cannot be read ({_why(error)}); {_GIVE}") from None
    return _decoded(content, what)


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        # No further: a device, or a model by mistake, would fill the memory.
        return stream.read(_LIMIT_BYTES + 1)


def _decoded(content: bytes, what: str) -> Optional[License]:
    """A licence file's content as a licence, None where it is blank."""
    if len(content) > _LIMIT_BYTES:
        raise LicenseError(f"{what} has more than {_LIMIT_BYTES:,} bytes, so it is none; {_GIVE}")
    if content.startswith(_UTF_16):
        raise LicenseError(f"{what} is written in UTF-16; save it as plain text (UTF-8).")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise LicenseError(f"{what} is not text (UTF-8); {_GIVE}") from None
    return License(_checked(text, what)) if text.strip() else None


def _checked(text: str, what: str) -> str:
    """The text of a licence, which can stand in a process's environment."""
    if "\0" in text:
        raise LicenseError(
            f"{what} holds a zero byte, so it is no licence's text (UTF-16 without its mark, or a "
            f"binary file); {_GIVE}"
        )
    if len(text) > _LIMIT_BYTES:
        raise LicenseError(f"{what} has {len(text):,} characters, so it is no licence.")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        raise LicenseError(f"{what} is not text (UTF-8); {_GIVE}") from None
    return text.removeprefix("\ufeff")


def _is_license(name: str) -> bool:
    """Whether a path is none, and maybe the licence, which no error is to show."""
    with contextlib.suppress(OSError, ValueError, RuntimeError):
        if is_uri(name) or local_path(name).exists():
            return False
    if "\n" in name.strip() or len(name) > _PATH_LIMIT_CHARS:
        return True
    parts = [part for part in re.split("[/.]", name) if _LICENSE_LIKE.fullmatch(part)]
    return any(not (name.startswith("/") and _DIGEST_LIKE.fullmatch(part)) for part in parts)


def _why(error: Union[OSError, ValueError, RuntimeError]) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error)
