"""BatchRun: one run of the table job, from its lock to its report."""

import time
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Callable, Iterator, List, Mapping, Optional

from dai_spark.driver.dataframe import scored_frame
from dai_spark.driver.filesystem.uris import write_text
from dai_spark.driver.metrics_sum import MetricsSum
from dai_spark.driver.prepare import prepare
from dai_spark.driver.progress.show import show_progress
from dai_spark.errors import DaiSparkError, OptionError, TableJobError, from_spark
from dai_spark.plan.plan import ScoringPlan
from dai_spark.plan.request import ScoringRequest
from dai_spark.schema.prediction import PredictionShape
from dai_spark.table_job.lineage import RunRecord, derived_run_id
from dai_spark.table_job.report.distribution import Distribution
from dai_spark.table_job.report.drift import check_drift
from dai_spark.table_job.report.example_rows import example_distributions
from dai_spark.table_job.report.html_report import check_available, page
from dai_spark.table_job.report.refusal import refusing
from dai_spark.table_job.report.report import Report
from dai_spark.table_job.run.preflight import checks, estimate, plan_in_words
from dai_spark.table_job.run.summary import summary
from dai_spark.table_job.run.verify import verify
from dai_spark.table_job.run.write import Written, write_rows
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.key import check_key
from dai_spark.table_job.source.new_rows import NewRows
from dai_spark.table_job.source.source import Source
from dai_spark.table_job.table_name import first_line
from dai_spark.table_job.targets.choose import target_of
from dai_spark.table_job.targets.target_columns import Output
from dai_spark.table_job.work_folder.job_lock import JobLock
from dai_spark.table_job.work_folder.last_run import LastRun
from dai_spark.table_job.work_folder.location import work_folder

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["BatchRun"]

_PREVIEW_ROWS = 10
# Modes that write the same rows again when repeated, so that only the newest commit counts.
_REPEATABLE = ("overwrite", "overwrite-partitions", "merge")


