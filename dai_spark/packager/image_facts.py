"""ImageFacts: what an image says of itself, whichever engine was asked."""

from dataclasses import dataclass
from typing import Any, Dict, Mapping, Sequence

__all__ = ["ImageFacts", "facts_of"]


@dataclass(frozen=True)
class ImageFacts:
    """What an image says of itself.

    Attributes
    ----------
    id : str
        SHA-256 of its configuration.
    created : str
        As RFC 3339 writes it.
    labels, variables : mapping of str to str
    entrypoint : tuple of str
    has_healthcheck : bool
    """

    id: str
    created: str
    labels: Mapping[str, str]
    variables: Mapping[str, str]
    entrypoint: Sequence[str] = ()
    has_healthcheck: bool = False


def facts_of(image_id: str, created: str, config: Mapping[str, Any]) -> ImageFacts:
    """Read the configuration of an image.

    Parameters
    ----------
    image_id, created : str
    config : mapping
        As docker has it.
    """
    variables: Dict[str, str] = {}
    for line in config.get("Env") or ():
        name, _, value = line.partition("=")
        variables[name] = value
    health = (config.get("Healthcheck") or {}).get("Test") or ["NONE"]
    return ImageFacts(
        image_id.rpartition(":")[2],
        created,
        dict(config.get("Labels") or {}),
        variables,
        tuple(config.get("Entrypoint") or ()),
        health[0] != "NONE",
    )
