"""Packed environments: built, collected for a machine without network, and checked.

This is the one public path of these names.  They run on the machine that builds, never on
executors, and start no Spark.  Building wants the extra ``env``: ``pip install 'dai_spark[env]'``;
conda channels want ``conda`` as well.

`PackedEnvironment` wants no extra.  Importing this module imports nothing else: each name is looked
up when it is used.
"""

from typing import TYPE_CHECKING, Any, List

from dai_spark.errors import EnvironmentBuildError

if TYPE_CHECKING:
    from dai_spark.artifacts.environment import PackedEnvironment
    from dai_spark.envbuild.build import build_environment
    from dai_spark.envbuild.check.environment_check import CheckReport, check_environment
    from dai_spark.envbuild.download import download_environment
    from dai_spark.envbuild.packages.selection import Choice

__all__ = [
    "CheckReport",
    "Choice",
    "PackedEnvironment",
    "build_environment",
    "check_environment",
    "download_environment",
]

# Top modules of the extra `env` that are imported with the functions.
_MODULES_OF_EXTRA = ("elftools", "packaging", "pip_requirements_parser", "yaml")


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name == "PackedEnvironment":
        from dai_spark.artifacts.environment import PackedEnvironment

        return PackedEnvironment
    try:
        from dai_spark import envbuild
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in _MODULES_OF_EXTRA:
            raise
        raise EnvironmentBuildError(
            f"{error.name}, which building and checking environments need, is not here; "
            "install it with `pip install 'dai_spark[env]'`."
        ) from error
    return getattr(envbuild, name)


def __dir__() -> List[str]:
    return sorted({*globals(), *__all__})
