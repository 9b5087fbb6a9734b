"""The flags of the table job, a function for each group that the help shows."""

import argparse
import dataclasses
from typing import Any, Tuple

from dai_spark.plan.options import ScoringOptions
from dai_spark.table_job.settings.job import INCREMENTAL, LAYOUTS, MODES, TableJob
from dai_spark.table_job.settings.toml_config import split_names

__all__ = ["GROUPS"]

_DEFAULTS = {
    field.name: field.default
    for owner in (TableJob, ScoringOptions)
    for field in dataclasses.fields(owner)
}


def _what_to_score(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to score with")
    group.add_argument(
        "--pipeline", metavar="ZIP", help="scorer.zip as Driverless AI exports it: path or URI"
    )
    group.add_argument(
        "--env",
        metavar="ENV",
        help="packed environment (.tar.gz or .tar.zst: path or URI), an absolute folder that is on "
        "every executor, or the name behind # of an archive in --archives (default: what the "
        "setting spark.dai_spark.env names, else the environment variable DAI_SPARK_ENV)",
    )
    group.add_argument(
        "--license-file",
        metavar="FILE",
        help="Driverless AI licence: path or URI; without it DRIVERLESS_AI_LICENSE_FILE, "
        "DRIVERLESS_AI_LICENSE_KEY and ~/.driverlessai/license.sig are looked at, on the driver "
        "and then on the executors",
    )
    group.add_argument(
        "--config",
        metavar="FILE",
        help="job.toml, path or URI: options by the names that score_table has for them, with "
        "${NAME} for what stands in the environment, such as passwords",
    )


def _source(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("source")
    group.add_argument("--source", metavar="SRC", help="table that is scored")
    group.add_argument(
        "--source-option",
        dest="source_options",
        action="append",
        type=_pair,
        metavar="K=V",
        help="for Spark's reader; again for each",
    )
    group.add_argument("--where", metavar="EXPR", help="SQL condition on its rows (default: all)")
    group.add_argument(
        "--source-version",
        metavar="N",
        help="time travel, where the format knows it (default: latest)",
    )
    group.add_argument("--source-timestamp", metavar="TIME", help="the same by time")


def _columns(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "columns", "Names are separated by commas; a name that holds one goes into --config."
    )
    group.add_argument(
        "--column",
        dest="columns",
        action="append",
        type=_pair,
        metavar="PIPELINE_COLUMN=EXPR",
        help="SQL expression on the source for a column that it names otherwise; again for each",
    )
    _add_names(
        group,
        "--key",
        "id,date",
        "columns that tell rows apart: checked to be unique and not null, kept, merged by",
    )
    _add_names(
        group, "--keep", "all|a,b", "source columns to carry through, in this order (default: all)"
    )
    group.add_argument(
        "--prediction",
        metavar="NAME",
        help=f"struct column with the pipeline's outputs (default: {_DEFAULTS['prediction']})",
    )
    group.add_argument(
        "--prediction-layout",
        choices=LAYOUTS,
        help=f"flat: a column for each output instead (default: {_DEFAULTS['prediction_layout']})",
    )
    _add_switch(
        group,
        "--lineage",
        "the struct column scoring, with pipeline, environment, run, time (default: yes)",
    )


def _target(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("target")
    group.add_argument("--target", metavar="DST", help="table that gets the scores")
    group.add_argument(
        "--mode", choices=MODES, help=f"how it is written; see below (default: {_DEFAULTS['mode']})"
    )
    group.add_argument(
        "--target-option",
        dest="target_options",
        action="append",
        type=_pair,
        metavar="K=V",
        help="for Spark's writer; again for each",
    )
    group.add_argument(
        "--target-format",
        metavar="FORMAT",
        help="of a catalog table that is created (default: the catalog's own)",
    )
    _add_names(
        group, "--partition-by", "a,b", "partition columns of a target that is created, or has them"
    )
    group.add_argument(
        "--files",
        dest="n_files",
        type=int,
        metavar="N",
        help="write so many files, of each partition, with a shuffle after scoring (default: as "
        "many as tasks)",
    )
    group.add_argument(
        "--max-file-rows", type=int, metavar="N", help="most rows of a file (default: no limit)"
    )
    _add_switch(
        group,
        "--evolve-schema",
        "add output columns that a target which exists lacks (default: no, refuse)",
    )


def _new_rows(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("which rows are new")
    group.add_argument(
        "--incremental",
        choices=INCREMENTAL,
        help="score what is new alone, and how that is told; see below (default: every row)",
    )
    group.add_argument(
        "--since", metavar="COLUMN", help="of --incremental since: it only grows, and is never null"
    )
    group.add_argument(
        "--since-mark",
        metavar="VALUE",
        help="of --incremental since, where no run tells it: rows up to this value are done; "
        "counts until a run has left a mark of its own",
    )
    group.add_argument(
        "--checkpoint", metavar="URI", help="of --incremental stream: where it keeps its place"
    )
    _add_switch(
        group,
        "--stream",
        "with --incremental stream: keep running when nothing is left (default: no, end)",
        dest="keep_running",
    )


def _bad_rows(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("bad rows")
    group.add_argument(
        "--quarantine",
        metavar="TABLE",
        help="table for rows that cannot be scored, with the reason (default: none; the first bad "
        "row fails the job and is named)",
    )
    group.add_argument(
        "--max-bad-rows",
        metavar="N|P%",
        help="with more, the job fails and the target stays as it was (default: no limit)",
    )
    group.add_argument(
        "--on-cast",
        choices=("error", "warn", "null"),
        help="what becomes of a value that the pipeline cannot be given unchanged; warn and null "
        f"read text as numbers, too (default: {_DEFAULTS['on_cast']})",
    )
    group.add_argument(
        "--nan",
        choices=("keep", "bad"),
        help=f"what a prediction that is NaN makes of its row (default: {_DEFAULTS['nan']})",
    )


def _runs(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("runs and locks")
    group.add_argument(
        "--job-name",
        metavar="NAME",
        help="tells jobs into one target apart (default: score and the target's name)",
    )
    group.add_argument(
        "--run-id",
        metavar="ID",
        help="a second run of one id writes nothing twice (default: made from the job, pipeline, "
        "environment and the source's version)",
    )
    group.add_argument(
        "--on-overlap",
        choices=("wait", "refuse"),
        help="what a run does while another of its job is at work "
        f"(default: {_DEFAULTS['on_overlap']})",
    )
    group.add_argument(
        "--overlap-timeout-s",
        type=float,
        metavar="S",
        help=f"wait so long at most (default: {_DEFAULTS['overlap_timeout_s']:g})",
    )
    group.add_argument(
        "--work-folder",
        metavar="URI",
        help="for staged rows, locks and the last run's figures (default: beside the target)",
    )


def _report(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("checks, report and progress")
    _add_switch(group, "--dry-run", "check everything, score ten rows, write nothing (default: no)")
    group.add_argument(
        "--verify",
        type=int,
        metavar="N",
        help="score N random rows of what was written again, one by one, and compare bits "
        f"(default: {_DEFAULTS['verify']})",
    )
    group.add_argument(
        "--fail-on-drift",
        type=float,
        metavar="PSI",
        help="highest population stability index of a prediction against the last run's; above it "
        "the job fails and the target stays as it was (default: no limit)",
    )
    group.add_argument(
        "--contract",
        metavar="FILE",
        help="contract.toml, path or URI: what rows, inputs and predictions must be like; else the "
        "job fails and the target stays as it was (default: none)",
    )
    _add_switch(
        group,
        "--openlineage",
        "send OpenLineage events, where that library's own settings say (default: no)",
    )
    _add_names(
        group,
        "--report",
        "FILE",
        "write the report there too: .json or .html, path or URI; again, or with commas, for both",
    )
    _add_switch(group, "--json", "print the report as one JSON object (default: no, as text)")
    _add_switch(group, "--quiet", "say nothing until the report (default: no)")


def _prediction(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("prediction")
    _add_switch(group, "--margin", "the model's margin in place of the prediction (default: no)")
    group.add_argument(
        "--contributions",
        choices=("transformed", "original"),
        help="what each feature, or each of the table's columns, adds to the margin, in place of "
        "the prediction (default: none)",
    )
    _add_switch(group, "--fast-approx", "contributions by fewer of the model's trees (default: no)")
    _add_names(
        group,
        "--group-by",
        "a,b",
        "score the rows of each group at once and apart from others, for pipelines whose score of "
        "a row depends on other rows (default: none)",
    )
    _add_names(group, "--order-by", "a,b", "columns that sort the rows of a group")
    group.add_argument(
        "--max-group-bytes",
        type=int,
        metavar="N",
        help=f"refuse a larger group by its name (default: {_DEFAULTS['max_group_bytes']:,})",
    )
    _add_switch(
        group,
        "--apply-data-recipes",
        "the source is the raw data before the experiment's data recipe (default: no)",
    )
    _add_switch(group, "--labels", "add the class that is chosen, as label (default: no)")
    group.add_argument(
        "--threshold",
        type=float,
        metavar="P",
        help="of two classes, the least probability of the second one that chooses it (default: "
        "0.5)",
    )
    group.add_argument(
        "--probabilities",
        choices=("columns", "map"),
        help="a column for each class, or one map of all, for very many classes (default: "
        f"{_DEFAULTS['probabilities']})",
    )
    _add_switch(
        group,
        "--intervals",
        "demand prediction intervals, or leave them out (default: as the pipeline gives them)",
    )


def _scoring(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("scoring")
    for name, what in (
        ("batch_rows", "most rows the pipeline is given at once (default: as Spark sends)"),
        ("batch_bytes", f"the same limit in bytes (default: {_DEFAULTS['batch_bytes']:,})"),
        (
            "max_scorers",
            "most scorers of an executor at the same time, where memory is short (default: as many "
            "as tasks)",
        ),
        (
            "max_batches_per_scorer",
            "replace a scorer after so many batches, for pipelines that leak (default: no limit)",
        ),
        ("max_scorer_memory_bytes", "the same above so much memory (default: no limit)"),
    ):
        group.add_argument(_flag(name), type=int, metavar="N", help=what)
    for name, what in (
        ("start_timeout_s", "limit for unpacking, and again for loading"),
        ("batch_timeout_s", "limit for one batch"),
        ("idle_timeout_s", "a sidecar without a task for so long ends"),
    ):
        group.add_argument(
            _flag(name), type=float, metavar="S", help=f"{what} (default: {_DEFAULTS[name]:g})"
        )
    group.add_argument(
        "--start-method",
        choices=("auto", "fork", "spawn"),
        help="how each task gets its scorer; auto: fork where the pipeline bears it (default: "
        f"{_DEFAULTS['start_method']})",
    )
    group.add_argument(
        "--env-var",
        dest="env_vars",
        action="append",
        type=_pair,
        metavar="K=V",
        help="for the sidecar's environment, which inherits nothing; again for each",
    )
    group.add_argument(
        "--diagnose",
        action="store_true",
        help="where the pipeline cannot be loaded, tell what its Python sees of libraries",
    )


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")


def _add_names(group: "argparse._ArgumentGroup", flag: str, metavar: str, what: str) -> None:
    group.add_argument(flag, action="extend", type=split_names, metavar=metavar, help=what)


def _add_switch(group: "argparse._ArgumentGroup", flag: str, what: str, **words: Any) -> None:
    # Both ways, so that a flag can take back what the configuration says.  The help is set behind
    # the call, since Python before 3.13 would add a default to it: that of an option left out.
    group.add_argument(flag, action=argparse.BooleanOptionalAction, **words).help = what


def _pair(text: str) -> Tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return key.strip(), value


# In the order in which the help shows them.
GROUPS = (
    _what_to_score,
    _source,
    _columns,
    _target,
    _new_rows,
    _bad_rows,
    _runs,
    _report,
    _prediction,
    _scoring,
)
