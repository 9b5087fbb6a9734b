"""Builds and checks packed environments; runs on the machine that builds, never on executors."""

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
