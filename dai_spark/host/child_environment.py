"""The environment of a process that runs a pipeline: made from an allow-list, never inherited."""

import os
from pathlib import Path
from typing import Dict, Mapping

from dai_spark.host.cache_folder import cache_folder

__all__ = ["child_environment"]

# What a process beside the executor may know of its environment.  Nothing else is inherited: not
# PYTHONPATH, PYTHONHOME, VIRTUAL_ENV, CONDA_*, SPARK_*, PYSPARK_*, LD_PRELOAD, nor the secret that
# pyspark's workers are given.
_INHERITED = ("HOME", "USER", "LOGNAME", "TZ", "LANG", "SSL_CERT_FILE", "SSL_CERT_DIR")

# One thread each, set before the process starts: an OpenMP pool that exists at the fork hangs its
# children, and Spark counts one core a task.
_THREAD_CAPS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "ARROW_NUM_THREADS",
    "ARROW_IO_THREADS",
)


def child_environment(folder: Path, pipeline: Path, added: Mapping[str, str]) -> Dict[str, str]:
    """The whole environment of a sidecar, made from an allow-list and never inherited.

    Recipe servers are off: they want Java and a port, and dai_spark does not score pipelines that
    need them (variables as in H2O's own container images).  Custom recipes are on where the export
    brings code of some, and off otherwise, since Driverless AI would start a server for them.
    """
    has_recipes = any((pipeline / "tmp" / "contrib").rglob("*.py"))
    found = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    found.setdefault("LANG", "C.UTF-8")
    # Path.expanduser raises where there is no home.
    if "HOME" not in found and not os.path.isabs(os.path.expanduser("~")):  # noqa: PTH111, PTH117
        # A container's user with no entry in passwd: `~` and getpass.getuser() raise there, in
        # libraries that only look for a folder of settings.
        found["HOME"] = str(cache_folder())
        found.setdefault("USER", str(os.getuid()))
        found.setdefault("LOGNAME", found["USER"])
    found.update(
        {
            "PATH": f"{folder / 'bin'}:/usr/local/bin:/usr/bin:/bin",
            "LD_LIBRARY_PATH": str(folder / "lib"),
            "LC_ALL": "C.UTF-8",
            "PYTHONIOENCODING": "utf-8",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "MALLOC_ARENA_MAX": "1",
            "DRIVERLESS_AI_ENABLE_H2O_RECIPES": "0",
            "dai_enable_h2o_recipes": "0",
            "dai_enable_custom_recipes": "1" if has_recipes else "0",
        }
    )
    found.update(dict.fromkeys(_THREAD_CAPS, "1"))
    found.update(added)
    return found
