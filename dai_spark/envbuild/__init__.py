"""Builds and checks packed environments; runs on the machine that builds, never on executors.

Users import `dai_spark.environments`, which has the public names; all paths below are private.

::

    build          build_environment: one archive, from an export or a Driverless AI line
    download       download_environment: a folder for a build without network
    assemble       the steps that build and download share
    tool_run       runs uv, pip and Maven within a limit of time

    lists/         what the lists of an export say, line by line
    packages/      which packages an environment gets, and uv, which installs them
    python/        where its Python comes from: this machine or conda channels
    prefix/        what is done to an installed prefix, up to the archive
    offline/       the folder that brings a build to a machine without network
    check/         check_environment: proves that an environment runs

    specs/         requirements and locks of the Driverless AI lines, settings of uv (data)

A build reads the requirements (lists, packages), prepares a Python (python), installs into it
(packages), moves it to its prefix (python) and packs that (prefix).  Rooms import each other in
one direction: packages imports lists, python imports packages and prefix, offline imports all of
these, and check imports prefix alone.
"""

from dai_spark.envbuild.build import build_environment
from dai_spark.envbuild.check.environment_check import CheckReport, check_environment
from dai_spark.envbuild.download import download_environment
from dai_spark.envbuild.packages.selection import Choice

__all__ = [
    "CheckReport",
    "Choice",
    "build_environment",
    "check_environment",
    "download_environment",
]
