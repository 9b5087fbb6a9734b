"""RunContext: what the steps of a run share, decided before the first of them."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Tuple

from dai_spark.driver.dataframe import scored_frame
from dai_spark.driver.metrics_sum import MetricsSum
from dai_spark.driver.row_facts.rows_measure import RowsMeasure
from dai_spark.plan.plan import ScoringPlan
from dai_spark.plan.request import ScoringRequest
from dai_spark.schema.prediction import PredictionShape
from dai_spark.table_job.contract.terms import Contract
from dai_spark.table_job.lineage import RunRecord
from dai_spark.table_job.run.tables import RunTables
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.source import Source
from dai_spark.table_job.targets.base import Target
from dai_spark.table_job.targets.choose import target_of
from dai_spark.table_job.targets.columns.target_columns import TargetColumns
from dai_spark.table_job.work_folder.job_lock import JobLock

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["RunContext"]

# A commit's metadata is read with the table, so it holds no endless list.
_MOST_NAMES = 1000


@dataclass(frozen=True)
class RunContext:
    """What one run works with; each micro-batch of a stream has one of its own.

    Plain data of the driver.  Steps are functions of it that return what they have found.

    Attributes
    ----------
    spark : SparkSession
    job : TableJob
    request : ScoringRequest
    plan : ScoringPlan
        With the pipeline's own description.
    record : RunRecord
        What the commit will say of the run.
    source : Source
    target : Target
    columns : TargetColumns
        The columns that the target gets.
    lock : JobLock or None
        None in a dry run and over Spark Connect.
    metrics : MetricsSum
        What all tasks of the run, or of the whole stream, took.
    on_message : callable
        Is told what is being done.
    shows_progress : bool
    contract : Contract or None
        What the run must be like to be committed.
    on_reading : callable or None
        Is told who reads the source's rows, and why.
    """

    spark: Any
    job: TableJob
    request: ScoringRequest
    plan: ScoringPlan
    record: RunRecord
    source: Source
    target: Target
    columns: TargetColumns
    lock: Optional[JobLock]
    metrics: MetricsSum
    on_message: Callable[[str], None]
    shows_progress: bool
    contract: Optional[Contract] = None
    on_reading: Optional[Callable[[str], None]] = None

    @classmethod
    def of(
        cls,
        tables: RunTables,
        request: ScoringRequest,
        plan: ScoringPlan,
        record: RunRecord,
        *,
        metrics: MetricsSum,
        on_message: Callable[[str], None],
        shows_progress: bool,
        contract: Optional[Contract] = None,
        on_reading: Optional[Callable[[str], None]] = None,
    ) -> "RunContext":
        """Make the context of a run whose pipeline has been asked.

        Parameters
        ----------
        tables : RunTables
            As they are under the lock.
        request, plan, record, metrics, on_message, shows_progress, contract, on_reading
            See the attributes.

        Raises
        ------
        ColumnError, TableJobError
            The target cannot get the columns that the run would give it.
        OptionError
            The contract is of columns that the pipeline does not have.
        """
        job, source = tables.job, tables.source
        kept = source.frame.columns if job.keep is None else job.keep
        fields = PredictionShape.of(plan).schema.names
        if contract is not None:
            contract.check_columns(plan.wanted(), fields)
        columns = TargetColumns(job, tables.target, kept, fields)
        if len(columns.names) <= _MOST_NAMES:
            record = replace(record, columns=tuple(columns.names))
        return cls(
            spark=tables.spark,
            job=job,
            request=request,
            plan=plan,
            record=record,
            source=source,
            target=tables.target,
            columns=columns,
            lock=tables.lock,
            metrics=metrics,
            on_message=on_message,
            shows_progress=shows_progress,
            contract=contract,
            on_reading=on_reading,
        )

    def with_new_target(self) -> "RunContext":
        """Return the same context with the target as it is now, after the commit."""
        self.target.table.renew(self.spark)
        return replace(self, target=target_of(self.spark, self.job))

    @property
    def where(self) -> str:
        """How a message names the rows that are scored."""
        return f"Table {self.source.table.text}"

    def columns_to_measure(self) -> Tuple[List[str], List[str]]:
        """Return the columns that the pipeline reads, and those that a contract is of."""
        read = list(self.plan.wanted())
        return read, [] if self.contract is None else list(self.contract.counted_columns(read))

    def scored(
        self,
        rows: "DataFrame",
        measure: Optional[RowsMeasure] = None,
        read: Optional[str] = None,
    ) -> "DataFrame":
        """Return the kept columns and the prediction's struct; the next action scores them.

        Parameters
        ----------
        rows : DataFrame
            Rows of the source.
        measure : RowsMeasure, optional
            What tasks measure of them.
        read : str, optional
            Who reads them where they are only looked at; by default as the job says, and the
            report is told.

        Raises
        ------
        ColumnError
            Columns that are missing or cannot be given to the pipeline.
        OptionError
            Tasks are to read files, and cannot.
        """
        kept, name = self.columns.kept, self.job.prediction
        return scored_frame(
            *(rows, self.plan, kept, name, self.on_message, self.where),
            metrics=self.metrics,
            read=read or self.job.read,
            measure=measure,
            on_reading=None if read else self.on_reading,
        )

    def for_target(self, scored: "DataFrame") -> "DataFrame":
        """Return scored rows with the columns that the target gets, lineage included.

        Parameters
        ----------
        scored : DataFrame
            Rows as `scored` gives them.
        """
        return self.columns.select(scored, self.record)

    def check_lock(self) -> None:
        """Make sure, as the last thing before a commit, that the lock is still this run's.

        Raises
        ------
        OverlapError
            Another run has taken it over.
        """
        if self.lock is not None:
            self.lock.check()
