"""Pipelines as artefacts of an OCI registry: pushed there, and brought to this host.

An artefact has one file, the export's zip.  Any client of such registries may push it: `oras push`
writes the same as `push_pipeline`.
"""

from pathlib import Path
from typing import Any, Callable, Dict, Tuple

from dai_spark.errors import ChecksumError, ModelRegistryError, shortened
from dai_spark.registry.checksum import sha256_of
from dai_spark.registry.model_cache import kept_by_digest
from dai_spark.registry.oci.oci_reference import OciReference
from dai_spark.registry.oci.oci_registry import OciRegistry
from dai_spark.registry.origin import ModelOrigin

__all__ = ["oci_pipeline", "oci_state", "push_pipeline"]

_MEDIA_TYPE = "application/zip"
_TITLE = "org.opencontainers.image.title"


def oci_state(uri: str) -> str:
    """Digest of the artefact that a URI names now; a tag may lead to another one later.

    Parameters
    ----------
    uri : str

    Raises
    ------
    OptionError, ModelRegistryError, RegistryUnreachableError
    """
    reference = OciReference.of(uri)
    return reference.digest or OciRegistry(reference).manifest()[1]


def oci_pipeline(uri: str, on_message: Callable[[str], None]) -> Tuple[Path, ModelOrigin]:
    """Bring the pipeline of an artefact to this host, held to its digests.

    Runs on the driver, or in a process that scores without Spark.  A content that is in the cache
    folder already is not fetched again.

    Parameters
    ----------
    uri : str
        ``oci://REGISTRY/NAME@sha256:DIGEST`` or ``oci://REGISTRY/NAME:TAG``.
    on_message : callable
        Is told which artefact was found, and what is fetched.

    Returns
    -------
    tuple of Path and ModelOrigin
        The zip in the cache, and where it came from.

    Raises
    ------
    OptionError, ModelRegistryError, RegistryUnreachableError
        See `OciRegistry`; or the artefact has no zip, or several.
    ChecksumError
        What came is not what was named.
    """
    reference = OciReference.of(uri)
    registry = OciRegistry(reference)
    manifest, digest = registry.manifest()
    layer = _zip_of(manifest, uri)
    sha256 = layer["digest"].partition(":")[2]
    name = Path((layer.get("annotations") or {}).get(_TITLE) or f"{reference.name}.zip").name
    if not reference.digest:
        on_message(f"{uri} is {reference.at(digest)}")

    def fetch(folder: Path) -> None:
        on_message(f"fetching {name} ({layer.get('size', 0) / 1e6:,.1f} MB) of {uri}")
        registry.download(layer["digest"], folder / name)

    def read(folder: Path) -> Path:
        # Who pushed the same content first may have called it otherwise.
        found = [path for path in folder.iterdir() if path.is_file()]
        if len(found) != 1 or sha256_of(found[0]) != sha256:
            raise ChecksumError(f"{uri}: what the registry has sent is not {layer['digest']}.")
        return found[0]

    path = kept_by_digest(sha256, fetch, read)
    return path, ModelOrigin(uri, name=reference.name, version=f"sha256:{digest}")


def push_pipeline(path: Path, uri: str) -> str:
    """Push an export's zip as an artefact, and return its URI by digest.

    Parameters
    ----------
    path : Path
    uri : str
        ``oci://REGISTRY/NAME:TAG``.

    Raises
    ------
    OptionError, ModelRegistryError, RegistryUnreachableError
    """
    reference = OciReference.of(uri)
    if reference.digest:
        raise ModelRegistryError(
            f"{uri}: what is pushed gets its digest from its content; give a tag."
        )
    return reference.at(OciRegistry(reference).push(path, _MEDIA_TYPE))


def _zip_of(manifest: Dict[str, Any], uri: str) -> Dict[str, Any]:
    layers = manifest["layers"]
    titles = [(layer.get("annotations") or {}).get(_TITLE) or "" for layer in layers]
    found = [one for one, title in zip(layers, titles) if title.endswith(".zip")]
    if len(found) == 1:
        return dict(found[0])
    if not found and len(layers) == 1:
        return dict(layers[0])
    told = shortened([title or "without a name" for title in titles]) if titles else "none"
    raise ModelRegistryError(
        f"{uri} must have one zip of an export; its files are: {told}. Push the pipeline with "
        "`dai-spark pipeline push` or `oras push`."
    )
