"""pipeline_place: wherever a pipeline lies, its zip or folder on this host."""

import os
from pathlib import Path
from typing import Any, Callable, Hashable, NamedTuple, Optional, Union

from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.errors import PipelineNotFoundError, shortened
from dai_spark.host.uri import is_uri, local_path, without_password
from dai_spark.registry.checksum import opened_as_named
from dai_spark.registry.find_model import find_model
from dai_spark.registry.model_uri import is_model_uri
from dai_spark.registry.oci.oci_pipeline import oci_pipeline, oci_state
from dai_spark.registry.oci.oci_reference import is_oci_uri
from dai_spark.registry.open_model import open_model
from dai_spark.registry.origin import ModelOrigin
from dai_spark.registry.remote_file import remote_file, remote_state

__all__ = ["Placed", "export_at_hand", "pipeline_at", "state_of"]

PathLike = Union[str, "os.PathLike[str]"]


class Placed(NamedTuple):
    """A pipeline that is on this host.

    Attributes
    ----------
    pipeline : str, Path or ScoringPipeline
    origin : ModelOrigin or None
        Of one from a registry.
    """

    pipeline: Union[PathLike, ScoringPipeline]
    origin: Optional[ModelOrigin] = None


def pipeline_at(
    place: Union[PathLike, ScoringPipeline],
    on_message: Callable[[str], None],
    *,
    sha256: Optional[str] = None,
    reads_uris: bool = False,
) -> Placed:
    """Bring a pipeline to this host, wherever it lies; one of MLflow's is `open_model`'s.

    Runs on the driver, or in a process that scores without Spark.

    Parameters
    ----------
    place : str, Path or ScoringPipeline
        A path: a zip, an unpacked export, or a folder that holds one zip.  A URI: an artefact of
        an OCI registry, or a zip or a folder with one in a store that pyarrow reads.
    on_message : callable
        Is told what is fetched.
    sha256 : str, optional
        Of the zip, in hexadecimal: any other is refused before it is opened.
    reads_uris : bool, default False
        Whether the caller reads URIs and checks paths itself, as Spark does.

    Raises
    ------
    PipelineNotFoundError
        There is no pipeline, or there are several.
    OptionError
        The URI cannot be read.
    ModelRegistryError, ChecksumError
    """
    origin: Optional[ModelOrigin] = None
    found = place
    shown = str(getattr(place, "path", place))
    if is_oci_uri(place):
        found, origin = oci_pipeline(str(place), on_message)
    elif isinstance(place, ScoringPipeline):
        found = place.path if sha256 is not None else place
    elif not reads_uris:
        text = os.fspath(place)
        found = remote_file(text, on_message) if is_uri(text) else _zip_in(local_path(text), text)
    if sha256 is None or isinstance(found, ScoringPipeline):
        return Placed(found, origin)
    return Placed(opened_as_named(Path(found), sha256, without_password(shown)), origin)


def export_at_hand(
    place: Any,
    on_message: Callable[[str], None] = lambda _: None,
    sha256: Optional[str] = None,
) -> Any:
    """Return what was given, or the path of the export that it names.

    For whoever reads an export and scores nothing.

    Parameters
    ----------
    place : str, Path or ScoringPipeline
    on_message : callable, optional
        Is told which version was found, and what is fetched.
    sha256 : str, optional
        Of its zip, in hexadecimal: any other is refused.
    """
    if is_model_uri(place):
        place = open_model(place, on_message, with_env=False).pipeline
    found = pipeline_at(place, on_message, sha256=sha256).pipeline
    return getattr(found, "path", found)


def state_of(place: str) -> Hashable:
    """What differs when the file is another one, or the alias or tag leads to another version.

    Blocks: a registry is asked.

    Parameters
    ----------
    place : str
        See `pipeline_at`; or ``models:/...``.

    Raises
    ------
    OSError
        The file is not there, which it is not while it is being replaced.
    DaiSparkError
        The registry or the store does not tell.
    """
    if is_model_uri(place):
        found: Any = find_model(place).origin
        return (found.name, found.version, found.model_id)
    if is_oci_uri(place):
        return oci_state(place)
    if is_uri(place):
        return remote_state(place)
    path = local_path(place)
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        return tuple((str(file), *_told(file)) for file in files)
    return _told(path)


def _zip_in(path: Path, shown: str) -> Path:
    """A path as it is; for a folder that is no export, the one zip that it holds."""
    if not path.is_dir() or any(path.glob("scoring_*.whl")) or any(path.glob("*/scoring_*.whl")):
        return path
    # A volume of Kubernetes has what it shows once more below ..data.
    found = [
        one for one in sorted(path.rglob("*.zip")) if one.relative_to(path).parts[0][:2] != ".."
    ]
    if len(found) != 1:
        told = shortened([one.name for one in found]) if found else "none"
        raise PipelineNotFoundError(
            f"{shown} must be an unpacked export, or a folder with one zip of an export; its zips "
            f"are: {told}."
        )
    return found[0]


def _told(path: Path) -> "tuple[int, int, int]":
    found = path.stat()
    return (found.st_mtime_ns, found.st_size, found.st_ino)
