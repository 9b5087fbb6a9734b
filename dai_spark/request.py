"""ScoringRequest: what a caller asked for, checked as far as this host alone can tell."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Union

from dai_spark.environment import PackedEnvironment
from dai_spark.errors import EnvironmentNotFoundError, OptionError
from dai_spark.license import License, read_license
from dai_spark.options import ScoringOptions
from dai_spark.pipeline import ScoringPipeline
from dai_spark.plan import ScoringPlan, ShippedFile

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
    """

    pipeline: ScoringPipeline
    environment: Union[PackedEnvironment, ShippedFile]
    license: Optional[License]
    options: ScoringOptions

    @classmethod
    def of(
        cls,
        pipeline: Union[PathLike, ScoringPipeline],
        env: Union[PathLike, PackedEnvironment, None],
        license: Optional[str],
        license_file: Optional[str],
        options: Optional[ScoringOptions],
        words: Mapping[str, Any],
        read_uri: Callable[[str], bytes],
    ) -> "ScoringRequest":
        """Check a caller's arguments.

        Raises
        ------
        OptionError, PipelineError, EnvironmentFault, LicenseError
            Whichever argument cannot be meant, is not there, or does not fit the others.
        """
        resolved = ScoringOptions.resolve(options, words)
        found = pipeline if isinstance(pipeline, ScoringPipeline) else ScoringPipeline(pipeline)
        environment = _environment(env)
        if isinstance(environment, PackedEnvironment):
            environment.check_fits(found)
        carried = read_license(license, license_file, read_uri)
        return cls(found, environment, carried, resolved)

    def plan(self, ship: Callable[[Path, str, str, str], ShippedFile]) -> ScoringPlan:
        """Make the plan of this request.

        Parameters
        ----------
        ship : callable
            ``ship(path, digest, ending, label)`` brings a file to where it is scored.
        """
        slim = self.pipeline.slim_path
        label = str(self.pipeline.path)
        pipeline = ship(slim, self.pipeline.digest, "pipeline", label)
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
                str(self.environment.path),
            )
        return ScoringPlan(
            pipeline=pipeline,
            environment=environment,
            interpreter=interpreter,
            columns=self.pipeline.columns,
            license=self.license,
            options=self.options,
        )


def _environment(
    env: Union[PathLike, PackedEnvironment, None],
) -> Union[PackedEnvironment, ShippedFile]:
    if isinstance(env, PackedEnvironment):
        return env
    if env is None:
        raise OptionError(
            "env= is missing: the packed environment in which the pipeline runs. Build one with "
            "`dai-spark env build --reference scorer.zip -o dai-1.10.tar.gz`."
        )
    name = os.fspath(env)
    if Path(name).expanduser().exists() or name.endswith(_ARCHIVE_ENDINGS):
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
