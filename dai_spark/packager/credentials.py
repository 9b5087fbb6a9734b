"""The file that an engine finds a registry's password in: no command line ever holds one."""

import base64
import binascii
import contextlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any, Dict, Iterator, List, Mapping, Optional

from dai_spark.errors import OptionError
from dai_spark.packager.asked.connections import Connection

__all__ = ["Credentials", "credentials"]

_VARIABLE = "REGISTRY_AUTH_FILE"
_MOST_BYTES = 1 << 20


class Credentials:
    """A folder with ``config.json``, which docker calls its configuration, and others an auth file.

    Parameters
    ----------
    folder : Path or None
        None where the engine looks for its own.
    secrets : list of str
        What must stand in no error and no progress.
    """

    def __init__(self, folder: Optional[Path], secrets: List[str]) -> None:
        self.folder = folder
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)

    @property
    def file(self) -> Optional[Path]:
        """The auth file."""
        return None if self.folder is None else self.folder / "config.json"

    def without_secrets(self, text: str) -> str:
        """A text of the engine's, with the secrets taken out."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return text


@contextlib.contextmanager
def credentials(
    connection: Optional[Connection], auth_file: Optional[str], variables: Mapping[str, str]
) -> Iterator[Credentials]:
    """Lay the credentials of one registry where an engine finds them, for as long as it needs.

    Of the connection's own files, ``--authfile`` and ``REGISTRY_AUTH_FILE`` the first that is
    there.

    Parameters
    ----------
    connection : Connection or None
    auth_file : str or None
        ``--authfile``.
    variables : mapping of str to str
        Of the environment.

    Raises
    ------
    OptionError
        A file cannot be read, or is not what it should be.
    """
    if connection is not None and connection.password_file is not None:
        config = _of_password(connection, connection.password_file)
    else:
        told = (connection and connection.auth_file) or auth_file or variables.get(_VARIABLE)
        if not told:
            yield Credentials(None, [])
            return
        config = _of_auth_file(Path(told).expanduser())
    with tempfile.TemporaryDirectory(prefix="dai_spark-auth-") as name:
        folder = Path(name)
        file = folder / "config.json"
        file.touch(mode=0o600)
        file.write_text(json.dumps(config), encoding="utf-8")
        yield Credentials(folder, _secrets(config))


def _of_password(connection: Connection, file: Path) -> Dict[str, Any]:
    text = _read(file, "passwordFile").decode("utf-8", "replace")
    password = text.rstrip("\r\n")
    if not password or "\n" in password:
        raise OptionError(f"The passwordFile {file} must hold a password, one line.")
    pair = f"{connection.username}:{password}"
    auth = base64.b64encode(pair.encode()).decode()
    names = [connection.registry]
    if connection.registry in ("docker.io", "index.docker.io"):
        # What docker calls it.
        names.append("https://index.docker.io/v1/")
    return {"auths": {name: {"auth": auth} for name in names}}


def _of_auth_file(file: Path) -> Dict[str, Any]:
    try:
        found = json.loads(_read(file, "auth file"))
    except ValueError:
        # Not the fault's own text, which may show a part of it.
        raise OptionError(
            f"The auth file {file} is not JSON, as `podman login` and `docker login` write it."
        ) from None
    if not isinstance(found, dict) or not {"auths", "credHelpers", "credsStore"} & set(found):
        raise OptionError(f"The auth file {file} names no registry (auths).")
    return found


def _read(file: Path, what: str) -> bytes:
    try:
        with file.open("rb") as stream:
            return stream.read(_MOST_BYTES)
    except OSError as error:
        raise OptionError(
            f"The {what} {file} cannot be read ({error.strerror or os.strerror(error.errno or 0)})."
        ) from None


def _secrets(config: Mapping[str, Any]) -> List[str]:
    found: List[str] = []
    auths = config.get("auths")
    for one in auths.values() if isinstance(auths, Mapping) else ():
        told = one if isinstance(one, Mapping) else {}
        found += [str(told[name]) for name in ("auth", "identitytoken") if told.get(name)]
        with contextlib.suppress(binascii.Error, ValueError, TypeError):
            pair = base64.b64decode(told.get("auth", "")).decode()
            found.append(pair.partition(":")[2].strip("\0"))
    return found
