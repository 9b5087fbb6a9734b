"""The folder of this host where unpacked environments, pipelines and remembered answers live."""

import contextlib
import os
import re
import socket
import stat
import tempfile
from pathlib import Path

from dai_spark.errors import EnvironmentUnpackError, OptionError

__all__ = ["LIMIT_SETTING", "cache_folder", "cache_limit_bytes", "private_folder", "user_id"]

LIMIT_SETTING = "DAI_SPARK_CACHE_MAX_BYTES"
_LIMIT_BYTES = 20 << 30


def user_id() -> int:
    """Return the number of this user; on Windows, which has none, 0, as it shows of files."""
    return os.getuid() if hasattr(os, "getuid") else 0


def private_folder(path: Path, setting: str = "DAI_SPARK_CACHE") -> Path:
    """Make `path` a folder that this user alone can read and write, and return it.

    Runs on the driver, in Python workers and in local processes.  What lies in these folders is
    executed, so a folder that somebody else owns or may write is refused and never mended.

    Parameters
    ----------
    path : Path
    setting : str, default "DAI_SPARK_CACHE"
        What an error names as the way to choose another.

    Raises
    ------
    EnvironmentUnpackError
        The folder cannot be made, belongs to another user, or is a link.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
    except OSError as error:
        raise EnvironmentUnpackError(
            f"The folder {path} cannot be made ({error.strerror or error}); "
            f"set {setting} to a folder that user {user_id()} may write."
        ) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != user_id():
        raise EnvironmentUnpackError(
            f"{path} is not a folder of user {user_id()} (it belongs to user {found.st_uid}), "
            f"so nothing can safely be run from it; set {setting} to a folder of this user."
        )
    if stat.S_IMODE(found.st_mode) & 0o077:
        path.chmod(0o700)
    return path


def cache_folder() -> Path:
    """Return this user's cache folder on this host, made if need be, owner-only.

    `DAI_SPARK_CACHE` names it; else it is ``~/.cache/dai_spark``; else, where the home folder
    cannot be written (usual for a cluster's service users), ``dai_spark-cache-<uid>`` in the
    system's temporary folder.
    """
    chosen = os.environ.get("DAI_SPARK_CACHE")
    if chosen:
        return private_folder(Path(chosen).expanduser().absolute())
    # As it stands where this user has no home, which is no error here.
    home = Path(os.path.expanduser("~"))  # noqa: PTH111 - Path's own raises
    if home.is_absolute() and os.access(home, os.W_OK | os.X_OK) and home.is_dir():
        with contextlib.suppress(FileExistsError):
            (home / ".cache").mkdir(mode=0o700)
        return private_folder(home / ".cache" / "dai_spark")
    return private_folder(Path(tempfile.gettempdir()) / f"dai_spark-cache-{user_id()}")


def cache_limit_bytes() -> int:
    """Return how much unpacked environments and pipelines may take on this host together.

    `DAI_SPARK_CACHE_MAX_BYTES` says it: bytes, or a number with k, m, g or t (of 1,024) behind it.

    Raises
    ------
    OptionError
        It says something else.
    """
    text = os.environ.get(LIMIT_SETTING, "").strip()
    if not text:
        return _LIMIT_BYTES
    found = re.fullmatch(r"(\d+)\s*([kmgt]?)(?:i?b)?", text.lower())
    if found is None:
        raise OptionError(
            f"{LIMIT_SETTING}={text!r} on {socket.gethostname()} is no number of bytes; give "
            "bytes, or a whole number with k, m, g or t behind it, as in 20g."
        )
    return int(found.group(1)) << {"": 0, "k": 10, "m": 20, "g": 30, "t": 40}[found.group(2)]
