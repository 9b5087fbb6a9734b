"""The image that a pipeline is put on: whether it will do, and what of ours it has already."""

import re
import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Optional, Sequence

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.manifest import MANIFEST_NAME, EnvironmentManifest
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.errors import EnvironmentMismatchError, PackagerError
from dai_spark.packager.image_facts import ImageFacts

__all__ = ["OLDEST_PYTHON", "BaseImage", "manifest_path", "refuse_by_name"]

OLDEST_PYTHON = (3, 9)
_PYTHON_IMAGE = re.compile(r"(?:^|/)python:(\d+)(?:\.(\d+))?")
_PYTHON_VERSION = re.compile(r"(\d+)\.(\d+)")
_OUR_FOLDER = "/opt/dai_spark/"
# Of the serving image, where a dry run finds none to ask.
_SERVING_ENTRYPOINT = ("/opt/dai_spark/image/serve",)


def refuse_by_name(name: str) -> None:
    """Refuse a base image whose name says already that it will not do.

    Parameters
    ----------
    name : str

    Raises
    ------
    PackagerError
    """
    match = _PYTHON_IMAGE.search(name)
    if match is not None:
        # ``python:3`` is the newest of them.
        _refuse_old(name, int(match.group(1)), int(match.group(2) or 99))
    if "alpine" in name.lower():
        raise PackagerError(
            f"dockerfileBaseImage {name} has the C library musl, and packed environments need the "
            "GNU C library; take one of Debian, such as python:3.11-slim."
        )


def _refuse_old(name: str, major: int, minor: int) -> None:
    if (major, minor) < OLDEST_PYTHON:
        raise PackagerError(
            f"dockerfileBaseImage {name} has Python {major}.{minor}, and dai_spark wants "
            f"{'.'.join(map(str, OLDEST_PYTHON))} or newer; leave dockerfileBaseImage away, or "
            "take python:3.11-slim. The pipeline's own Python comes with the packed environment, "
            "whatever the base has."
        )


@dataclass(frozen=True)
class BaseImage:
    """A base image.

    Attributes
    ----------
    name : str
    facts : ImageFacts or None
        None where it is not on this machine: of a dry run.
    manifest : bytes or None
        Of the environment in it.
    is_default : bool
        Whether it is dai_spark's own, by its name.
    """

    name: str
    facts: Optional[ImageFacts]
    manifest: Optional[bytes] = None
    is_default: bool = False

    def check(self) -> None:
        """Refuse what its own words say will not do.

        Raises
        ------
        PackagerError
        """
        refuse_by_name(self.name)
        if self.facts is None:
            return
        if "dai_spark.spark.version" in self.facts.labels:
            raise PackagerError(
                f"dockerfileBaseImage {self.name} is dai_spark's image of Spark, which has no "
                "server; take the serving image (`make serving-image`)."
            )
        # Python's own images tell it so.
        match = _PYTHON_VERSION.match(self.facts.variables.get("PYTHON_VERSION", ""))
        if match is not None:
            _refuse_old(self.name, int(match.group(1)), int(match.group(2)))

    @property
    def has_dai_spark(self) -> bool:
        """Whether it is dai_spark's serving image, or made from it."""
        if self.facts is None:
            return self.is_default
        first = next(iter(self.facts.entrypoint), "")
        return first.startswith(_OUR_FOLDER)

    @property
    def version(self) -> Optional[str]:
        """Version of the dai_spark in it, where it says so."""
        if self.facts is None or not self.has_dai_spark:
            return None
        labels = self.facts.labels
        return labels.get("dai_spark.version") or labels.get("org.opencontainers.image.version")

    @property
    def entrypoint(self) -> Sequence[str]:
        """What runs a command of dai-spark in it."""
        if not self.has_dai_spark:
            return ("python3", "-m", "dai_spark")
        if self.facts is None:
            return _SERVING_ENTRYPOINT
        # An image that the packager made: what it runs begins behind its first word.
        return self.facts.entrypoint[:1]

    @property
    def has_healthcheck(self) -> bool:
        """Whether it asks its server itself."""
        return self.has_dai_spark and (self.facts is None or self.facts.has_healthcheck)

    @property
    def env_folder(self) -> Optional[str]:
        """Where its environment is, if it has one."""
        if self.facts is None:
            return f"{_OUR_FOLDER}environment" if self.is_default else None
        return self.facts.variables.get("DAI_SPARK_ENV") or None

    def environment_fault(self, pipeline: ScoringPipeline) -> Optional[str]:
        """Why its environment is none for a pipeline; None where it fits.

        Parameters
        ----------
        pipeline : ScoringPipeline
        """
        if self.facts is None and self.is_default:
            return None
        if self.env_folder is None or self.manifest is None:
            return f"{self.name} has no packed environment"
        try:
            EnvironmentManifest.from_json(self.manifest)
            with tempfile.TemporaryDirectory(prefix="dai_spark-") as folder:
                (Path(folder) / MANIFEST_NAME).write_bytes(self.manifest)
                PackedEnvironment(folder).check_fits(pipeline)
        except EnvironmentMismatchError as error:
            said = error.message.partition(". ")[0]
            return said.replace(f"The environment {folder}", f"the environment of {self.name}")
        except ValueError as error:
            return f"the manifest of the environment of {self.name} cannot be read ({error})"
        return None

    def created_s(self) -> int:
        """When it was made, in seconds since 1970."""
        if self.facts is None:
            return 0
        # Python 3.9 reads three digits or six behind the point, and engines write nine.
        text = re.sub(r"\.\d+", "", self.facts.created).replace("Z", "+00:00")
        try:
            return max(0, int(datetime.fromisoformat(text).timestamp()))
        except ValueError:
            return 0


def manifest_path(env_folder: str) -> str:
    """Where an image has the manifest of its environment."""
    return f"{env_folder.rstrip('/')}/{MANIFEST_NAME}"
