"""The commands ``dai-spark env show``, ``env check`` and ``env cache``."""

import argparse
from typing import TYPE_CHECKING

from dai_spark.cli.command import add_command, add_group, tell
from dai_spark.cli.env_build_commands import add_build_commands
from dai_spark.errors import EnvironmentMismatchError

if TYPE_CHECKING:
    from dai_spark.cli.command import Commands

__all__ = ["add_env_commands"]

_SHOW_DETAILS = """\
Python, Driverless AI version, the C library that it needs, its packages and sizes, as the manifest
at the head of the archive states them.  The archive is read to its end, which takes some seconds:
one that was cut off while copied is an error.  Nothing is unpacked."""
_CHECK_DETAILS = """\
It is unpacked into a temporary folder.  Its Python imports its packages and, with --pipeline,
scores the example rows of an export.  It sees nothing but the archive and the C library, if this
system allows that.  The exit status is 1 if there is a problem."""
_CHECK_EXAMPLES = """\
  dai-spark env check dai-1.10.tar.zst --pipeline scorer.zip --license-file license.sig"""
_CACHE_DETAILS = """\
Environments and pipelines are unpacked once on each host and kept for the next job; the folders
that were not used for longest are removed when the cache is larger than its limit."""


def add_env_commands(commands: "Commands") -> None:
    """Add the group ``env``.

    Parameters
    ----------
    commands : argparse action
        The commands of the program.
    """
    group = add_group(commands, "env", "build, look into and check packed environments")
    add_build_commands(group)
    show = add_command(
        group, "show", _show, "say what a packed environment holds", details=_SHOW_DETAILS
    )
    show.add_argument(
        "env", metavar="ARCHIVE", help="the archive, or the folder it was unpacked to"
    )
    check = add_command(
        group,
        "check",
        _check,
        "prove that a packed environment runs",
        details=_CHECK_DETAILS,
        examples=_CHECK_EXAMPLES,
    )
    check.add_argument(
        "env", metavar="ARCHIVE", help="the archive, or the folder it was unpacked to"
    )
    check.add_argument(
        "--pipeline", metavar="ZIP", help="an export: both are compared, and its example is scored"
    )
    check.add_argument(
        "--license-file",
        metavar="PATH",
        help="the licence that the export needs (default: this host's)",
    )
    cache = add_command(
        group,
        "cache",
        _cache,
        "list what this user has unpacked on this host, by last use",
        details=_CACHE_DETAILS,
    )
    cache.add_argument("--clear", action="store_true", help="remove what is not in use")


def _show(arguments: argparse.Namespace) -> None:
    from dai_spark.environments import PackedEnvironment

    environment = PackedEnvironment(arguments.env)
    environment.check_whole()
    print(environment)


def _check(arguments: argparse.Namespace) -> None:
    from dai_spark.artifacts.license import read_license
    from dai_spark.environments import check_environment
    from dai_spark.local.local_plan import no_uri

    report = check_environment(
        arguments.env,
        pipeline=arguments.pipeline,
        license=read_license(None, arguments.license_file, no_uri),
        on_message=tell,
    )
    print(report.text())
    if not report.ok:
        raise EnvironmentMismatchError(
            f"{arguments.env} did not pass: {'; '.join(report.problems)}"
        )


def _cache(arguments: argparse.Namespace) -> None:
    import time

    from dai_spark.host.cache_folder import cache_folder, cache_limit_bytes
    from dai_spark.unpack.unpack_cache import cached_folders, evict

    limit_bytes = cache_limit_bytes()
    if arguments.clear:
        for removed in evict(0):
            tell(f"removed {removed.kind} {removed.path.name[:12]}")
    n_bytes = 0
    print(f"{'kind':<12} {'digest':<12} {'MB':>9}  {'last use':<16}  in use")
    for one in cached_folders():
        last_use = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.last_use))
        is_in_use = "yes" if one.is_in_use() else "no"
        digest = one.path.name[:12]
        print(f"{one.kind:<12} {digest:<12} {one.n_bytes / 1e6:>9,.1f}  {last_use}  {is_in_use}")
        n_bytes += one.n_bytes
    print(f"{n_bytes / 1e6:,.1f} MB of at most {limit_bytes / 1e6:,.1f} MB in {cache_folder()}")
