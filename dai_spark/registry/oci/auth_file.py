"""auth_file: a user's credentials for OCI registries, from the files of container engines."""

import base64
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping, Optional, Tuple

from dai_spark.errors import OptionError

__all__ = ["AuthFile", "find_auth_file"]

_VARIABLE = "REGISTRY_AUTH_FILE"
_FOLDER_VARIABLE = "DOCKER_CONFIG"
# What Docker itself calls its registry in the file.
_DOCKER_HUB = ("docker.io", "index.docker.io", "https://index.docker.io/v1/")


@dataclass(frozen=True)
class AuthFile:
    """An auth file, read.

    Attributes
    ----------
    path : Path
    auths : mapping of str to object
        Of each registry, as the file has it.
    """

    path: Path
    auths: Mapping[str, object] = field(repr=False)

    def user_of(self, registry: str) -> Optional[Tuple[str, str]]:
        """User and password for a registry; None where the file has none.

        Parameters
        ----------
        registry : str
            Host, and port where it has one.

        Raises
        ------
        OptionError
            What the file has is no user and password.
        """
        names = _DOCKER_HUB if registry in _DOCKER_HUB else (registry, f"https://{registry}")
        entry = next((self.auths[name] for name in names if name in self.auths), None)
        told = entry.get("auth") if isinstance(entry, dict) else None
        if not told:
            return None
        try:
            user, colon, password = base64.b64decode(told, validate=True).decode().partition(":")
        except (ValueError, TypeError):
            colon = ""
        if not colon:
            raise OptionError(
                f"The auth file {self.path} has no user and password for {registry} that can be "
                f"read; write it anew with `podman login {registry}` or `docker login {registry}`."
            )
        return user, password


def find_auth_file(variables: Mapping[str, str]) -> Optional[AuthFile]:
    """Read the auth file of this process.

    ``REGISTRY_AUTH_FILE``, as podman and skopeo have it, then ``config.json`` in ``DOCKER_CONFIG``
    or in ``~/.docker``.  It is read each time, since who renews credentials replaces it.

    Parameters
    ----------
    variables : mapping of str to str
        Of the environment.

    Returns
    -------
    AuthFile or None
        None where no variable names a file and the user has none.

    Raises
    ------
    OptionError
        It is named and is not there, or cannot be read.
    """
    named, folder = variables.get(_VARIABLE, ""), variables.get(_FOLDER_VARIABLE, "")
    if named:
        path, by = Path(named), f" ({_VARIABLE})"
    elif folder:
        path, by = Path(folder) / "config.json", f" ({_FOLDER_VARIABLE})"
    else:
        # As it stands where this user has no home.
        path, by = Path(os.path.expanduser("~/.docker/config.json")), ""  # noqa: PTH111
    try:
        content = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if by:
            raise OptionError(f"There is no auth file {path}{by}.") from None
        return None
    except (OSError, UnicodeDecodeError) as error:
        if not by and isinstance(error, NotADirectoryError):
            return None
        why = getattr(error, "strerror", None) or "it is no text"
        raise OptionError(f"The auth file {path}{by} cannot be read ({why}).") from None
    try:
        found = json.loads(content)
        auths = found.get("auths") or {}
        return AuthFile(path, dict(auths))
    except (ValueError, AttributeError, TypeError):
        raise OptionError(
            f"The auth file {path}{by} is no JSON as `podman login` and `docker login` write it."
        ) from None
