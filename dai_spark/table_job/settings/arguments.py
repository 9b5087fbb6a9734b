"""The command line of the table job: parsed, laid over ``--config``, handed to `score_table`."""

import argparse
import os
from typing import TYPE_CHECKING, Any, Callable, Dict, Mapping

from dai_spark.table_job.settings.flags import GROUPS
from dai_spark.table_job.settings.help_text import help_text
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.settings.toml_config import read_config

if TYPE_CHECKING:
    # It wants NumPy, which `--help` can do without.
    from dai_spark.table_job.report.report import Report

__all__ = ["add_arguments", "job_words", "run"]

# What the parser holds beside the job's settings.
_PARSER_ONLY = ("command", "config", "exit_status", "verbose")
_USAGE = "%(prog)s --pipeline ZIP [--env ENV] --source SRC --target DST [option ...]"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the table job; what is not said is not in its namespace.

    Parameters
    ----------
    parser : argparse.ArgumentParser
    """
    parser.usage = _USAGE
    parser.epilog = help_text()
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    # A scheduler's command line must not change its meaning when an option is added.
    parser.allow_abbrev = False
    parser.argument_default = argparse.SUPPRESS
    for add in GROUPS:
        add(parser)


def job_words(
    arguments: argparse.Namespace, read: Callable[[str], bytes], environment: Mapping[str, str]
) -> Dict[str, Any]:
    """Return what the command line and its configuration say, by the names of `score_table`.

    Flags win; entries of a table (``--source-option``, ``--column``, ...) are laid over the
    file's one by one.

    Parameters
    ----------
    arguments : argparse.Namespace
    read : callable
        Reads the configuration where it is a URI.
    environment : mapping of str to str
        Where the configuration's ``${NAME}`` are looked up.

    Raises
    ------
    OptionError
        The configuration cannot be read, or holds what cannot be meant.
    """
    path = getattr(arguments, "config", None)
    words = {} if path is None else read_config(path, read, environment)
    said = {k: v for k, v in vars(arguments).items() if k not in _PARSER_ONLY}
    for name in ("source_options", "target_options", "columns", "env_vars"):
        if name in said:
            said[name] = {**words.get(name, {}), **dict(said[name])}
    if said.get("keep") == ["all"]:
        said["keep"] = None
    return {**words, **said}


def run(arguments: argparse.Namespace, score_table: Callable[..., "Report"]) -> "Report":
    """Call `score_table` with what was said, in a session that is made if there is none.

    Parameters
    ----------
    arguments : argparse.Namespace
        Is given `json`: whether the report is to be printed so.
    score_table : callable
        `dai_spark.score_table`.
    """
    from dai_spark.driver.filesystem.uris import read_bytes
    from dai_spark.driver.progress.messages import log_message
    from dai_spark.driver.progress.terminal import tell
    from dai_spark.driver.session import begin
    from dai_spark.driver.spark_errors.telling import telling
    from dai_spark.table_job.report.outcome import refusing

    def session() -> Any:
        with refusing(), telling("Spark could not be started"):
            return begin("dai_spark score_table")

    words = job_words(arguments, lambda uri: read_bytes(session(), uri), os.environ)
    arguments.json = words.pop("json", False)
    is_quiet = words.pop("quiet", False)
    # What words alone can tell is told before Spark starts.
    TableJob.of(words)
    return score_table(
        **words,
        spark=session(),
        on_message=log_message if is_quiet else tell,
        progress=not is_quiet,
    )
