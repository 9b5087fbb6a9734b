"""Preflight: what a dry run has looked at, in words, and how long the run would take."""

import time
from typing import TYPE_CHECKING, List, Tuple

from dai_spark.driver.session import is_connect
from dai_spark.plan.plan import ScoringPlan
from dai_spark.table_job.settings.job import INCREMENTAL, MODES
from dai_spark.table_job.source.new_rows import NewRows
from dai_spark.table_job.work_folder.location import work_folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from dai_spark.table_job.run.batch import BatchRun

__all__ = ["checks", "estimate", "plan_in_words"]

_SAMPLE_ROWS = 20_000


def checks(run: "BatchRun", plan: ScoringPlan, new: NewRows) -> List[Tuple[str, str]]:
    """What was found right, one line a thing; whatever is wrong was raised before.

    Runs on the driver.  Counts the rows, so it reads the key's columns once.
    """
    pipeline, described = run.request.pipeline, plan.described
    assert described is not None
    where = f"of {len(run.source.frame.columns)} in {run.source.table.text}"
    n_rows = run.check_key(new.rows)
    counted = new.rows.count() if n_rows is None else n_rows
    lines = [
        ("pipeline", f"experiment {pipeline.experiment_id}, DAI {pipeline.dai_version}, loads"),
        ("environment", f"Python {described.versions['python']}, {run.job.env}"),
        ("licence", "accepted by the pipeline"),
        ("columns", f"all {len(plan.wanted())} that the pipeline reads are there, {where}"),
        ("rows", f"{counted:,} to be scored"),
    ]
    if run.job.key:
        named = ", ".join(run.job.key)
        lines.append(("key", f"{named}: nowhere null, nowhere twice"))
    state = "is there, and its columns fit" if run.target.schema is not None else "will be created"
    lines.append(("target", f"{run.target.table.text} {state}"))
    work = work_folder(run.spark, run.job, run.target.table)
    if work is not None:
        lines.append(("disk", work.room()))
    return lines


def plan_in_words(run: "BatchRun") -> str:
    """What a run would do, in one paragraph."""
    job = run.job
    version = f" at version {run.source.version}" if run.source.version else ""
    which = f"its rows that satisfy {job.where}" if job.where else "all its rows"
    if job.incremental:
        which += f", of those {INCREMENTAL[job.incremental]}"
    words = [
        f"Reads {job.source}{version}: {which}.",
        f"Writes {job.target}, mode {job.mode}: {MODES[job.mode]}.",
    ]
    if job.mode == "merge" or job.fail_on_drift is not None:
        words.append("Scored rows are staged beside the target and committed from there.")
    if job.quarantine:
        limit = f", at most {job.max_bad_rows}" if job.max_bad_rows else ""
        words.append(f"Rows that cannot be scored go to {job.quarantine}{limit}.")
    else:
        words.append("The first row that cannot be scored ends the run, and nothing is written.")
    return " ".join(words)


def estimate(run: "BatchRun", made: "DataFrame", n_rows: int) -> str:
    """How long scoring and writing would take, from a small sample.

    Scores up to 20,000 rows in one task and writes them nowhere.
    """
    begun = time.monotonic()
    sample = made.limit(_SAMPLE_ROWS)
    n_sample = min(n_rows, _SAMPLE_ROWS)
    sample.write.format("noop").mode("overwrite").save()
    sample_s = time.monotonic() - begun
    n_slots = 1 if is_connect(run.spark) else run.spark.sparkContext.defaultParallelism
    total_s = sample_s * n_rows / max(n_sample, 1) / n_slots
    return (
        f"about {max(total_s, sample_s):,.0f} s: {n_sample:,} rows took one task {sample_s:.1f} s, "
        f"and {n_slots} run at once"
    )