class BatchRun:
    """One run over a table as it is now.

    Lives on the driver, once.

    Parameters
    ----------
    spark : SparkSession
    job : TableJob
    request : ScoringRequest
    on_message : callable

    Raises
    ------
    OptionError, TableJobError
        What names alone can tell.
    """

    def __init__(
        self,
        spark: Any,
        job: TableJob,
        request: ScoringRequest,
        on_message: Callable[[str], None],
        shows_progress: bool = True,
    ) -> None:
        self.spark = spark
        self.job = job
        self.request = request
        self.on_message = on_message
        self.metrics = MetricsSum(spark)
        self._shows_progress = shows_progress
        self._begun = time.monotonic()
        self._shipping_s: Optional[float] = None
        self._distributions: Mapping[str, Distribution] = {}
        self._lock: Optional[JobLock] = None
        self._output: Optional[Output] = None
        self.target = target_of(spark, job)
        if (self.target.table.format, self.target.table.name.rstrip("/")) == _same(job.source):
            raise TableJobError(
                f"Source and target are both {job.source}; scores go to a table of their own."
            )
        self.target.check_mode()
        self.source = Source.of(spark, job)

    def run(self) -> Report:
        """Do what the job says, and write its report, also where it failed.

        Raises
        ------
        DaiSparkError
            See `dai_spark.score_table`.
        """
        try:
            report = self._run()
        except DaiSparkError as error:
            try:
                self.keep_report(self.report(status=error.status, message=error.message))
            except DaiSparkError as second:
                # What went wrong first is what the user must read.
                self.on_message(f"the report could not be written either: {second.message}")
            raise
        self.keep_report(report)
        return report

    def _run(self) -> Report:
        job = self.job
        with ExitStack() as stack:
            with refusing():
                if any(path.endswith(".html") for path in job.report):
                    check_available()
                if not job.dry_run:
                    stack.enter_context(self.locked())
                    self.renew_target()
                    self.target.recover()
                run_id = self.run_id()
                done = self.done(run_id)
                if done is not None:
                    return self.report(done, status="already done")
                self.target.check_absent(run_id)
                begun = time.monotonic()
                plan = prepare(self.spark, self.request, self.on_message, probe=job.dry_run)
                self._shipping_s = time.monotonic() - begun
                record = self.record(run_id, plan)
                digest = record.pipeline_digest
                new = NewRows.of(self.source, self.target, job, digest, self.on_message)
                record = replace(record, high_water_mark=new.high_water_mark)
                self.check(new.rows, plan, record)
                if job.dry_run:
                    return self._dry_run(new, plan, record)
                n_rows = 0 if new.is_known_empty else self.check_key(new.rows)
                if n_rows == 0 and new.deleted is None and job.incremental:
                    return self.report(record, plan, status="nothing to do")
            preparing_s = time.monotonic() - self._begun
            written = self.write(new, plan, record)
            report = self.report(record, plan, written, preparing_s=preparing_s)
            return self._compared(report, plan, record)

    # -- identity -------------------------------------------------------------------------------

    def run_id(self) -> str:
        """The user's run id, or one that says what would be written.

        Raises
        ------
        OptionError
            An append from a source whose version nothing tells.
        """
        job = self.job
        if job.run_id is not None:
            return job.run_id
        if self.source.version is None and job.mode == "append" and not job.incremental:
            raise OptionError(
                f"Nothing tells the version of {self.source.table.text}, so a second run could not "
                "know that the first one is done; give --run-id (the schedule's date, say)."
            )
        decided = ""
        if job.incremental == "missing" or self.source.version is None:
            # The target's content decides what is new, and a repetition finds nothing.
            decided = str(time.time_ns())
        elif job.incremental:
            last = self.target.last(job.job_name)
            decided = last.run_id if last is not None else "the first"
        environment = self.request.environment
        return derived_run_id(
            job.job_name,
            job.digest(),
            self.request.pipeline.digest,
            environment.digest,
            f"{self.source.version} {decided}",
        )

    def record(self, run_id: str, plan: ScoringPlan) -> RunRecord:
        """What the commit will say of this run."""
        return RunRecord(
            job_name=self.job.job_name,
            run_id=run_id,
            mode=self.job.mode,
            pipeline=self.request.pipeline.experiment_id,
            pipeline_digest=plan.pipeline.digest,
            environment_digest=plan.environment.digest,
            source=self.source.table.text,
            source_version=self.source.version,
        )

    def done(self, run_id: str) -> Optional[RunRecord]:
        """The record of this very run, if it was committed and still holds."""
        if self.job.mode in _REPEATABLE:
            newest = self.target.newest()
            return newest if newest is not None and newest.run_id == run_id else None
        return self.target.find(run_id)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the job's lock; over Spark Connect there is no place for one."""
        work = work_folder(self.spark, self.job, self.target.table)
        if work is None:
            self.on_message("over Spark Connect nothing keeps two runs of a job apart")
            yield
            return
        job = self.job
        lock = JobLock(
            work / "lock", job.job_name, job.on_overlap, job.overlap_timeout_s, self.on_message
        )
        with lock:
            self._lock = lock
            yield

    def renew_target(self) -> None:
        """Look at the target again: a run that this one has waited for may have changed it."""
        self.target = target_of(self.spark, self.job)
        self.target.before_commit = self.commit_check

    # -- checks ---------------------------------------------------------------------------------

    def kept(self) -> List[str]:
        """Source columns that the target gets."""
        return list(self.source.frame.columns if self.job.keep is None else self.job.keep)

    def output(self, plan: ScoringPlan) -> Output:
        """What brings scored rows into the target's columns."""
        fields = tuple(PredictionShape.of(plan).schema.names)
        if self._output is None or self._output.fields != fields:
            # Once for a pipeline, since it tells the user which names it changes.
            self._output = Output(self.job, self.target, fields, self.on_message)
        return self._output

    def scored(self, rows: "DataFrame", plan: ScoringPlan) -> "DataFrame":
        """Kept columns and the prediction's struct."""
        where = f"Table {self.source.table.text}"
        kept, name = self.kept(), self.job.prediction
        return scored_frame(rows, plan, kept, name, self.on_message, where, self.metrics)

    def check(self, rows: "DataFrame", plan: ScoringPlan, record: RunRecord) -> None:
        """Hold the source's columns against the pipeline's, and the output's against the target's.

        Raises
        ------
        ColumnError, TableJobError
        """
        output = self.output(plan)
        output.columns(self.kept())
        made = output.of(self.scored(rows, plan), self.kept(), record)
        self.target.check_schema(made.schema)

    def check_key(self, rows: "DataFrame") -> Optional[int]:
        """Hold the key against the rows and count them; None where there is no key."""
        if not self.job.key:
            return None
        return check_key(rows, self.job.key, f"Table {self.source.table.text}")

    def commit_check(self) -> None:
        """Last look before a commit: the lock is still this run's."""
        if self._lock is not None:
            self._lock.check()

    # -- work -----------------------------------------------------------------------------------

    def write(self, new: NewRows, plan: ScoringPlan, record: RunRecord) -> Written:
        """Score and write the rows.

        Raises
        ------
        DaiSparkError
            Of the pipeline as itself, everything else as `TableJobError`.
        """
        try:
            with show_progress(
                self.spark, quiet=not self._shows_progress, on_message=self.on_message
            ):
                return write_rows(self, new, plan, record)
        except Exception as error:
            found = from_spark(error)
            if found is not None:
                raise found from None
            raise TableJobError(
                f"Spark could not score {self.source.table.text} into {self.target.table.text}: "
                f"{first_line(error)}",
                str(error),
            ) from error

    def _dry_run(self, new: NewRows, plan: ScoringPlan, record: RunRecord) -> Report:
        from pyspark.sql import functions as F

        found = checks(self, plan, new)
        try:
            made = self.output(plan).of(self.scored(new.rows, plan), self.kept(), record)
            # DataFrame.toJSON does not exist over Connect.
            texts = made.limit(_PREVIEW_ROWS).select(F.to_json(F.struct("*")).alias("row"))
            rows = tuple(row["row"] for row in texts.collect())
            n_rows = new.rows.count()
            takes = estimate(self, made, n_rows)
        except Exception as error:
            ours = from_spark(error)
            if ours is None:
                raise
            raise ours from None
        return replace(
            self.report(record, plan, status="dry run"),
            n_rows=None,
            n_read=n_rows,
            dry_run=True,
            preview=rows,
            checks=tuple(found),
            plan=plan_in_words(self),
            estimate=takes,
        )

    # -- report ---------------------------------------------------------------------------------

    def check_drift(self, distributions: Mapping[str, Distribution]) -> None:
        """Hold predictions against the last run's, where the job says how far they may move.

        Raises
        ------
        DriftError
        """
        if self.job.fail_on_drift is not None:
            self._distributions = distributions
            last = LastRun.read(self.spark, self.job)
            check_drift(last.distributions, distributions, self.job.fail_on_drift)

    def _compared(self, report: Report, plan: ScoringPlan, record: RunRecord) -> Report:
        """The report beside the last run's figures, which these replace, and verified."""
        last = LastRun.read(self.spark, self.job)
        report = replace(report, last_distributions=last.distributions, last_run_id=last.run_id)
        if self.job.report:
            examples = example_distributions(self.spark, self.request.pipeline, plan)
            report = replace(report, example_distributions=examples)
        try:
            LastRun(record.run_id, report.distributions).write(self.spark, self.job)
        except TableJobError as error:
            # The rows are committed: the next run has nothing to compare with, and no more.
            self.on_message(f"the predictions' distributions could not be kept: {error.message}")
        if self.job.verify:
            begun = time.monotonic()
            verified = verify(self, plan, record)
            report = replace(report, verified=verified, verifying_s=time.monotonic() - begun)
        return report

    def report(
        self,
        record: Optional[RunRecord] = None,
        plan: Optional[ScoringPlan] = None,
        written: Optional[Written] = None,
        *,
        status: str = "done",
        message: str = "",
        preparing_s: Optional[float] = None,
    ) -> Report:
        """What was done, for people and for schedulers; see `summary`."""
        if preparing_s is None:
            preparing_s = time.monotonic() - self._begun
        written = written or Written(distributions=self._distributions)
        return replace(
            summary(self, record, plan, written),
            status=status,
            message=message,
            preparing_s=preparing_s,
            shipping_s=self._shipping_s,
        )

    def keep_report(self, report: Report) -> None:
        """Write the report to the files that the job names."""
        for path in self.job.report:
            text = page(report) if path.endswith(".html") else report.to_json()
            write_text(self.spark, path, text)


def _same(source: str) -> "tuple[Optional[str], str]":
    from dai_spark.table_job.table_name import TableName

    table = TableName.of(source)
    return table.format, table.name.rstrip("/")
