"""dai-spark: every face from a shell.  Parses, calls one function, prints, gives an exit code."""

import argparse
import sys
from typing import Callable, List, Optional

from dai_spark import __version__
from dai_spark.errors import DaiSparkError, EnvironmentMismatchError

__all__ = ["main"]


def main(argv: Optional[List[str]] = None) -> int:
    """Run a command line and return its exit status: 0 done, 1 refused or failed, 2 usage.

    The table job tells its ends further apart; `dai_spark.table_job.status` has its table.
    """
    arguments = _parser().parse_args(argv)
    command: Callable[[argparse.Namespace], None] = arguments.command
    exit_status: Callable[[DaiSparkError], int] = arguments.exit_status
    try:
        command(arguments)
    except DaiSparkError as error:
        print(f"dai-spark: {error.message}", file=sys.stderr)
        if error.details and arguments.verbose:
            print(error.details.rstrip(), file=sys.stderr)
        elif error.details:
            print("dai-spark: --verbose shows what this rests on.", file=sys.stderr)
        return exit_status(error)
    except KeyboardInterrupt:
        print("dai-spark: interrupted", file=sys.stderr)
        return 130
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dai-spark",
        description="Score big Spark tables with H2O Driverless AI Python scoring pipelines.",
    )
    parser.add_argument("--version", action="version", version=f"dai-spark {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    table = _command(commands, "score-table", _score_table, "score a table into a table")
    from dai_spark.table_job.arguments import add_arguments
    from dai_spark.table_job.status import exit_status

    add_arguments(table)
    table.set_defaults(exit_status=exit_status)

    pipeline = commands.add_parser("pipeline", help="look into an exported pipeline")
    of_pipeline = pipeline.add_subparsers(metavar="COMMAND", required=True)
    show = _command(
        of_pipeline, "show", _pipeline_show, "say which columns, target, version and size it has"
    )
    show.add_argument(
        "pipeline", metavar="ZIP", help="scorer.zip, or the folder it was unpacked to"
    )

    env = commands.add_parser("env", help="build, look into and check packed environments")
    of_env = env.add_subparsers(metavar="COMMAND", required=True)
    build = _command(of_env, "build", _env_build, "build a packed environment")
    which = build.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--reference", metavar="EXPORT", help="an export of the DAI version: its shared wheels"
    )
    which.add_argument(
        "--dai",
        metavar="LINE",
        help="a DAI line (1.8, 1.9, 1.10, 1.11), from the public index: without h2oaicore",
    )
    build.add_argument("-o", "--output", required=True, help="archive, .tar.gz or .tar.zst")
    build.add_argument(
        "--exclude", metavar="NAME", action="append", default=[], help="a package to do without"
    )
    build.add_argument(
        "--add", metavar="REQUIREMENT", action="append", default=[], help="one more, name==version"
    )
    build.add_argument(
        "--keep",
        metavar="NAME",
        action="append",
        default=[],
        help="a package that is left out by default (the notes of a build name them)",
    )
    build.add_argument(
        "--constraint",
        metavar="FILE",
        action="append",
        default=[],
        help="pins that win over the export's",
    )
    build.add_argument("--python", metavar="PATH", help="the Python to pack (default: found)")
    build.add_argument(
        "--target-glibc",
        metavar="VERSION",
        help="fail where a file needs a newer C library than this (2.28: RHEL and UBI 8)",
    )
    shown = _command(of_env, "show", _env_show, "say what a packed environment holds")
    shown.add_argument("env", metavar="ARCHIVE")
    check = _command(of_env, "check", _env_check, "unpack it aside and prove that it runs")
    check.add_argument("env", metavar="ARCHIVE")
    check.add_argument(
        "--pipeline", metavar="ZIP", help="an export that is to run in it: its example is scored"
    )
    check.add_argument(
        "--license-file", metavar="PATH", help="the licence that it wants (default: this host's)"
    )
    cache = _command(
        of_env, "cache", _env_cache, "list what this user has unpacked on this host, by last use"
    )
    cache.add_argument("--clear", action="store_true", help="remove what is not in use")
    return parser


def _command(
    commands: "argparse._SubParsersAction[argparse.ArgumentParser]",
    name: str,
    function: Callable[[argparse.Namespace], None],
    summary: str,
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=summary.capitalize() + ".")
    parser.add_argument("--verbose", action="store_true", help="show what an error rests on")
    parser.set_defaults(command=function, exit_status=_failed)
    return parser


def _failed(error: DaiSparkError) -> int:
    return 1


def _score_table(arguments: argparse.Namespace) -> None:
    from dai_spark.table_job.arguments import run
    from dai_spark.table_job.run import score_table

    report = run(arguments, score_table)
    print(report.to_json() if arguments.json else report.text())


def _pipeline_show(arguments: argparse.Namespace) -> None:
    from dai_spark.pipeline import ScoringPipeline

    found = ScoringPipeline(arguments.pipeline)
    print(found)
    for column in found.columns:
        samples = ", ".join(str(s) for s in column.samples[:3] if s is not None)
        print(f"    {column.name:<30} {column.dtype:<8} {samples}")


def _env_build(arguments: argparse.Namespace) -> None:
    from dai_spark.envbuild import Choice, build_environment

    built = build_environment(
        arguments.output,
        reference=arguments.reference,
        dai=arguments.dai,
        python=arguments.python,
        choice=Choice(
            exclude=tuple(arguments.exclude),
            add=tuple(arguments.add),
            keep=tuple(arguments.keep),
            constraints=tuple(arguments.constraint),
        ),
        target_glibc=arguments.target_glibc,
        say=_say,
    )
    print(built)


def _env_show(arguments: argparse.Namespace) -> None:
    from dai_spark.environment import PackedEnvironment

    print(PackedEnvironment(arguments.env))


def _env_check(arguments: argparse.Namespace) -> None:
    from dai_spark.envbuild import check_environment
    from dai_spark.license import read_license
    from dai_spark.local import no_uri

    report = check_environment(
        arguments.env,
        pipeline=arguments.pipeline,
        license=read_license(None, arguments.license_file, no_uri),
        say=_say,
    )
    print(report.text())
    if not report.ok:
        raise EnvironmentMismatchError(
            f"{arguments.env} did not pass: {'; '.join(report.problems)}"
        )


def _env_cache(arguments: argparse.Namespace) -> None:
    import time

    from dai_spark.cache import cache_folder, cache_limit_bytes
    from dai_spark.client.evict import cached_folders, evict

    limit_bytes = cache_limit_bytes()
    if arguments.clear:
        for removed in evict(0):
            _say(f"removed {removed.kind} {removed.path.name[:12]}")
    n_bytes = 0
    print(f"{'kind':<12} {'digest':<12} {'MB':>9}  {'last use':<16}  in use")
    for one in cached_folders():
        last_use = time.strftime("%Y-%m-%d %H:%M", time.localtime(one.last_use))
        is_in_use = "yes" if one.is_in_use() else "no"
        digest = one.path.name[:12]
        print(f"{one.kind:<12} {digest:<12} {one.n_bytes / 1e6:>9,.1f}  {last_use}  {is_in_use}")
        n_bytes += one.n_bytes
    print(f"{n_bytes / 1e6:,.1f} MB of at most {limit_bytes / 1e6:,.1f} MB in {cache_folder()}")


def _say(text: str) -> None:
    print(f"dai-spark: {text}", file=sys.stderr, flush=True)
