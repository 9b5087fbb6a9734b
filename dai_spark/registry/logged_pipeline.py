"""LoggedPipeline: what a logged model says of pipeline and environment, in its file ``MLmodel``.

Below ``flavors``, beside MLflow's own block ``python_function``::

    dai_spark:
      format_version: 1
      pipeline: pipeline/scorer.zip
      pipeline_digest: 5f1d...
      env: {uri: "s3://bucket/dai-1.10.tar.zst", digest: 9ab0...}
      options: {contributions: original}
      dai_version: 1.10.7.3
      experiment_id: 4e86cfd8-ba96-11e9-b4c6-0242ac110002
      target: late

``env`` has a ``path`` below the model's folder in place of ``uri`` where the environment was
embedded.  Every path is relative, so that nothing of the machine that logged it is in the model.
"""

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Dict, Mapping, Optional

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.errors import (
    EnvironmentMismatchError,
    EnvironmentNotFoundError,
    NotAPipelineError,
    PipelineNotFoundError,
)

__all__ = ["FLAVOR", "LoggedEnvironment", "LoggedPipeline"]

# Name of the block, and of the tags below it.
FLAVOR = "dai_spark"
_FORMAT_VERSION = 1
_LOG_AGAIN = "log the pipeline again with dai_spark.mlflow.log_model"


@dataclass(frozen=True)
class LoggedEnvironment:
    """Where a logged model's packed environment lies, and which one it is.

    Attributes
    ----------
    digest : str
        `PackedEnvironment.digest` of the one that was logged.
    uri : str or None
        Where it lies, as it was given: a URI, or a path that every machine that scores has.
    path : str or None
        Below the model's folder, with slashes; for one that was embedded.
    """

    digest: str
    uri: Optional[str] = None
    path: Optional[str] = None

    @property
    def is_embedded(self) -> bool:
        """Whether it lies in the model itself."""
        return self.path is not None


