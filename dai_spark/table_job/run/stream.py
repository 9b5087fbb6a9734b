"""StreamRun: the table job as a structured streaming query, a run for each micro-batch.

Spark's checkpoint says which rows of the source a micro-batch has, also when it is tried again
after a kill; the target says which micro-batches it holds, since each is committed as a run of its
own whose id is made from the query's and the batch's.  Both together give every row exactly once.
"""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Tuple

from dai_spark.driver.prepare import prepare
from dai_spark.driver.session import is_connect
from dai_spark.errors import DaiSparkError, TableJobError, from_spark
from dai_spark.plan.request import ScoringRequest
from dai_spark.table_job.report.refusal import refusing
from dai_spark.table_job.report.report import Report
from dai_spark.table_job.run.batch import BatchRun
from dai_spark.table_job.run.write import Written
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.new_rows import NewRows
from dai_spark.table_job.source.source import selected
from dai_spark.table_job.table_name import first_line

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["StreamRun"]


class StreamRun:
    """The job over a stream, until nothing is left or, with ``--stream``, until it is stopped.

    Lives on the driver.

    Parameters
    ----------
    spark : SparkSession
        Classic.
    job : TableJob
    request : callable
        Makes the request anew, so that a pipeline that was replaced is seen.
    on_message : callable

    Raises
    ------
    TableJobError
        Over Spark Connect.
    """

    def __init__(
        self,
        spark: Any,
        job: TableJob,
        request: Callable[[], ScoringRequest],
        on_message: Callable[[str], None],
        shows_progress: bool = True,
    ) -> None:
        if is_connect(spark):
            raise TableJobError(
                "--incremental stream runs its batches on the driver, which Spark Connect does not "
                "let a client do; run the job with spark-submit, or use --incremental since."
            )
        self._spark = spark
        self._job = job
        self._make_request = request
        self._on_message = on_message
        self._stamp: Optional[Tuple[int, int]] = None
        of_a_batch = replace(job, incremental=None, checkpoint=None, keep_running=False)
        self._run = BatchRun(spark, of_a_batch, request(), on_message, shows_progress)
        self._batches: List[Written] = []
        self._error: Optional[DaiSparkError] = None

    def run(self) -> Report:
        """Score what has arrived since the checkpoint.

        Raises
        ------
        DaiSparkError
        """
        with self._run.locked():
            with refusing():
                self._run.renew_target()
                self._run.target.recover()
                self._stamp = _stamp(self._run.request)
                plan = prepare(self._spark, self._run.request, self._on_message)
                record = self._run.record("a stream", plan)
                self._run.check(self._run.source.rows(self._run.job), plan, record)
            writer = self._read().writeStream.foreachBatch(self._batch)
            writer = writer.option("checkpointLocation", self._job.checkpoint)
            writer = writer.queryName(f"dai_spark {self._job.job_name}")
            if not self._job.keep_running:
                writer = writer.trigger(availableNow=True)
            query = writer.start()
            try:
                query.awaitTermination()
            except Exception as error:
                found = self._error or from_spark(error)
                if found is not None:
                    raise found from None
                raise TableJobError(
                    f"The stream of {self._job.source} ended: {first_line(error)}", str(error)
                ) from error
            finally:
                query.stop()
        # Its batches were written in the query's own session.
        self._run.renew_target()
        report = self._run.report(record, plan, _sum(self._batches))
        self._run.keep_report(report)
        return report

    def _read(self) -> "DataFrame":
        table, job = self._run.source.table, self._job
        reader = self._spark.readStream.options(**job.source_options)
        if table.format is None:
            frame: DataFrame = reader.table(table.name)
            return frame
        reader = reader.format(table.format)
        if table.format not in ("delta", "iceberg"):
            # Streams of files demand it.
            reader = reader.schema(self._run.source.frame.schema)
        loaded: DataFrame = reader.load(table.name)
        return loaded

    def _batch(self, frame: "DataFrame", batch_id: int) -> None:
        """Score and commit one micro-batch; Spark calls it on the driver, in order."""
        try:
            self._process(frame, batch_id)
        except DaiSparkError as error:
            # Py4J brings only its text back from here.
            self._error = error
            raise

    def _process(self, frame: "DataFrame", batch_id: int) -> None:
        run = self._run
        # The checkpoint's own id: a new checkpoint counts its batches from 0 again.
        query = frame.sparkSession.sparkContext.getLocalProperty("sql.streaming.queryId")
        run_id = f"{query}-{batch_id}"
        run.renew_target()
        if run.target.find(run_id) is not None:
            self._on_message(f"batch {batch_id} was written before")
            return
        self._take_new_pipeline()
        plan = prepare(self._spark, run.request, self._on_message)
        record = replace(run.record(run_id, plan), source_version=f"batch {batch_id}")
        rows = selected(frame, run.job, run.source.table.text)
        run.check(rows, plan, record)
        run.check_key(rows)
        written = run.write(NewRows(rows), plan, record)
        self._on_message(f"batch {batch_id}: {written.n_scored:,} rows")
        self._batches.append(written)

    def _take_new_pipeline(self) -> None:
        """See whether the pipeline's file was replaced, and go on with the new one."""
        stamp = _stamp(self._run.request)
        if stamp is None or stamp == self._stamp:
            return
        request = self._make_request()
        self._stamp = _stamp(request)
        if request.pipeline.digest != self._run.request.pipeline.digest:
            self._on_message(
                f"pipeline {request.pipeline.path} was replaced; the new one scores from now"
            )
            self._run.request = request


def _stamp(request: ScoringRequest) -> Optional[Tuple[int, int]]:
    try:
        found = Path(request.pipeline.path).stat()
    except OSError:
        # In the moment between an old file and a new one.
        return None
    return found.st_mtime_ns, found.st_size


def _sum(batches: List[Written]) -> Written:
    def total(name: str) -> Optional[int]:
        values = [getattr(batch, name) for batch in batches]
        return None if None in values else sum(values)

    return Written(
        n_scored=total("n_scored") or 0,
        n_written=total("n_written"),
        n_inserted=total("n_inserted"),
        n_updated=total("n_updated"),
        n_deleted=total("n_deleted"),
        n_quarantined=total("n_quarantined") or 0,
    )
