"""Preflight: what is looked at before anything is scored, and all that a dry run tells besides."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, List, Optional, Sequence, Tuple

from dai_spark.driver.session import is_connect
from dai_spark.driver.spark_errors.telling import telling
from dai_spark.errors import OptionError
from dai_spark.host.uri import without_password
from dai_spark.plan.doubts import doubts
from dai_spark.table_job.lineage import COLUMN
from dai_spark.table_job.report.check import WARNING, Check
from dai_spark.table_job.run.checks.row_guard import guard_rows, rows_check
from dai_spark.table_job.run.context import RunContext
from dai_spark.table_job.settings.job import INCREMENTAL, MODES
from dai_spark.table_job.source.key import check_key
from dai_spark.table_job.source.new_rows import NewRows
from dai_spark.table_job.targets.columns.demands import check_demands
from dai_spark.table_job.work_folder.location import work_folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = [
    "DryRun",
    "before_scoring",
    "check_columns",
    "check_demands_of_target",
    "count_by_key",
    "dry_run",
]

_PREVIEW_ROWS = 10
_SAMPLE_ROWS = 20_000


def check_columns(context: RunContext, rows: "DataFrame") -> None:
    """Hold the source's columns against the pipeline's, and the output's against the target's.

    Runs on the driver, before every run; reads no row.

    Parameters
    ----------
    context : RunContext
    rows : DataFrame
        Rows of the source.

    Raises
    ------
    ColumnError, TableJobError, OptionError
    """
    # What cannot be done is told now; what is done is decided when the rows are scored.
    way = context.job.read
    if way == "files" and is_connect(context.spark):
        raise OptionError(
            "--read files cannot be done by a job over Spark Connect, where Spark measures the "
            "rows on their way; give --read auto, or run the job with spark-submit."
        )
    scored = context.scored(rows, read="files" if way == "files" else "spark")
    context.target.check_schema(context.for_target(scored).schema)


def check_demands_of_target(context: RunContext, rows: "DataFrame") -> List[Check]:
    """Hold rows against what the target's schema demands: CHECK, NOT NULL, lengths.

    Runs on the driver, before every run; reads the columns that these name, where there are any.

    Parameters
    ----------
    context : RunContext
        Its columns are checked.
    rows : DataFrame
        Rows of the source.

    Raises
    ------
    TableJobError
    """
    target, columns = context.target, context.columns
    demands = target.demands()
    held = check_demands(columns.select_kept(rows), demands, context.where, target.table.text)
    return [Check("target demands", f"{demand.what}: every row satisfies it") for demand in held]


def count_by_key(context: RunContext, rows: "DataFrame") -> Optional[int]:
    """Make sure that the job's key tells rows apart, and count them; None where it has no key.

    Runs on the driver, before every run; reads the key's columns once.

    Parameters
    ----------
    context : RunContext
    rows : DataFrame
        Rows of the source.

    Raises
    ------
    ColumnError
    """
    if not context.job.key:
        return None
    with telling(f"{context.where} cannot be counted by --key"):
        return check_key(rows, context.job.key, context.where, context.job.read)


@dataclass(frozen=True)
class DryRun:
    """What a dry run has found; all is right, since whatever is wrong was raised.

    Attributes
    ----------
    checks : tuple of Check
        What was looked at, and what was found.
    plan : str
        What the run would do, in one paragraph.
    n_rows : int
        Rows that the run would score.
    preview : tuple of str
        A few scored rows, as JSON texts.
    estimate : str
        How long the run would take.
    """

    checks: Tuple[Check, ...]
    plan: str
    n_rows: int
    preview: Tuple[str, ...]
    estimate: str


def dry_run(context: RunContext, new: NewRows) -> DryRun:
    """Look at everything that a run would need, score a few rows, and write nothing.

    Runs on the driver.

    Parameters
    ----------
    context : RunContext
        Its columns are checked.
    new : NewRows

    Raises
    ------
    DaiSparkError
    """
    from pyspark.sql import functions as F

    checks = _checks(context, new)
    with telling(f"Rows of {context.source.table.text} cannot be scored"):
        output = context.for_target(context.scored(new.rows))
        # DataFrame.toJSON does not exist over Connect.
        # Every row of a run has the same lineage, which the report has once.
        shown = output.drop(COLUMN) if context.job.lineage else output
        texts = shown.limit(_PREVIEW_ROWS).select(F.to_json(F.struct("*")).alias("row"))
        preview = tuple(row["row"] for row in texts.collect())
        n_rows = new.rows.count()
        estimate = _estimate(context, output, n_rows)
    return DryRun(tuple(checks), _plan_in_words(context), n_rows, preview, estimate)


def before_scoring(
    context: RunContext, n_rows: Optional[int], held: Sequence[Check] = ()
) -> List[Check]:
    """What a run has found right by now, one line a thing.

    Runs on the driver, before every run; reads nothing.

    Parameters
    ----------
    context : RunContext
        Its columns are checked.
    n_rows : int or None
        Rows that are to be scored, where they were counted.
    held : sequence of Check
        What of the target's demands was looked at.
    """
    job, plan, target = context.job, context.plan, context.target
    n_columns = len(context.source.frame.columns)
    where = f"of {n_columns} in {context.source.table.text}"
    lines = [
        Check("columns", f"all {len(plan.wanted())} that the pipeline reads are there, {where}")
    ]
    if job.key and n_rows is not None:
        named = ", ".join(job.key)
        lines.append(Check("key", f"{named}: nowhere null, nowhere twice in {n_rows:,} rows"))
    guarded = rows_check(context, n_rows)
    if guarded is not None:
        lines.append(guarded)
    state = "is there, and its columns fit" if target.schema is not None else "will be created"
    lines.append(Check("target", f"{target.table.text} {state}"))
    lines += held
    notes = (*context.request.pipeline.notes, *doubts(plan))
    return [*lines, *(Check("warning", text, outcome=WARNING) for text in notes)]


def _checks(context: RunContext, new: NewRows) -> List[Check]:
    """All that a dry run has found right."""
    job, plan, pipeline = context.job, context.plan, context.request.pipeline
    described = plan.described
    assert described is not None
    held = check_demands_of_target(context, new.rows)
    n_rows = count_by_key(context, new.rows)
    counted = new.rows.count() if n_rows is None else n_rows
    guard_rows(context, new, counted)
    lines = [
        Check(
            "pipeline", f"experiment {pipeline.experiment_id}, DAI {pipeline.dai_version}, loads"
        ),
        Check(
            "environment",
            f"Python {described.versions['python']}, {context.request.environment_text}",
        ),
        Check("licence", "accepted by the pipeline"),
        Check("rows", f"{counted:,} to be scored"),
        *before_scoring(context, counted, held),
    ]
    work = work_folder(context.spark, job, context.target.table)
    if work is not None:
        lines.append(Check("disk", work.room()))
    return lines


def _plan_in_words(context: RunContext) -> str:
    job, source = context.job, context.source
    version = f" at version {source.version}" if source.version else ""
    which = f"its rows that satisfy {job.where}" if job.where else "all its rows"
    if job.incremental:
        which += f", of those {INCREMENTAL[job.incremental]}"
    sentences = [
        f"Reads {without_password(job.source)}{version}: {which}.",
        f"Writes {without_password(job.target)}, mode {job.mode}: {MODES[job.mode]}.",
    ]
    if job.mode == "merge" or job.is_looked_at_first:
        sentences.append("Scored rows are staged beside the target and committed from there.")
    if job.quarantine:
        limit = f", at most {job.max_bad_rows}" if job.max_bad_rows else ""
        sentences.append(f"Rows that cannot be scored go to {job.quarantine}{limit}.")
    else:
        sentences.append(
            "The first row that cannot be scored ends the run, and nothing is written."
        )
    return " ".join(sentences)


def _estimate(context: RunContext, output: "DataFrame", n_rows: int) -> str:
    """How long scoring and writing would take, by a sample that one task scores."""
    begun = time.monotonic()
    sample = output.limit(_SAMPLE_ROWS)
    n_sample = min(n_rows, _SAMPLE_ROWS)
    sample.write.format("noop").mode("overwrite").save()
    sample_s = time.monotonic() - begun
    spark = context.spark
    n_slots = 1 if is_connect(spark) else spark.sparkContext.defaultParallelism
    total_s = sample_s * n_rows / max(n_sample, 1) / n_slots
    return (
        f"about {max(total_s, sample_s):,.0f} s: {n_sample:,} rows took one task {sample_s:.1f} s, "
        f"and {n_slots} run at once"
    )
