"""Registries by name, in Odahu's form, and where their credentials lie: never in the file itself.

One connection::

    id: test-docker-registry
    spec:
        type: docker
        uri: gcr.io/project/odahuflow
        authFile: /run/secrets/auth.json
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

from pydantic import field_validator

from dai_spark.errors import OptionError, shortened
from dai_spark.packager.asked.document import Fields, checked, documents

__all__ = ["Connection", "connection_named", "connections_of"]

_TYPES = ("docker", "ecr")
# What Odahu's own connections hold in clear text.
_SECRETS = {"password", "keysecret", "keyid", "token", "secret", "publickey"}


class _Spec(Fields):
    type: str = "docker"
    uri: str
    username: Optional[str] = None
    auth_file: Optional[str] = None
    password_file: Optional[str] = None
    # They say something to Odahu's pages, and to Amazon's tools.
    region: Optional[str] = None
    description: Optional[str] = None
    reference: Optional[str] = None
    web_ui_link: Optional[str] = None

    @field_validator("type")
    @classmethod
    def _a_registry(cls, value: str) -> str:
        if value not in _TYPES:
            raise ValueError(
                f"{value!r} is no connection that images go by; these are {', '.join(_TYPES)}"
            )
        return value

    @field_validator("uri")
    @classmethod
    def _without_secrets(cls, value: str) -> str:
        if "@" in value or any(sign.isspace() for sign in value):
            # Not shown: it may be a password.
            raise ValueError("it must be a host and folders, without a user's name or password")
        return value


class _Document(Fields):
    id: str
    kind: Optional[str] = None
    spec: _Spec
    status: Any = None


@dataclass(frozen=True)
class Connection:
    """A registry, and folders in it.

    Attributes
    ----------
    id : str
    place : str
        Host, port and folders: ``gcr.io/project/odahuflow``.
    username : str or None
    auth_file, password_file : Path or None
        Where the credentials lie; None for the engine's own.
    """

    id: str
    place: str
    username: Optional[str] = None
    auth_file: Optional[Path] = None
    password_file: Optional[Path] = None

    @property
    def registry(self) -> str:
        """Host and port."""
        return self.place.partition("/")[0]


def connections_of(file: Optional[str]) -> Dict[str, Connection]:
    """Read the connections of a file.

    Parameters
    ----------
    file : str or None
        YAML, one document or list entry for each connection; None for no file.

    Raises
    ------
    OptionError
        Its fields are wrong, or it holds a password.
    """
    found: Dict[str, Connection] = {}
    for document in [] if file is None else documents(file, "connections file"):
        where = f"The connections file {file}"
        _refuse_secrets(document, where)
        one = checked(_Document, document, where)
        if one.id in found:
            raise OptionError(f"{where} has {one.id} twice.")
        if one.spec.password_file and one.spec.auth_file:
            raise OptionError(f"{where}: {one.id} has passwordFile and authFile; give one of them.")
        username = one.spec.username
        if one.spec.password_file and not username:
            if one.spec.type != "ecr":
                raise OptionError(f"{where}: {one.id} has a passwordFile and no username.")
            # Amazon's registries know no other.
            username = "AWS"
        found[one.id] = Connection(
            one.id,
            place_of(one.spec.uri),
            username,
            _beside(file, one.spec.auth_file),
            _beside(file, one.spec.password_file),
        )
    return found


def place_of(uri: str) -> str:
    """Host, port and folders of a registry, whatever scheme stands before them."""
    _, scheme, rest = uri.rpartition("://")
    return (rest if scheme else uri).strip("/")


def connection_named(
    name: str, known: Mapping[str, Connection], *, may_be_place: bool
) -> Connection:
    """The connection of this name.

    Parameters
    ----------
    name : str
    known : mapping of str to Connection
    may_be_place : bool
        Whether what is no name may be a registry itself: of a flag.

    Raises
    ------
    OptionError
        There is none.
    """
    if name in known:
        return known[name]
    place = place_of(name)
    host = place.partition("/")[0]
    if may_be_place and "@" not in name and ("." in host or ":" in host or host == "localhost"):
        return Connection(name, place)
    # Before the sign there may be a password.
    shown = name.rpartition("@")[2]
    there = f"there are {shortened(sorted(known))}" if known else "no connections are given"
    more = ", and it is no registry (host.example.com/folder)" if may_be_place else ""
    raise OptionError(f"There is no connection {shown!r}{more}; {there} (--connections FILE).")


def _refuse_secrets(document: Any, where: str) -> None:
    spec = document.get("spec") if isinstance(document, Mapping) else None
    names: List[Any] = [*document, *(spec if isinstance(spec, Mapping) else ())] if spec else []
    secret = [str(name) for name in names if str(name).lower() in _SECRETS]
    if secret:
        raise OptionError(
            f"{where} holds {', '.join(secret)} of {document.get('id')}: a secret in clear text. "
            "Take it out, and name a file that holds it: authFile (as `podman login` writes it), "
            "or username and passwordFile."
        )


def _beside(file: Optional[str], path: Optional[str]) -> Optional[Path]:
    """A path relative to the folder of the file that names it."""
    if path is None:
        return None
    return Path(file or ".").expanduser().parent / Path(path).expanduser()