@dataclass(frozen=True)
class LoggedPipeline:
    """What a logged model says of its pipeline.

    Attributes
    ----------
    pipeline : str
        The export below the model's folder, with slashes.
    pipeline_digest : str
        `ScoringPipeline.digest`: the identity of what scores.
    env : LoggedEnvironment
    options : mapping of str to object
        Fields of `ScoringOptions` that the model was logged with; a call may lay others over them.
    dai_version, experiment_id, target : str or None
        As the export tells them.
    """

    pipeline: str
    pipeline_digest: str
    env: LoggedEnvironment
    options: Mapping[str, Any] = field(default_factory=dict)
    dai_version: Optional[str] = None
    experiment_id: Optional[str] = None
    target: Optional[str] = None

    # -- the block -----------------------------------------------------------------------------

    def to_flavor(self) -> Dict[str, Any]:
        """The block as plain data, for ``mlflow.models.Model.add_flavor``."""
        where = {"path": self.env.path} if self.env.is_embedded else {"uri": self.env.uri}
        told = {
            "options": dict(self.options) or None,
            "dai_version": self.dai_version,
            "experiment_id": self.experiment_id,
            "target": self.target,
        }
        return {
            "format_version": _FORMAT_VERSION,
            "pipeline": self.pipeline,
            "pipeline_digest": self.pipeline_digest,
            "env": {**where, "digest": self.env.digest},
            **{name: value for name, value in told.items() if value is not None},
        }

    @classmethod
    def from_flavors(cls, flavors: Mapping[str, Any], label: str) -> "LoggedPipeline":
        """Read the block of a logged model.

        Parameters
        ----------
        flavors : mapping
            ``mlflow.models.Model.load(folder).flavors``, or ``flavors`` of the file ``MLmodel``.
        label : str
            What an error calls the model: ``models:/flights@champion``.

        Raises
        ------
        NotAPipelineError
            The model was logged by something else, or by a version of dai_spark that is too new.
        """
        if FLAVOR not in flavors:
            found = ", ".join(sorted(flavors)) or "none"
            raise NotAPipelineError(
                f"{label} is no model that dai_spark logged: its flavours are {found}; "
                f"{_LOG_AGAIN}."
            )
        block = flavors[FLAVOR]
        try:
            version = int(block.get("format_version", 1))
            env = LoggedEnvironment(
                str(block["env"]["digest"]), block["env"].get("uri"), block["env"].get("path")
            )
            found_pipeline = cls(
                pipeline=str(block["pipeline"]),
                pipeline_digest=str(block["pipeline_digest"]),
                env=env,
                options=dict(block.get("options") or {}),
                dai_version=block.get("dai_version"),
                experiment_id=block.get("experiment_id"),
                target=block.get("target"),
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise NotAPipelineError(
                f"The block {FLAVOR} in the MLmodel of {label} is damaged ({error!r}); "
                f"{_LOG_AGAIN}."
            ) from None
        if version > _FORMAT_VERSION:
            raise NotAPipelineError(
                f"{label} was logged by a newer dai_spark (format {version}, this one reads up to "
                f"{_FORMAT_VERSION}); install that version."
            )
        if (env.uri is None) == (env.path is None):
            raise NotAPipelineError(
                f"The block {FLAVOR} in the MLmodel of {label} must say uri or path of its "
                f"environment, one of both; {_LOG_AGAIN}."
            )
        return found_pipeline

    # -- what lies in the model's folder -------------------------------------------------------

    def read_pipeline(self, folder: Path, label: str) -> ScoringPipeline:
        """The export of a model that lies on this machine, checked against its digest.

        Parameters
        ----------
        folder : Path
            The model's own, which holds ``MLmodel``.
        label : str
            What an error calls the model.

        Raises
        ------
        PipelineNotFoundError, NotAPipelineError
            It is not there, or is not the one that was logged.
        """
        path = _below(folder, self.pipeline, label)
        if not path.exists():
            raise PipelineNotFoundError(
                f"{label} lacks its pipeline, {self.pipeline}: the model was copied in part, or "
                f"the file was removed; {_LOG_AGAIN}."
            )
        found = ScoringPipeline(path)
        if found.digest != self.pipeline_digest:
            raise NotAPipelineError(
                f"The pipeline {self.pipeline} of {label} is not the one that was logged: its "
                f"digest is {found.digest[:12]}..., and {self.pipeline_digest[:12]}... was logged. "
                f"It was altered or damaged in the store; {_LOG_AGAIN}."
            )
        return found

    def embedded_environment(self, folder: Path, label: str) -> Optional[PackedEnvironment]:
        """The environment within a model that lies on this machine, checked against its digest.

        None where the model has it by URI; see `check_environment` for that.

        Raises
        ------
        PackedEnvironmentError
            It is not there, or is not the one that was logged.
        """
        if self.env.path is None:
            return None
        path = _below(folder, self.env.path, label)
        if not path.exists():
            raise EnvironmentNotFoundError(
                f"{label} lacks its embedded environment, {self.env.path}: the model was copied in "
                "part, or the file was removed; log it again, or give env=."
            )
        found = PackedEnvironment(path)
        self.check_environment(found, label)
        return found

    def check_environment(self, found: PackedEnvironment, label: str) -> None:
        """Refuse an environment that is not the one that the model was logged with.

        Parameters
        ----------
        found : PackedEnvironment
        label : str
            What an error calls the model.

        Raises
        ------
        EnvironmentMismatchError
        """
        if found.digest != self.env.digest:
            where = self.env.path if self.env.is_embedded else self.env.uri
            raise EnvironmentMismatchError(
                f"The environment {where} of {label} is not the one that it was logged with: its "
                f"digest is {found.digest[:12]}..., and {self.env.digest[:12]}... was logged. It "
                "was built anew or damaged since; log the model again with the new one, or give "
                "env= to score with another on purpose."
            )


def _below(folder: Path, name: str, label: str) -> Path:
    """A file of the model's folder; a name that leads out of it is refused."""
    parts = PurePosixPath(name)
    if parts.is_absolute() or ".." in parts.parts:
        raise NotAPipelineError(
            f"The block {FLAVOR} in the MLmodel of {label} names {name}, which is not below the "
            f"model's folder; {_LOG_AGAIN}."
        )
    return folder.joinpath(*parts.parts)
