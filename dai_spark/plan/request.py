"""ScoringRequest: what a caller asked for, checked as far as this host alone can tell."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.license import License, read_license
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.errors import EnvironmentNotFoundError, ShippingError
from dai_spark.host.uri import is_uri, local_path, without_password
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import ScoringPlan, ShippedFile
from dai_spark.registry.logged_pipeline import LoggedPipeline
from dai_spark.registry.origin import ModelOrigin

__all__ = ["ScoringRequest"]

PathLike = Union[str, "os.PathLike[str]"]

_ARCHIVE_ENDINGS = (".tar.gz", ".tgz", ".tar.zst", ".zip", ".tar")


@dataclass(frozen=True)
class ScoringRequest:
    """Pipeline, environment, licence and options of one caller.

    Making one reads small parts of the files and starts nothing.

    Attributes
    ----------
    pipeline : ScoringPipeline
    environment : PackedEnvironment or ShippedFile
        The latter where this host cannot look inside: a folder on the executors alone, or an
        archive that ``--archives`` shipped.
    license : License or None
    options : ScoringOptions
    labels : mapping of str to str
        What the caller calls ``"pipeline"`` and ``"environment"`` where they were fetched.
    origin : ModelOrigin or None
        The model of MLflow's that the pipeline was taken from.
    """

    pipeline: ScoringPipeline
    environment: Union[PackedEnvironment, ShippedFile]
    license: Optional[License]
    options: ScoringOptions
    labels: Mapping[str, str] = field(default_factory=dict)
    origin: Optional[ModelOrigin] = None

    @classmethod
    def of(
        cls,
        pipeline: Union[PathLike, ScoringPipeline],
        env: Union[PathLike, PackedEnvironment],
        license: Optional[str],
        license_file: Optional[str],
        options: Optional[ScoringOptions],
        overrides: Mapping[str, Any],
        read_uri: Callable[[str], bytes],
        fetch: Callable[[str], Path],
        origin: Optional[ModelOrigin] = None,
        logged: Optional[LoggedPipeline] = None,
    ) -> "ScoringRequest":
        """Check a caller's arguments.

        Runs on the driver, or in a process that scores without Spark; once for each caller.

        Parameters
        ----------
        pipeline : str, Path or ScoringPipeline
            An export of this host; as text also a URI.
        env : str, Path or PackedEnvironment
            An archive, a folder, or the name of an archive that ``--archives`` shipped.
        license : str or None
            The licence's text.
        license_file : str or None
            Its path, or a URI.
        options : ScoringOptions or None
        overrides : mapping of str to object
            Fields of `ScoringOptions`, laid over `options`.
        read_uri, fetch : callable
            Read a small file, and bring a large one to this host, by a URI that is no path of it.
        origin : ModelOrigin, optional
            The model of MLflow's that the pipeline was taken from.
        logged : LoggedPipeline, optional
            What that model says of the environment, where `env` is the one that it names.

        Raises
        ------
        OptionError, PipelineError, PackedEnvironmentError, LicenseError, ShippingError
            Whichever argument cannot be meant, is not there, or does not fit the others.
        """
        resolved = ScoringOptions.resolve(options, overrides)
        found = (
            pipeline
            if isinstance(pipeline, ScoringPipeline)
            else ScoringPipeline(_at_hand(pipeline, fetch))
        )
        if origin is not None and logged is not None:
            environment = _logged_environment(env, fetch, logged, origin)
        else:
            environment = _environment(env, fetch)
        if isinstance(environment, PackedEnvironment):
            environment.check_fits(found)
        carried = read_license(license, license_file, read_uri)
        labels = {
            name: without_password(value)
            for name, value in (("pipeline", pipeline), ("environment", env))
            if isinstance(value, str) and is_uri(value)
        }
        if origin is not None:
            labels["pipeline"] = origin.text
        return cls(found, environment, carried, resolved, labels, origin)

    @property
    def pipeline_text(self) -> str:
        """How messages and reports name the pipeline: its URI where it has one, else its path."""
        return self.labels.get("pipeline", str(self.pipeline.path))

    @property
    def environment_text(self) -> str:
        """How a report names the environment: its URI, path, or the name of a shipped archive."""
        if isinstance(self.environment, ShippedFile):
            return self.environment.name
        return self.labels.get("environment", str(self.environment.path))

    def plan(self, ship: Callable[[Path, str, str, str], ShippedFile]) -> ScoringPlan:
        """Make the plan of this request.

        Parameters
        ----------
        ship : callable
            ``ship(path, digest, ending, label)`` brings a file to where it is scored.
        """
        slim = self.pipeline.slim_path
        pipeline = ship(slim, self.pipeline.digest, "pipeline", self.pipeline_text)
        interpreter = ""
        if isinstance(self.environment, ShippedFile):
            environment = self.environment
        elif self.environment.is_folder:
            folder = str(self.environment.path)
            environment = ShippedFile("folder", folder, self.environment.digest, folder)
            interpreter = self.environment.interpreter
        else:
            interpreter = self.environment.interpreter
            environment = ship(
                self.environment.path,
                self.environment.digest,
                "environment",
                self.labels.get("environment", str(self.environment.path)),
            )
        return ScoringPlan(
            pipeline=pipeline,
            environment=environment,
            interpreter=interpreter,
            columns=self.pipeline.columns,
            license=self.license,
            options=self.options,
            target=self.pipeline.target,
        )


def _logged_environment(
    env: Union[PathLike, PackedEnvironment],
    fetch: Callable[[str], Path],
    logged: LoggedPipeline,
    origin: ModelOrigin,
) -> Union[PackedEnvironment, ShippedFile]:
    """The environment that a model names, if it is the one that it was logged with.

    What this host cannot look into is taken at its word, as everywhere.
    """
    try:
        environment = _environment(env, fetch)
    except (EnvironmentNotFoundError, ShippingError) as error:
        raise EnvironmentNotFoundError(
            f"The environment that {origin.text} was logged with is not at hand: {error.message} "
            "Bring it back, or give env= (--env).",
            error.details,
        ) from None
    if isinstance(environment, PackedEnvironment):
        logged.check_environment(environment, origin.text)
    return environment


def _at_hand(name: PathLike, fetch: Callable[[str], Path]) -> PathLike:
    if not isinstance(name, str):
        return name
    return fetch(name) if is_uri(name) else local_path(name)


def _environment(
    env: Union[PathLike, PackedEnvironment], fetch: Callable[[str], Path]
) -> Union[PackedEnvironment, ShippedFile]:
    if isinstance(env, PackedEnvironment):
        return env
    # A folder below /Volumes that this host does not see may well be on every executor.
    if isinstance(env, str) and (not env.startswith("/") or env.endswith(_ARCHIVE_ENDINGS)):
        env = _at_hand(env, fetch)
    name = os.fspath(env)
    if local_path(name).exists() or name.endswith(_ARCHIVE_ENDINGS):
        return PackedEnvironment(name)
    if Path(name).is_absolute():
        # Not on this host: a driver need not be able to run the environment, nor to see it.
        return ShippedFile("folder", name, f"folder {name}", name)
    if "/" not in name:
        return ShippedFile("archive", name, f"archive {name}", f"--archives ...#{name}")
    raise EnvironmentNotFoundError(
        f"No packed environment lies at {name}; give an archive, a folder that is on every "
        "executor (absolute), or the name behind # of an archive that --archives ships."
    )
