"""Runs the programs that fetch and install: uv, pip and Maven."""

import subprocess
from pathlib import Path
from typing import Mapping, Optional, Sequence, Union

from dai_spark.errors import EnvironmentBuildError

__all__ = ["run_tool"]


def run_tool(
    command: Sequence[str],
    *,
    cwd: Union[str, Path],
    limit_s: int,
    late: str,
    env: Optional[Mapping[str, str]] = None,
) -> "subprocess.CompletedProcess[str]":
    """Run a program and wait for its end; it is killed at a limit of time.

    Parameters
    ----------
    command : sequence of str
        The program and its arguments.
    cwd : str or Path
        Folder that it runs in.
    limit_s : int
        Seconds that it may take.
    late : str
        What the error says where it takes longer; ``{limit_s}`` stands for the limit.
    env : mapping of str to str, optional
        All its environment variables; by default those of this process.

    Returns
    -------
    subprocess.CompletedProcess
        Its exit status, standard output and standard error.

    Raises
    ------
    EnvironmentBuildError
        It did not end in time.
    """
    try:
        return subprocess.run(
            command,
            env=env,
            cwd=cwd,
            capture_output=True,
            text=True,
            timeout=limit_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise EnvironmentBuildError(late.replace("{limit_s}", str(limit_s))) from error
