"""RunSummary: what a run has found so far, and the report that it becomes."""

import time
from dataclasses import dataclass, field
from typing import Any, List, Optional, Sequence

from dai_spark._version import __version__
from dai_spark.driver.filesystem.uris import write_text
from dai_spark.driver.metrics_sum import MetricsSum
from dai_spark.driver.session import is_connect
from dai_spark.host.uri import without_password
from dai_spark.plan.plan import ScoringPlan
from dai_spark.plan.request import ScoringRequest
from dai_spark.schema.prediction import PredictionShape
from dai_spark.table_job.contract.acceptance import Acceptance
from dai_spark.table_job.contract.judge import Figures
from dai_spark.table_job.lineage import RunRecord
from dai_spark.table_job.report.check import OK, WARNING, Check
from dai_spark.table_job.report.html_report import page
from dai_spark.table_job.report.report import Report
from dai_spark.table_job.run.write_result import WriteResult
from dai_spark.table_job.settings.job import TableJob

__all__ = ["RunSummary", "keep_report"]


@dataclass
class RunSummary:
    """What a run can report at any moment, also where it fails.

    Lives on the driver; only the conductor of the run writes into it.

    Attributes
    ----------
    spark : SparkSession
    job : TableJob
    request : ScoringRequest
    metrics : MetricsSum
    source_version : str or None
        What is read.
    begun_s : float
        When the run began, by the monotonic clock.
    reading : str
        Who reads the source's rows, and why.
    shipping_s : float or None
        Seconds of bringing files to the executors and of asking the pipeline.
    acceptance : Acceptance
        Has the figures that were measured and not committed.
    checks : list of Check
        What was found right before anything was scored.
    """

    spark: Any
    job: TableJob
    request: ScoringRequest
    metrics: MetricsSum
    source_version: Optional[str]
    begun_s: float
    acceptance: Acceptance
    reading: str = ""
    shipping_s: Optional[float] = None
    checks: List[Check] = field(default_factory=list)

    def tell_reading(self, why: str) -> None:
        """Take down who reads the source's rows.

        Parameters
        ----------
        why : str
        """
        self.reading = why

    def elapsed_s(self) -> float:
        """Seconds since the run began."""
        return time.monotonic() - self.begun_s

    def report(
        self,
        record: Optional[RunRecord] = None,
        plan: Optional[ScoringPlan] = None,
        result: Optional[WriteResult] = None,
        *,
        status: str = "done",
        message: str = "",
        preparing_s: Optional[float] = None,
    ) -> Report:
        """Make the report of the run, as far as it came.

        Parameters
        ----------
        record : RunRecord, optional
            None where the run ended before it had one.
        plan : ScoringPlan, optional
            None where the pipeline was not asked.
        result : WriteResult, optional
            None where nothing was written.
        status : str, default "done"
        message : str
            The error's sentence.
        preparing_s : float, optional
            Seconds until everything was checked; by default until now.
        """
        job, pipeline = self.job, self.request.pipeline
        if result is None:
            seen = self.acceptance.figures or Figures()
            result = WriteResult(distributions=seen.predictions, inputs=seen.inputs)
        checks = [*self.checks, *self.acceptance.checks]
        if job.quarantine is not None and status == "done":
            checks.append(_bad_rows(job, result))
        unchanged = None
        if job.mode == "merge" and result.n_written is not None:
            unchanged = result.n_scored - result.n_quarantined - result.n_written
        fields: Sequence[str] = ()
        if plan is not None and plan.described is not None:
            fields = PredictionShape.of(plan).schema.names
        context = None if is_connect(self.spark) else self.spark.sparkContext
        return Report(
            source=without_password(job.source),
            target=without_password(job.target),
            mode=job.mode,
            pipeline=self.request.pipeline_text,
            experiment_id=pipeline.experiment_id,
            pipeline_digest=pipeline.digest,
            environment=self.request.environment_text,
            columns=tuple(plan.wanted()) if plan is not None else (),
            prediction=tuple(fields),
            n_rows=result.n_written,
            preparing_s=self.elapsed_s() if preparing_s is None else preparing_s,
            scoring_s=result.scoring_s,
            writing_s=result.writing_s,
            shipping_s=self.shipping_s,
            metrics=self.metrics.metrics(),
            status=status,
            message=message,
            job_name=job.job_name,
            run_id=record.run_id if record is not None else job.run_id or "",
            n_read=result.n_scored,
            n_scored=result.n_scored - result.n_quarantined,
            n_inserted=result.n_inserted,
            n_updated=result.n_updated,
            n_unchanged=unchanged,
            n_deleted=result.n_deleted,
            n_quarantined=result.n_quarantined if job.quarantine else None,
            quarantine=job.quarantine or "",
            bad_rows=result.bad_rows,
            n_slots=context.defaultParallelism if context is not None else None,
            distributions=result.distributions,
            inputs=result.inputs,
            checks=tuple(checks),
            drift_limit=job.fail_on_drift,
            model=self.request.origin,
            environment_digest=record.environment_digest if record is not None else "",
            library_version=__version__,
            scored_at=record.scored_at if record is not None else "",
            source_version=self.source_version or "",
            reading=self.reading,
            high_water_mark=(record.high_water_mark if record is not None else "") or "",
        )


def _bad_rows(job: TableJob, result: WriteResult) -> Check:
    allowed = "any number" if job.max_bad_rows is None else f"at most {job.max_bad_rows}"
    outcome = WARNING if result.n_quarantined else OK
    return Check("bad rows", f"{result.n_quarantined:,} of {result.n_scored:,}", allowed, outcome)


def keep_report(spark: Any, job: TableJob, report: Report) -> None:
    """Write a report to the files that the job names.

    Runs on the driver, once a run.

    Parameters
    ----------
    spark : SparkSession
    job : TableJob
    report : Report

    Raises
    ------
    OptionError, ShippingError
        A file cannot be written.
    """
    for path in job.report:
        text = page(report) if path.endswith(".html") else report.to_json()
        write_text(spark, path, text)
