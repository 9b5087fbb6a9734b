"""Which run this is: its id, its record, and whether it was committed before."""

import time
from typing import Optional

from dai_spark.errors import OptionError
from dai_spark.plan.plan import ScoringPlan
from dai_spark.plan.request import ScoringRequest
from dai_spark.table_job.lineage import RunRecord, derived_run_id
from dai_spark.table_job.run.tables import RunTables
from dai_spark.table_job.source.mark import Mark, scope_of
from dai_spark.table_job.source.moment import moment_of
from dai_spark.table_job.source.source import Source

__all__ = ["committed_record", "new_record", "run_id_of"]

# Modes that write the same rows again when repeated, so that only the newest commit counts.
_REPEATABLE = ("overwrite", "overwrite-partitions", "merge")


def run_id_of(tables: RunTables, request: ScoringRequest) -> str:
    """Return the user's run id, or one that says what would be written.

    Runs on the driver; reads the target's commits where the run is an incremental one.

    Parameters
    ----------
    tables : RunTables
    request : ScoringRequest

    Raises
    ------
    OptionError
        An append from a source whose version nothing tells.
    """
    job, source = tables.job, tables.source
    if job.run_id is not None:
        return job.run_id
    moment = moment_of(source, job)
    if job.mode == "append" and not job.incremental:
        _check_told(source, moment)
    decided = ""
    if job.incremental in ("missing", "quarantine") or source.version is None or moment is None:
        # The target's content decides what is new, and a repetition finds nothing.
        decided = str(time.time_ns())
    elif job.incremental:
        mark = Mark.of(source, tables.target, job, request.pipeline.digest)
        decided = mark.said or (mark.record.run_id if mark.record is not None else "the first")
    return derived_run_id(
        job.digest(source.identity),
        request.pipeline.digest,
        request.environment.digest,
        f"{source.table_id} {source.version} {moment} {decided}",
    )


def _check_told(source: Source, moment: Optional[str]) -> None:
    """Refuse an append that could not be told from its repetition."""
    if source.version is None:
        raise OptionError(
            f"Nothing tells the version of {source.table.text}, so a second run could not "
            "know that the first one is done; give --run-id (the schedule's date, say)."
        )
    if moment is None:
        raise OptionError(
            "--where or --column has an expression whose value is another one in each run (now(), "
            "rand()), so a second run could not know that the first one is done; give --run-id "
            "(the schedule's date, say), or current_date()."
        )


def new_record(
    tables: RunTables, run_id: str, request: ScoringRequest, plan: ScoringPlan
) -> RunRecord:
    """Return what the commit will say of a run that begins now.

    Parameters
    ----------
    tables : RunTables
    run_id : str
    request : ScoringRequest
    plan : ScoringPlan
        Made of that request.
    """
    job, source = tables.job, tables.source
    return RunRecord(
        job_name=job.job_name,
        run_id=run_id,
        mode=job.mode,
        pipeline=request.pipeline.experiment_id,
        pipeline_digest=plan.pipeline.digest,
        environment_digest=plan.environment.digest,
        source=source.table.text,
        source_version=source.version,
        source_id=source.table_id,
        scope=scope_of(source, job),
        is_default_name=job.has_default_name,
        model=request.origin,
    )


def committed_record(tables: RunTables, run_id: str) -> Optional[RunRecord]:
    """Return the record of this very run, if it was committed and still holds; None otherwise.

    Parameters
    ----------
    tables : RunTables
    run_id : str
    """
    if tables.job.mode in _REPEATABLE:
        newest = tables.target.newest()
        return newest if newest is not None and newest.run_id == run_id else None
    return tables.target.find(run_id)
