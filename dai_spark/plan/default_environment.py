"""The environment that every host has already: what ``env=`` is where it is left out."""

import os
from typing import Callable, Optional, Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.errors import OptionError

__all__ = ["CONF", "VARIABLE", "chosen_environment"]

CONF = "spark.dai_spark.env"
VARIABLE = "DAI_SPARK_ENV"

Chosen = Union[str, "os.PathLike[str]", PackedEnvironment]


def chosen_environment(
    env: Optional[Chosen],
    conf: Callable[[str], Optional[str]],
    on_message: Callable[[str], None],
) -> Chosen:
    """Return what the caller chose, else what the session's settings or this host name.

    Runs on the driver, or in a process that scores without Spark.  Executors are not asked: all
    of them score in the one environment that the plan names.

    Parameters
    ----------
    env : str, Path, PackedEnvironment or None
        Anything but None and an empty text is the answer.
    conf : callable
        Looks up a setting of the Spark session; None where there is none.
    on_message : callable
        Is told which environment was found, and where it was named.

    Raises
    ------
    OptionError
        Neither names one.
    """
    if env is not None and env != "":
        return env
    for where, found in ((CONF, conf(CONF)), (VARIABLE, os.environ.get(VARIABLE))):
        if found:
            on_message(f"environment {found}, which {where} names")
            return found
    raise OptionError(
        "env= (--env) is missing, the packed environment in which the pipeline runs, and neither "
        f"the setting {CONF} nor the environment variable {VARIABLE} of the driver names a folder "
        "that every executor has. Build one with `dai-spark env build --reference scorer.zip "
        "-o dai-1.10.tar.gz`."
    )
