"""Summary: what a run knows, as a report."""

from typing import TYPE_CHECKING, Optional

from dai_spark._version import __version__
from dai_spark.driver.session import is_connect
from dai_spark.plan.plan import ScoringPlan
from dai_spark.schema.prediction import PredictionShape
from dai_spark.table_job.lineage import RunRecord
from dai_spark.table_job.report.report import Report
from dai_spark.table_job.run.write import Written

if TYPE_CHECKING:
    from dai_spark.table_job.run.batch import BatchRun

__all__ = ["summary"]


def summary(
    run: "BatchRun", record: Optional[RunRecord], plan: Optional[ScoringPlan], written: Written
) -> Report:
    """The report of a run, as far as it came.

    Parameters
    ----------
    run : BatchRun
    record : RunRecord or None
        None where the run ended before it had an id.
    plan : ScoringPlan or None
        None where the pipeline was not asked.
    written : Written
    """
    job, pipeline = run.job, run.request.pipeline
    described = plan is not None and plan.described is not None
    unchanged = None
    if job.mode == "merge" and written.n_written is not None:
        unchanged = written.n_scored - written.n_quarantined - written.n_written
    context = None if is_connect(run.spark) else run.spark.sparkContext
    return Report(
        source=run.source.table.text,
        target=run.target.table.text,
        mode=job.mode,
        pipeline=str(pipeline.path),
        experiment_id=pipeline.experiment_id,
        pipeline_digest=pipeline.digest,
        environment=job.env,
        columns=tuple(plan.wanted()) if plan is not None else (),
        prediction=tuple(PredictionShape.of(plan).schema.names) if plan and described else (),
        n_rows=written.n_written,
        preparing_s=0.0,
        scoring_s=written.scoring_s,
        writing_s=written.writing_s,
        metrics=run.metrics.metrics(),
        job_name=job.job_name,
        run_id=record.run_id if record is not None else job.run_id or "",
        n_read=written.n_scored,
        n_scored=written.n_scored - written.n_quarantined,
        n_inserted=written.n_inserted,
        n_updated=written.n_updated,
        n_unchanged=unchanged,
        n_deleted=written.n_deleted,
        n_quarantined=written.n_quarantined if job.quarantine else None,
        quarantine=job.quarantine or "",
        bad_rows=written.bad_rows,
        n_slots=context.defaultParallelism if context is not None else None,
        distributions=written.distributions,
        drift_limit=job.fail_on_drift,
        environment_digest=record.environment_digest if record is not None else "",
        library_version=__version__,
        scored_at=record.scored_at if record is not None else "",
        source_version=run.source.version or "",
        high_water_mark=(record.high_water_mark if record is not None else "") or "",
    )
