"""The flags of the table job, a function for each group that the help shows."""

import argparse

from dai_spark.table_job.settings.flag_kinds import DEFAULTS, add_names, add_switch, pair
from dai_spark.table_job.settings.job import INCREMENTAL, LAYOUTS, MODES, WAYS
from dai_spark.table_job.settings.scoring_flags import add_prediction, add_scoring

__all__ = ["GROUPS"]


def _what_to_score(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what to score with")
    group.add_argument(
        "--pipeline",
        metavar="ZIP",
        help="scorer.zip as Driverless AI exports it: path or URI; or a model of MLflow's: "
        "models:/NAME@ALIAS, models:/NAME/VERSION, models:/m-ID, runs:/RUN/PATH",
    )
    group.add_argument(
        "--env",
        metavar="ENV",
        help="packed environment (.tar.gz or .tar.zst: path or URI), an absolute folder that is on "
        "every executor, or the name behind # of an archive in --archives (default: what a model "
        "of MLflow's was logged with, else what the setting spark.dai_spark.env names, else the "
        "environment variable DAI_SPARK_ENV)",
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
        type=pair,
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
    group.add_argument(
        "--read",
        choices=WAYS,
        help="who reads its rows; files: the tasks themselves, as Arrow, of Parquet and Delta "
        "tables; auto: these where it is proved that they read what Spark would (default: "
        f"{DEFAULTS['read']})",
    )


def _columns(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "columns", "Names are separated by commas; a name that holds one goes into --config."
    )
    group.add_argument(
        "--column",
        dest="columns",
        action="append",
        type=pair,
        metavar="PIPELINE_COLUMN=EXPR",
        help="SQL expression on the source for a column that it names otherwise; again for each",
    )
    add_names(
        group,
        "--key",
        "id,date",
        "columns that tell rows apart: checked to be unique and not null, kept, merged by",
    )
    add_names(
        group, "--keep", "all|a,b", "source columns to carry through, in this order (default: all)"
    )
    group.add_argument(
        "--prediction",
        metavar="NAME",
        help=f"struct column with the pipeline's outputs (default: {DEFAULTS['prediction']})",
    )
    group.add_argument(
        "--prediction-layout",
        choices=LAYOUTS,
        help=f"flat: a column for each output instead (default: {DEFAULTS['prediction_layout']})",
    )
    add_switch(
        group,
        "--lineage",
        "the struct column scoring, with pipeline, environment, run, time (default: yes)",
    )


def _target(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("target")
    group.add_argument("--target", metavar="DST", help="table that gets the scores")
    group.add_argument(
        "--mode", choices=MODES, help=f"how it is written; see below (default: {DEFAULTS['mode']})"
    )
    group.add_argument(
        "--target-option",
        dest="target_options",
        action="append",
        type=pair,
        metavar="K=V",
        help="for Spark's writer; again for each",
    )
    group.add_argument(
        "--target-branch",
        metavar="NAME",
        help="branch of an Iceberg table that is written and checked, then published",
    )
    add_switch(group, "--publish", "publish the branch behind all checks (default: yes)")
    group.add_argument(
        "--target-format",
        metavar="FORMAT",
        help="of a catalog table that is created (default: the catalog's own)",
    )
    add_names(
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
    add_switch(
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
        "--lookback",
        metavar="DURATION|N",
        help="of --incremental since, for rows that come late: look again so far below what "
        "earlier runs have seen (36 h, 2 days, or a number); --mode merge scores these rows again, "
        "append those whose --key the target lacks (default: not at all)",
    )
    add_switch(
        group,
        "--delete-missing",
        "with --mode merge: delete the target's rows whose key is in no row of the source that "
        "--where lets through (default: no)",
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
    add_switch(
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
        f"read text as numbers, too (default: {DEFAULTS['on_cast']})",
    )
    group.add_argument(
        "--nan",
        choices=("keep", "bad"),
        help=f"what a prediction that is NaN makes of its row (default: {DEFAULTS['nan']})",
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
        f"(default: {DEFAULTS['on_overlap']})",
    )
    group.add_argument(
        "--overlap-timeout-s",
        type=float,
        metavar="S",
        help=f"wait so long at most (default: {DEFAULTS['overlap_timeout_s']:g})",
    )
    group.add_argument(
        "--work-folder",
        metavar="URI",
        help="for staged rows, locks and the last run's figures (default: beside the target)",
    )


def _report(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("checks, report and progress")
    add_switch(group, "--dry-run", "check everything, score ten rows, write nothing (default: no)")
    group.add_argument(
        "--verify",
        type=int,
        metavar="N",
        help="score N random rows of what was written again, one by one, and compare bits "
        f"(default: {DEFAULTS['verify']})",
    )
    group.add_argument(
        "--min-rows",
        metavar="N|P%",
        help="with fewer rows to be written, or fewer than so much of the last run's, the job "
        "fails and the target stays as it was (default: no limit)",
    )
    what = "let a run that has no rows replace those of the target (default: no, refuse)"
    add_switch(group, "--allow-empty", what)
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
    add_switch(
        group,
        "--openlineage",
        "send OpenLineage events, where that library's own settings say (default: no)",
    )
    add_names(
        group,
        "--report",
        "FILE",
        "write the report there too: .json or .html, path or URI; again, or with commas, for both",
    )
    add_switch(group, "--json", "print the report as one JSON object (default: no, as text)")
    add_switch(group, "--quiet", "say nothing until the report (default: no)")


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
    add_prediction,
    add_scoring,
)
