"""The commands of `dai-spark env`: build, look into and check packed environments.

Nothing of `dai_spark.envbuild` is imported before a command runs: it wants the extra ``env``, and
a command line that scores does not.
"""

import argparse
import sys
from typing import TYPE_CHECKING, Callable

from dai_spark.errors import EnvironmentMismatchError

if TYPE_CHECKING:
    from dai_spark.envbuild import Choice

__all__ = ["add_commands"]

# What every command of the command line is made with: parsers, name, function, summary.
_MakeCommand = Callable[..., argparse.ArgumentParser]


def add_commands(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]", command: _MakeCommand
) -> None:
    """Add `env` and its commands to a command line."""
    env = commands.add_parser("env", help="build, look into and check packed environments")
    of_env = env.add_subparsers(metavar="COMMAND", required=True)
    build = command(of_env, "build", _env_build, "build a packed environment")
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
    download = command(
        of_env, "download", _env_download, "collect what a build needs on a machine without network"
    )
    _add_inputs(download)
    download.add_argument("--to", metavar="DIR", required=True, help="folder to collect in")
    download.add_argument(
        "--jars", metavar="SPARK", help="the jars of Delta Lake and Iceberg for a Spark (4.1), too"
    )
    shown = command(of_env, "show", _env_show, "say what a packed environment holds")
    shown.add_argument("env", metavar="ARCHIVE")
    check = command(of_env, "check", _env_check, "unpack it aside and prove that it runs")
    check.add_argument("env", metavar="ARCHIVE")
    check.add_argument(
        "--pipeline", metavar="ZIP", help="an export that is to run in it: its example is scored"
    )
    check.add_argument(
        "--license-file", metavar="PATH", help="the licence that it wants (default: this host's)"
    )
    cache = command(
        of_env, "cache", _env_cache, "list what this user has unpacked on this host, by last use"
    )
    cache.add_argument("--clear", action="store_true", help="remove what is not in use")


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    """What an environment is made of: the same for those who build and those who collect."""
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--reference", metavar="EXPORT", help="an export of the DAI version: its shared wheels"
    )
    which.add_argument(
        "--dai",
        metavar="LINE",
        help="a DAI line (1.8, 1.9, 1.10, 1.11), from the public index: without h2oaicore",
    )
    parser.add_argument(
        "--exclude", metavar="NAME", action="append", default=[], help="a package to do without"
    )
    parser.add_argument(
        "--add", metavar="REQUIREMENT", action="append", default=[], help="one more, name==version"
    )
    parser.add_argument(
        "--keep",
        metavar="NAME",
        action="append",
        default=[],
        help="a package that is left out by default (the notes of a build name them)",
    )
    parser.add_argument(
        "--constraint",
        metavar="FILE",
        action="append",
        default=[],
        help="pins that win over the export's",
    )
    parser.add_argument(
        "--find-links",
        metavar="PLACE",
        action="append",
        default=[],
        help="a folder of wheels, or the URL of a page of some: PyTorch's builds without CUDA",
    )
    parser.add_argument("--python", metavar="PATH", help="the Python to pack (default: found)")
    parser.add_argument(
        "--channel",
        metavar="URL",
        action="append",
        default=[],
        help="a conda channel that gives the Python, and the packages that it has",
    )
    parser.add_argument("--lock", metavar="FILE", help="the conda packages to take, not a solver's")


def _env_build(arguments: argparse.Namespace) -> None:
    from dai_spark.envbuild import build_environment

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
        on_message=_on_message,
    )
    print(built)


def _env_download(arguments: argparse.Namespace) -> None:
    from dai_spark.envbuild import download_environment

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
        on_message=_on_message,
    )
    print(folder)


def _choice(arguments: argparse.Namespace) -> "Choice":
    from dai_spark.envbuild import Choice

    return Choice(
        exclude=tuple(arguments.exclude),
        add=tuple(arguments.add),
        keep=tuple(arguments.keep),
        constraints=tuple(arguments.constraint),
    )


def _env_show(arguments: argparse.Namespace) -> None:
    from dai_spark.artifacts.environment import PackedEnvironment

    print(PackedEnvironment(arguments.env))


def _env_check(arguments: argparse.Namespace) -> None:
    from dai_spark.artifacts.license import read_license
    from dai_spark.envbuild import check_environment
    from dai_spark.local import no_uri

    report = check_environment(
        arguments.env,
        pipeline=arguments.pipeline,
        license=read_license(None, arguments.license_file, no_uri),
        on_message=_on_message,
    )
    print(report.text())
    if not report.ok:
        raise EnvironmentMismatchError(
            f"{arguments.env} did not pass: {'; '.join(report.problems)}"
        )


def _env_cache(arguments: argparse.Namespace) -> None:
    import time

    from dai_spark.host.cache_folder import cache_folder, cache_limit_bytes
    from dai_spark.unpack.unpack_cache import cached_folders, evict

    limit_bytes = cache_limit_bytes()
    if arguments.clear:
        for removed in evict(0):
            _on_message(f"removed {removed.kind} {removed.path.name[:12]}")
    n_bytes = 0
    print(f"{'kind':<12} {'digest':<12} {'MB':>9}  {'last use':<16}  in use")
    for one in cached_folders():
        last_use = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.last_use))
        is_in_use = "yes" if one.is_in_use() else "no"
        digest = one.path.name[:12]
        print(f"{one.kind:<12} {digest:<12} {one.n_bytes / 1e6:>9,.1f}  {last_use}  {is_in_use}")
        n_bytes += one.n_bytes
    print(f"{n_bytes / 1e6:,.1f} MB of at most {limit_bytes / 1e6:,.1f} MB in {cache_folder()}")


def _on_message(text: str) -> None:
    print(f"dai-spark: {text}", file=sys.stderr, flush=True)
