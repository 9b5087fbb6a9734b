"""Names of images: Odahu's templates filled in, and what no name may have replaced.

The grammar is the OCI distribution specification's: a repository is components of lower-case
letters and digits with ``.``, ``_``, ``__`` or dashes between them, at most 255 characters with
the registry; a tag is at most 128 letters, digits, ``_``, ``.`` and ``-``, and begins with neither
``.`` nor ``-``.
"""

import difflib
import hashlib
import re
import unicodedata
import uuid
from dataclasses import dataclass
from typing import Callable, Mapping, Tuple

from dai_spark.errors import OptionError

__all__ = ["ImageName", "filled", "image_name", "template_values"]

_TEMPLATE = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_MOST_TAG_CHARS = 128
_MOST_NAME_CHARS = 255
_HASH_CHARS = 8
_LOCAL = "localhost"
# As engines tell a registry from a first component: a dot, a port, or this very word.
_REGISTRY = re.compile(
    r"(?:localhost|[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+|(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(?=:))"
    r"(?::[0-9]{1,5})?"
)
# What NFKD leaves as it is.
_LETTERS = str.maketrans(
    {"ß": "ss", "ẞ": "SS", "æ": "ae", "Æ": "AE", "ø": "o", "Ø": "O", "œ": "oe", "Œ": "OE"}
)


@dataclass(frozen=True)
class ImageName:
    """A name that every registry takes.

    Attributes
    ----------
    registry : str
        Host, and port where it has one.
    repository, tag : str
    """

    registry: str
    repository: str
    tag: str

    @property
    def text(self) -> str:
        """As engines read it."""
        return f"{self.registry}/{self.repository}:{self.tag}"


def template_values(name: str, version: str) -> Mapping[str, str]:
    """What templates stand for; a new ``RandomUUID`` at each call.

    Parameters
    ----------
    name, version : str
        Of the model.
    """
    return {"Name": name, "Version": version, "RandomUUID": str(uuid.uuid4())}


def filled(template: str, values: Mapping[str, str]) -> str:
    """A template with its values.

    Parameters
    ----------
    template : str
        ``{{ Name }}``, with any blanks in the braces or none.
    values : mapping of str to str

    Raises
    ------
    OptionError
        A name that is no template's, or braces that do not close.
    """

    def value(match: "re.Match[str]") -> str:
        name = match.group(1).strip()
        if name not in values:
            near = difflib.get_close_matches(name, values, 1, 0.5)
            raise OptionError(
                f"imageName {template!r} names {name!r}, which stands for nothing; "
                + (f"did you mean {near[0]}?" if near else f"there are {', '.join(values)}.")
            )
        return values[name]

    found = _TEMPLATE.sub(value, template)
    if "{{" in _TEMPLATE.sub("", template) or "}}" in _TEMPLATE.sub("", template):
        raise OptionError(f"imageName {template!r} has braces that do not close.")
    return found


def image_name(
    template: str, values: Mapping[str, str], place: str, on_message: Callable[[str], None]
) -> ImageName:
    """The name of an image.

    Parameters
    ----------
    template : str
    values : mapping of str to str
        See `template_values`.
    place : str
        Registry, and folders in it, that the image goes to; empty where it goes nowhere.
    on_message : callable
        Is told what was replaced.

    Raises
    ------
    OptionError
        A wrong template, a digest, or a name of which nothing is left.
    """
    # The template is taken apart before it is filled: a value's colon or slash separates nothing.
    path, tag = _apart(template)
    if place:
        registry, above = _registry(place)
        if not registry:
            raise OptionError(
                f"{place!r} names no registry; it begins with a host, such as "
                "registry.example.com/project or localhost:5000."
            )
        path = f"{above}/{path}".strip("/")
    else:
        registry, path = _registry(path)
    told = filled(f"{path}:{tag}" if tag else path, values)
    # A slash in a model's name would be a folder of the registry.
    plain = {name: value.replace("/", "-") for name, value in values.items()}
    repository = _repository(filled(path, plain), registry or _LOCAL)
    named_tag = _tag(filled(tag, plain)) if tag else "latest"
    found = ImageName(registry or _LOCAL, repository, named_tag)
    if told not in (f"{repository}:{named_tag}", repository):
        on_message(
            f"the image is called {repository}:{named_tag}, since names of images cannot have all "
            f"that {told!r} has"
        )
    return found


def _apart(template: str) -> Tuple[str, str]:
    """Repository and tag of a template; an empty tag where it has none."""
    if "@" in _TEMPLATE.sub("", template):
        raise OptionError(f"imageName {template!r} names a digest, which only a registry gives.")
    # Behind the last slash, or it would be a registry's port; colons in templates are none.
    masked = _TEMPLATE.sub(lambda match: "x" * len(match.group(0)), template)
    at = masked.rfind(":")
    if at < 0 or "/" in masked[at:]:
        return template.strip(), ""
    tag = template[at + 1 :].strip()
    if not tag:
        raise OptionError(f"imageName {template!r} ends in a colon; give a tag behind it.")
    return template[:at].strip(), tag


def _registry(path: str) -> Tuple[str, str]:
    first, _, rest = path.strip("/").partition("/")
    masked = _TEMPLATE.sub("", first)
    if _REGISTRY.fullmatch(first) and masked == first:
        return first.lower(), rest
    return "", path.strip("/")


def _plain(text: str) -> str:
    """Letters without their marks: ``ä`` is ``a``."""
    apart = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    return "".join(sign for sign in apart if not unicodedata.combining(sign))


def _repository(path: str, registry: str) -> str:
    parts = [_component(part) for part in path.split("/") if part.strip()]
    found = "/".join(parts)
    most = _MOST_NAME_CHARS - len(registry) - 1
    if len(found) > most:
        found = f"{_cut(found, most - _HASH_CHARS - 1)}-{_hash(found)}"
    if not parts or not all(parts):
        raise OptionError(
            f"Of {path!r} nothing is left that a repository may be called: lower-case letters and "
            "digits; give another imageName (--image-name)."
        )
    return found


def _component(text: str) -> str:
    kept = re.sub(r"[^a-z0-9._-]+", "-", _plain(text).lower())
    between = re.sub(r"[._-]+", lambda match: _separator(match.group(0)), kept)
    return between.strip("._-")


def _separator(text: str) -> str:
    is_one = text in (".", "_", "__") or set(text) == {"-"}
    return text if is_one else "-"


def _tag(text: str) -> str:
    found = re.sub(r"[^A-Za-z0-9._-]+", "-", _plain(text)).lstrip(".-")
    if not found:
        raise OptionError(
            f"Of the tag {text!r} nothing is left that a tag may be called: letters and digits; "
            "give another imageName (--image-name)."
        )
    if len(found) > _MOST_TAG_CHARS:
        # What makes a tag its own often stands at its end: a version, a UUID.
        found = f"{_cut(found, _MOST_TAG_CHARS - _HASH_CHARS - 1)}-{_hash(found)}"
    return found


def _cut(text: str, most: int) -> str:
    return text[:most].rstrip("._-/")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_CHARS]
