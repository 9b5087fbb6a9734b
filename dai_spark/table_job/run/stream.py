"""A stream: the table job as a structured streaming query, a run for each micro-batch.

Spark's checkpoint says which rows of the source a micro-batch has, also when it is tried again
after a kill; the target says which micro-batches it holds, since each is committed as a run of its
own whose id is made from the query's and the batch's.  Both together give every row exactly once.
"""

import time
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Tuple

from dai_spark.driver.metrics_sum import MetricsSum
from dai_spark.driver.prepare import prepare
from dai_spark.driver.session import is_connect
from dai_spark.driver.spark_errors.telling import telling, told
from dai_spark.errors import DaiSparkError, RegistryUnreachableError, TableJobError
from dai_spark.host.uri import without_password
from dai_spark.plan.request import ScoringRequest
from dai_spark.registry.find_model import has_moved
from dai_spark.registry.origin import ModelOrigin
from dai_spark.table_job.contract.acceptance import Acceptance
from dai_spark.table_job.contract.read import read_contract
from dai_spark.table_job.report.outcome import refusing
from dai_spark.table_job.report.report import Report
from dai_spark.table_job.run.checks.checkpoint import (
    check_checkpoint,
    run_id_of_batch,
    stream_scope,
)
from dai_spark.table_job.run.checks.preflight import (
    check_columns,
    check_demands_of_target,
    count_by_key,
)
from dai_spark.table_job.run.context import RunContext
from dai_spark.table_job.run.identity import new_record
from dai_spark.table_job.run.summary import RunSummary, keep_report
from dai_spark.table_job.run.tables import RunTables
from dai_spark.table_job.run.write import write_rows
from dai_spark.table_job.run.write_result import WriteResult
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.new_rows import NewRows
from dai_spark.table_job.source.source import Source, selected

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["run_stream"]


def run_stream(
    spark: Any,
    job: TableJob,
    make_request: Callable[[], ScoringRequest],
    on_message: Callable[[str], None],
    shows_progress: bool = True,
) -> Report:
    """Score what has arrived since the checkpoint, and with ``--stream`` what arrives from now on.

    Runs on the driver, once a job; ends when nothing is left or, with ``--stream``, when it is
    stopped.

    Parameters
    ----------
    spark : SparkSession
        Classic.
    job : TableJob
    make_request : callable
        Reads the pipeline, the environment and the licence; called again where the pipeline's file
        was replaced, or the alias of its model was moved.
    on_message : callable
        Is told what is being done.
    shows_progress : bool, default True
        Show how far the tasks are.

    Raises
    ------
    TableJobError
        Over Spark Connect.
    DaiSparkError
        See `dai_spark.score_table`.
    """
    with refusing(), telling(f"{without_password(job.source)} or the target cannot be opened"):
        if is_connect(spark):
            raise TableJobError(
                "--incremental stream runs its batches on the driver, which Spark Connect does not "
                "let a client do; run the job with spark-submit, or use --incremental since."
            )
        acceptance = Acceptance(spark, job, read_contract(spark, job.contract))
        request = make_request()
        begun_s = time.monotonic()
        batch_job = replace(job, incremental=None, checkpoint=None, keep_running=False)
        tables = RunTables.open(spark, batch_job)
        batch_job = tables.job
    metrics = MetricsSum(spark)
    with ExitStack() as stack:
        with refusing(), telling(f"The stream of {without_password(job.source)} cannot begin"):
            tables = stack.enter_context(tables.locked(on_message))
            tables.target.recover()
            batches = _MicroBatches(
                tables, request, make_request, metrics, acceptance, on_message, shows_progress
            )
            check_checkpoint(tables, job)
            first = batches.context(tables, "a stream")
            check_columns(first, tables.source.rows(batch_job))
        with refusing(), telling(f"The stream of {without_password(job.source)} cannot begin"):
            writer = _reader(spark, job, tables.source).writeStream.foreachBatch(batches.take)
            writer = writer.option("checkpointLocation", job.checkpoint)
            writer = writer.queryName(f"dai_spark {job.job_name}")
            if not job.keep_running:
                writer = writer.trigger(availableNow=True)
            query = writer.start()
        try:
            query.awaitTermination()
        except Exception as error:
            if batches.error is not None:
                raise batches.error from None
            raise told(error, f"The stream of {job.source} ended") from error
        finally:
            query.stop()
    # Its batches were written in the query's own session.
    tables.target.table.renew(spark)
    version = tables.source.version
    summary = RunSummary(spark, batch_job, batches.request, metrics, version, begun_s, acceptance)
    report = summary.report(first.record, first.plan, WriteResult.total(batches.results))
    keep_report(spark, job, report)
    return report


