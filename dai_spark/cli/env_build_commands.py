"""The commands ``dai-spark env build`` and ``dai-spark env download``."""

import argparse
from typing import TYPE_CHECKING

from dai_spark.cli.command import add_command, tell

if TYPE_CHECKING:
    from dai_spark.cli.command import Commands
    from dai_spark.environments import Choice

__all__ = ["add_build_commands"]

_BUILD_DETAILS = """\
Run it on Linux (x86_64) with a C library no newer than that of the executors.  One environment
serves all exports of one Driverless AI version.  The same command again returns at once if nothing
has changed.  It wants `pip install 'dai_spark[env]'`."""
_BUILD_EXAMPLES = """\
  All that an export needs, h2oaicore among it:
    dai-spark env build --reference scorer.zip -o dai-1.10.tar.zst

  From the public index alone, for pipelines without h2oaicore:
    dai-spark env build --dai 1.10 -o dai-1.10.tar.zst

  Without a package, with PyTorch without CUDA, and for RHEL 8:
    dai-spark env build --reference scorer.zip -o dai-1.10.tar.zst --exclude babel \\
        --find-links https://download.pytorch.org/whl/torch_stable.html --target-glibc 2.28"""
_DOWNLOAD_DETAILS = """\
Run it on a machine with network, of the executors' kind; carry the folder to the other machine and
run `env build --offline DIR` there with the same options.  What was collected is installed once, so
that nothing is missing there.  The same command again fetches what the folder lacks."""
_DOWNLOAD_EXAMPLES = """\
  dai-spark env download --reference scorer.zip --to carried
  dai-spark env build --reference scorer.zip --offline carried -o dai-1.10.tar.zst"""

# All can be given several times.
_PACKAGE_FLAGS = (
    ("--exclude", "NAME", "a package to do without"),
    ("--add", "REQUIREMENT", "one more, name==version"),
    ("--keep", "NAME", "one that is left out by default (the notes of a build name them)"),
    ("--constraint", "FILE", "pins that win over the export's"),
    (
        "--find-links",
        "PLACE",
        "a folder of wheels, or the URL of a page of some: PyTorch's builds without CUDA",
    ),
)


def add_build_commands(group: "Commands") -> None:
    """Add ``build`` and ``download`` to the group ``env``.

    Parameters
    ----------
    group : argparse action
        The commands of the group.
    """
    build = add_command(
        group,
        "build",
        _build,
        "build a packed environment",
        details=_BUILD_DETAILS,
        examples=_BUILD_EXAMPLES,
    )
    _add_inputs(build)
    build.add_argument("-o", "--output", required=True, help="archive, .tar.gz or .tar.zst")
    build.add_argument(
        "--offline", metavar="DIR", help="what `env download` collected, and nothing else"
    )
    build.add_argument(
        "--write-lock", metavar="FILE", help="write the conda packages that are taken to a file"
    )
    build.add_argument(
        "--target-glibc",
        metavar="VERSION",
        help="fail where a file needs a newer C library than this (2.28: RHEL and UBI 8)",
    )
    download = add_command(
        group,
        "download",
        _download,
        "collect what a build needs on a machine without network",
        details=_DOWNLOAD_DETAILS,
        examples=_DOWNLOAD_EXAMPLES,
    )
    _add_inputs(download)
    download.add_argument("--to", metavar="DIR", required=True, help="folder to collect in")
    download.add_argument(
        "--jars", metavar="SPARK", help="the jars of Delta Lake and Iceberg for a Spark (4.1), too"
    )


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what an environment is made of; both commands have them."""
    which = parser.add_argument_group("Driverless AI version (one of both)")
    which = which.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--reference", metavar="EXPORT", help="an export of that version: its shared wheels"
    )
    which.add_argument(
        "--dai",
        metavar="LINE",
        help="a line (1.8, 1.9, 1.10, 1.11), from the public index: without h2oaicore",
    )
    packages = parser.add_argument_group("packages")
    for flag, metavar, text in _PACKAGE_FLAGS:
        packages.add_argument(flag, metavar=metavar, action="append", default=[], help=text)
    python = parser.add_argument_group("Python")
    python.add_argument("--python", metavar="PATH", help="the Python to pack (default: found)")
    python.add_argument(
        "--channel",
        metavar="URL",
        action="append",
        default=[],
        help="a conda channel that gives the Python, and the packages that it has",
    )
    python.add_argument("--lock", metavar="FILE", help="the conda packages to take, not a solver's")


def _build(arguments: argparse.Namespace) -> None:
    from dai_spark.environments import build_environment

    built = build_environment(
        arguments.output,
        reference=arguments.reference,
        dai=arguments.dai,
        python=arguments.python,
        offline=arguments.offline,
        channels=arguments.channel,
        lock=arguments.lock,
        write_lock=arguments.write_lock,
        find_links=arguments.find_links,
        choice=_choice(arguments),
        target_glibc=arguments.target_glibc,
        on_message=tell,
    )
    print(built)


def _download(arguments: argparse.Namespace) -> None:
    from dai_spark.environments import download_environment

    folder = download_environment(
        arguments.to,
        reference=arguments.reference,
        dai=arguments.dai,
        python=arguments.python,
        channels=arguments.channel,
        lock=arguments.lock,
        jars=arguments.jars,
        find_links=arguments.find_links,
        choice=_choice(arguments),
        on_message=tell,
    )
    print(folder)


def _choice(arguments: argparse.Namespace) -> "Choice":
    from dai_spark.environments import Choice

    return Choice(
        exclude=tuple(arguments.exclude),
        add=tuple(arguments.add),
        keep=tuple(arguments.keep),
        constraints=tuple(arguments.constraint),
    )
