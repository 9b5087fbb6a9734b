"""Jars of Delta Lake and Iceberg that a Spark version goes with, fetched with Maven.

Mirrors, proxies and credentials are Maven's own matter: its settings.xml applies.
"""

import shutil
from pathlib import Path
from typing import Callable

from dai_spark.envbuild.tool_run import run_tool
from dai_spark.errors import EnvironmentBuildError, OptionError

__all__ = ["JARS_BY_SPARK", "collect_jars"]

_LIMIT_S = 600
# By Spark's minor version, as Maven names them.  Delta's pom asks for more: Spark has the rest, and
# the catalog of Unity, which brings 250 MB, is left out.
JARS_BY_SPARK = {
    "3.5": (
        "io.delta:delta-spark_2.12:3.3.2",
        "io.delta:delta-storage:3.3.2",
        "org.apache.iceberg:iceberg-spark-runtime-3.5_2.12:1.10.1",
    ),
    "4.0": (
        "io.delta:delta-spark_4.0_2.13:4.2.0",
        "io.delta:delta-storage:4.2.0",
        "io.delta:delta-kernel-api:4.2.0",
        "io.delta:delta-kernel-defaults:4.2.0",
        "org.apache.iceberg:iceberg-spark-runtime-4.0_2.13:1.10.1",
    ),
    "4.1": (
        "io.delta:delta-spark_4.1_2.13:4.3.1",
        "io.delta:delta-storage:4.3.1",
        "io.delta:delta-kernel-api:4.3.1",
        "io.delta:delta-kernel-defaults:4.3.1",
        "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.11.0",
    ),
}


def collect_jars(
    spark: str, folder: Path, is_intact: Callable[[Path], bool], on_message: Callable[[str], None]
) -> None:
    """Fill a folder with the jars for a Spark version, and remove everything else from it.

    Parameters
    ----------
    spark : str
        The version, ``"4.1"`` or ``"4.1.2"``.
    folder : Path
        Made where it does not exist; jars in it are not fetched again.
    is_intact : callable
        Tells whether a file of `folder` is as it was fetched.
    on_message : callable
        Gets a sentence at each step.

    Raises
    ------
    OptionError
        No jars are known for that version.
    EnvironmentBuildError
        Maven is not here, or could not fetch one.
    """
    minor = ".".join(spark.split(".")[:2])
    if minor not in JARS_BY_SPARK:
        raise OptionError(
            f"No jars are known for Spark {spark!r}, only for {', '.join(JARS_BY_SPARK)}."
        )
    maven = shutil.which("mvn")
    if maven is None:
        raise EnvironmentBuildError(
            "Maven, which fetches jars, is not here; install it (Debian: apt install maven), or "
            "leave --jars out."
        )
    folder.mkdir(exist_ok=True)
    missing = {}
    for artifact in JARS_BY_SPARK[minor]:
        _, name, version = artifact.split(":")
        missing[folder / f"{name}-{version}.jar"] = artifact
    for path in sorted(folder.iterdir()):
        if path in missing and is_intact(path):
            del missing[path]
        else:
            path.unlink()
    for path, artifact in missing.items():
        on_message(f"fetching {path.name}")
        command = [maven, "-B", "-q", "dependency:copy", f"-Dartifact={artifact}"]
        command += [f"-DoutputDirectory={folder}", "-Dmdep.overWriteReleases=true"]
        done = run_tool(
            command,
            cwd=folder,
            limit_s=_LIMIT_S,
            late=f"Maven did not fetch {artifact} within {{limit_s}} s; see whether its repository "
            "answers, and repeat the command: what is fetched stays.",
        )
        if done.returncode != 0 or not path.exists():
            said = [line for line in done.stdout.splitlines() if line.startswith("[ERROR]")]
            raise EnvironmentBuildError(
                f"Maven could not fetch {artifact}: {''.join(said[:1])[8:400] or 'no reason told'}",
                details=done.stdout,
            )
    on_message(f"{len(JARS_BY_SPARK[minor])} jars for Spark {minor} are here")
