"""The files that a build sees: equal inputs give equal bytes, rights and times."""

import os
import re
import shutil
from pathlib import Path
from typing import Callable

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.extract import extract_archive
from dai_spark.artifacts.lean_export import lean_export
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.errors import PackagerError

__all__ = ["env_name", "lay_environment", "lay_package", "lay_pipeline", "settle"]

_ENDINGS = re.compile(r"\.(tar\.zst|tar\.gz|tgz)$")
_LEFT_OUT = ("__pycache__", "*.pyc")


def env_name(environment: PackedEnvironment) -> str:
    """What the folder of an environment is called: as its archive.

    Parameters
    ----------
    environment : PackedEnvironment
    """
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", _ENDINGS.sub("", environment.path.name)).strip(".-")
    return plain or f"python-{environment.python}"


def lay_pipeline(pipeline: ScoringPipeline, folder: Path) -> None:
    """Copy an export without its dependency wheels, which the environment has.

    Parameters
    ----------
    pipeline : ScoringPipeline
    folder : Path
        Of the build.

    Raises
    ------
    NotAPipelineError
    """
    (folder / "pipeline").mkdir()
    lean_export(pipeline, folder / "pipeline" / "scorer.zip")


def lay_environment(
    environment: PackedEnvironment, folder: Path, on_message: Callable[[str], None]
) -> None:
    """Unpack an environment.

    Parameters
    ----------
    environment : PackedEnvironment
    folder : Path
        Of the build.
    on_message : callable
        Is told how far it is.

    Raises
    ------
    EnvironmentUnpackError
    """
    target = folder / "environment"
    if environment.is_folder:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(environment.path, target, symlinks=True, ignore=ignored)
    else:
        extract_archive(environment.path, target, on_message)


def lay_package(folder: Path) -> None:
    """Copy the installed dai_spark, and the lock of what its server needs.

    Parameters
    ----------
    folder : Path
        Of the build.

    Raises
    ------
    PackagerError
        It is not installed as files.
    """
    source = Path(__file__).parent.parent
    lock = source / "packager" / "requirements.lock"
    if not lock.is_file():
        raise PackagerError(
            f"dai_spark is not here as files ({source}); install it: pip install dai_spark."
        )
    target = folder / "package" / "dai_spark"
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(*_LEFT_OUT))
    shutil.copyfile(lock, folder / "requirements.lock")


def settle(folder: Path, epoch_s: int) -> None:
    """Give all files of a build the same times, and rights that do not depend on this user.

    Parameters
    ----------
    folder : Path
    epoch_s : int
        Seconds since 1970.
    """
    for place, folders, names in os.walk(folder, topdown=False):
        for name in (*names, *folders):
            path = Path(place) / name
            if not path.is_symlink():
                is_run = path.is_dir() or bool(path.stat().st_mode & 0o100)
                path.chmod(0o755 if is_run else 0o644)
            os.utime(path, (epoch_s, epoch_s), follow_symlinks=False)
    folder.chmod(0o755)
    os.utime(folder, (epoch_s, epoch_s))
