"""OciReference: a URI that names an artefact of an OCI registry, taken apart."""

import re
from dataclasses import dataclass

from dai_spark.errors import OptionError
from dai_spark.host.uri import without_password

__all__ = ["OciReference", "is_oci_uri"]

_SCHEME = "oci://"
# As the specification of OCI's distribution has them.
_URI = re.compile(
    r"oci://(?P<registry>[A-Za-z0-9.-]+(?::[0-9]+)?|\[[0-9a-fA-F:]+\](?::[0-9]+)?)"
    r"/(?P<repository>[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
    r"(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
    r"(?:@sha256:(?P<digest>[0-9a-f]{64}))?"
)
_FORMS = "oci://REGISTRY/NAME@sha256:DIGEST (64 hexadecimal digits) or oci://REGISTRY/NAME:TAG"
_LOOPBACK = re.compile(r"(?:localhost|127(?:\.[0-9]+){3}|\[::1\])(?::[0-9]+)?")


def is_oci_uri(pipeline: object) -> bool:
    """Whether what a caller gave as the pipeline names an artefact of an OCI registry.

    Parameters
    ----------
    pipeline : object
        Whatever was given; only a text can be a URI.
    """
    return isinstance(pipeline, str) and pipeline.startswith(_SCHEME)


@dataclass(frozen=True)
class OciReference:
    """An artefact of a registry.

    Attributes
    ----------
    registry : str
        Host, and port where it has one.
    repository : str
    tag : str
        Empty where none is named.
    digest : str
        SHA-256 of the artefact's manifest in hexadecimal; empty where none is named.
    """

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def of(cls, uri: str) -> "OciReference":
        """Take a URI apart.

        Parameters
        ----------
        uri : str

        Raises
        ------
        OptionError
            It has none of the forms that name one artefact.
        """
        found = _URI.fullmatch(uri)
        if found is None or not (found["tag"] or found["digest"]):
            why = "names neither a tag nor a digest" if found else "names no artefact"
            raise OptionError(f"{without_password(uri)} {why}; give {_FORMS}.")
        return cls(
            found["registry"], found["repository"], found["tag"] or "", found["digest"] or ""
        )

    @property
    def name(self) -> str:
        """The last part of the repository's name."""
        return self.repository.rpartition("/")[2]

    @property
    def is_loopback(self) -> bool:
        """Whether the registry is on this host, where HTTP is spoken as container engines do."""
        return _LOOPBACK.fullmatch(self.registry) is not None

    @property
    def target(self) -> str:
        """What clients of registries call the artefact: the digest, where one is named."""
        ending = f"@sha256:{self.digest}" if self.digest else f":{self.tag}"
        return f"{self.registry}/{self.repository}{ending}"

    def at(self, digest: str) -> str:
        """The URI of what has a digest in the same repository.

        Parameters
        ----------
        digest : str
            In hexadecimal.
        """
        return f"{_SCHEME}{self.registry}/{self.repository}@sha256:{digest}"
