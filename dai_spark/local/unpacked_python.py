"""The Python of a packed environment, on this machine."""

import os
from pathlib import Path
from typing import Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import ShippedFile
from dai_spark.unpack.folders import environment_folder

__all__ = ["unpacked_python"]


def unpacked_python(env: Union[str, "os.PathLike[str]"]) -> Path:
    """Unpack an environment on this machine, unless it is already, and return its Python's path.

    What needs the pipeline's packages and no scorer runs there: training a stand-in, comparing
    with the pipeline's own scores.

    Raises
    ------
    PackedEnvironmentError
    """
    environment = PackedEnvironment(env)
    if environment.is_folder:
        return environment.path / environment.interpreter
    file = ShippedFile("path", str(environment.path), environment.digest, str(environment.path))
    folder = environment_folder(file, ScoringOptions().start_timeout_s)
    return folder / environment.interpreter