def _reader(spark: Any, job: TableJob, source: Source) -> "DataFrame":
    table = source.table
    reader = spark.readStream.options(**job.source_options)
    if table.format is None:
        frame: DataFrame = reader.table(table.name)
        return frame
    reader = reader.format(table.format)
    if table.format not in ("delta", "iceberg"):
        # Streams of files demand it.
        reader = reader.schema(source.frame.schema)
    loaded: DataFrame = reader.load(table.name)
    return loaded


class _MicroBatches:
    """Scores and commits micro-batches, each as a run of its own.

    Lives on the driver, under the job's lock.
    """

    def __init__(
        self,
        tables: RunTables,
        request: ScoringRequest,
        make_request: Callable[[], ScoringRequest],
        metrics: MetricsSum,
        acceptance: Acceptance,
        on_message: Callable[[str], None],
        shows_progress: bool,
    ) -> None:
        self.request = request
        self.results: List[WriteResult] = []
        self.error: Optional[DaiSparkError] = None
        self._tables = tables
        self._make_request = make_request
        self._metrics = metrics
        self._acceptance = acceptance
        self._on_message = on_message
        self._shows_progress = shows_progress
        self._stamp = _stamp(request)
        self._told_fields: Tuple[str, ...] = ()

    def take(self, frame: "DataFrame", batch_id: int) -> None:
        """Score and commit one micro-batch; Spark calls it on the driver, in order."""
        try:
            self._run(frame, batch_id)
        except DaiSparkError as error:
            # Py4J brings only its text back from here.
            self.error = error
            raise

    def context(self, tables: RunTables, run_id: str, version: Optional[str] = None) -> RunContext:
        """Ask the pipeline, and decide what one micro-batch, or the whole stream, works with."""
        plan = prepare(tables.spark, self.request, self._on_message)
        record = new_record(tables, run_id, self.request, plan)
        record = replace(record, scope=stream_scope(tables))
        context = RunContext.of(
            tables,
            self.request,
            plan,
            record if version is None else replace(record, source_version=version),
            metrics=self._metrics,
            on_message=self._on_message,
            shows_progress=self._shows_progress,
            contract=self._acceptance.contract,
        )
        if context.columns.fields != self._told_fields:
            # Once for a pipeline, since it tells the user which names it changes.
            context.columns.tell(self._on_message)
            self._told_fields = context.columns.fields
        return context

    def _run(self, frame: "DataFrame", batch_id: int) -> None:
        query = frame.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId")
        run_id = run_id_of_batch(str(query), batch_id)
        tables = self._tables.with_new_target()
        if tables.target.find(run_id) is not None:
            self._on_message(f"batch {batch_id} was written before")
            return
        self._take_new_pipeline()
        context = self.context(tables, run_id, f"batch {batch_id}")
        rows = selected(frame, context.job, context.source.table.text)
        check_columns(context, rows)
        check_demands_of_target(context, rows)
        count_by_key(context, rows)

        result = write_rows(context, NewRows(rows), self._acceptance)
        self._on_message(f"batch {batch_id}: {result.n_scored:,} rows")
        self.results.append(result)

    def _take_new_pipeline(self) -> None:
        """See whether the pipeline was replaced, and go on with the new one."""
        if self.request.origin is not None:
            self._follow_alias(self.request.origin)
            return
        stamp = _stamp(self.request)
        if stamp is None or stamp == self._stamp:
            return
        request = self._make_request()
        self._stamp = _stamp(request)
        if request.pipeline.digest != self.request.pipeline.digest:
            self._on_message(
                f"pipeline {request.pipeline.path} was replaced; the new one scores from now"
            )
            self.request = request

    def _follow_alias(self, origin: ModelOrigin) -> None:
        """Ask the registry where the alias leads now, and go on with that version."""
        try:
            if not has_moved(origin):
                return
            request = self._make_request()
        except RegistryUnreachableError as error:
            # A registry that is down for a night must not stop what needs nothing of it.
            self._on_message(f"warning: {error.message} {origin.text} scores on.")
            return
        assert request.origin is not None
        same = request.pipeline.digest == self.request.pipeline.digest
        which = "with the same pipeline" if same else "whose pipeline scores from now"
        self._on_message(f"{origin.uri} leads to version {request.origin.version} now, {which}")
        self.request = request


def _stamp(request: ScoringRequest) -> Optional[Tuple[int, int]]:
    try:
        found = Path(request.pipeline.path).stat()
    except OSError:
        # In the moment between an old file and a new one.
        return None
    return found.st_mtime_ns, found.st_size
