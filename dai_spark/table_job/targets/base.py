"""Target: what a kind of table promises to the table job."""

from abc import abstractmethod
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    ClassVar,
    Dict,
    Iterator,
    List,
    Optional,
    Sequence,
    Tuple,
)

from dai_spark.driver.schema import quoted
from dai_spark.driver.spark_errors.telling import told
from dai_spark.errors import TableExistsError, TableJobError
from dai_spark.table_job.lineage import COLUMN, RunRecord
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.table_name import TableName
from dai_spark.table_job.targets.columns.table_columns import TableColumns
from dai_spark.table_job.targets.commits import Commits

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["DELETED", "NO_RECORDS", "MergeResult", "Target"]

# Column of staged rows that says that the source has deleted the row; no target ever has it.
DELETED = "_dai_spark_deleted"


# Of formats that keep no record of runs.
NO_RECORDS = (
    "a second run could not tell that the first one was done. Keep the target as a Delta or "
    "Iceberg table"
)


@dataclass(frozen=True)
class MergeResult:
    """What a merge did.

    Attributes
    ----------
    n_inserted, n_updated, n_deleted : int or None
        Rows; None where the format does not say.
    """

    n_inserted: Optional[int] = None
    n_updated: Optional[int] = None
    n_deleted: Optional[int] = None


class Target(TableColumns):
    """A table that scores are written to.

    Lives on the driver.

    Parameters
    ----------
    spark : SparkSession
    job : TableJob
    table : TableName
    schema : StructType or None
        The table's; None where it does not exist, without fields where it is an empty folder.
    before_commit : callable, optional
        Called by kinds that write aside, right before they change the table; may raise.

    Attributes
    ----------
    modes : tuple of str
        Those whose promises the format can keep.
    has_structs : bool
    forgets : bool
        Whether maintenance drops the commits that carry the records.
    remembers_appends : bool
        Whether the format itself refuses to append for one run twice, whatever its history tells.
    can_evolve : bool
        Whether a column that is added is seen by every reader of the table.
    """

    modes: ClassVar[Tuple[str, ...]] = ("fail", "overwrite")
    has_structs: bool = True
    forgets: ClassVar[bool] = False
    can_evolve: ClassVar[bool] = False
    remembers_appends: ClassVar[bool] = False

    def __init__(
        self,
        spark: Any,
        job: TableJob,
        table: TableName,
        schema: "Optional[StructType]",
        before_commit: Optional[Callable[[], None]] = None,
    ) -> None:
        super().__init__(spark, job, table, schema)
        self._before_commit = before_commit
        self._commits: Optional[Commits] = None

    # -- what each kind does --------------------------------------------------------------------

    @abstractmethod
    def write(self, frame: "DataFrame", record: RunRecord) -> None:
        """Write rows by the job's mode (not ``merge``); the action that scores them.

        Either all rows are committed, with the record, or none is.

        Parameters
        ----------
        frame : DataFrame
            With the target's columns.
        record : RunRecord
        """

    def merge(
        self, staged: str, rows: "StructType", record: RunRecord, columns: Sequence[str]
    ) -> MergeResult:
        """Update, insert and delete by the job's key.

        Parameters
        ----------
        staged : str
            Path of the scored rows, as Parquet: a MERGE may read its source twice.
        rows : StructType
            Their schema, which Spark would otherwise read from a file each time.
        record : RunRecord
        columns : sequence of str
            Columns of the staged rows that the target gets: all but `DELETED`.
        """
        raise AssertionError("check_mode refuses merge for this format")

    def read_commits(self) -> Commits:
        """Read the table's commits; a kind of table that keeps no records has none."""
        return Commits()

    def created_for(self) -> Optional[str]:
        """The run that has created the table and committed nothing yet; None where rows are."""
        return None

    def recover(self) -> None:
        """Finish what a killed run has begun to commit.  Called with the lock held."""

    @property
    def instead(self) -> str:
        """What a message tells to do where the format cannot promise the mode."""
        return "write to a Delta or Iceberg table"

    @property
    def written(self) -> TableName:
        """What a run writes, and reads again: the table, or a branch of it."""
        return self.table

    def publish(self) -> None:
        """Show readers what was written, once, behind all checks.

        Raises
        ------
        TableJobError
            The table has changed since the run began.
        """

    # -- what is the same for all ---------------------------------------------------------------

    @property
    def commits(self) -> Commits:
        """The commits that the table stands on, as they were when they were first asked for."""
        if self._commits is None:
            self._commits = Commits() if self.schema is None else self.read_commits()
        return self._commits

    def records(self) -> Iterator[Optional[RunRecord]]:
        """The record of each commit, newest first; None for one that is not a run of ours."""
        return iter(self.commits.records)

    def find(self, run_id: str) -> Optional[RunRecord]:
        """The record of a run whose rows the table holds; None where there is none.

        Parameters
        ----------
        run_id : str
        """
        found = self.commits.newest(lambda record: record.run_id == run_id)
        if found is None:
            return None if self.commits.are_all else self._find_in_rows(run_id)
        record, may_be_gone = found
        return None if may_be_gone and self.holds_rows(run_id) is False else record

    def _find_in_rows(self, run_id: str) -> Optional[RunRecord]:
        """What the rows tell of a run, where the history does not reach back to all of them."""
        holds = self.holds_rows(run_id)
        if holds is None and not self.remembers_appends:
            raise TableJobError(
                f"The history of {self.table.text} does not reach back to its first commit, and "
                f"its rows have no lineage, so nothing tells whether run {run_id} was written; let "
                "the job add the lineage (--lineage --evolve-schema)."
            )
        return RunRecord("", run_id, self.job.mode, "", "", "", "") if holds else None

    def holds_rows(self, run_id: str) -> Optional[bool]:
        """Whether rows of a run are in the table, by their lineage; None where it has none.

        Reads one column.

        Parameters
        ----------
        run_id : str
        """
        from pyspark.sql import functions as F

        if self.schema is None or COLUMN not in self.schema.fieldNames():
            return None
        of_run = F.col(f"{quoted(COLUMN)}.run_id") == run_id
        return bool(self.table.read(self.spark).where(of_run).limit(1).collect())

    def newest(self) -> Optional[RunRecord]:
        """The record of the table's newest commit; None where that is not a run of ours."""
        return next(self.records(), None)

    def check_mode(self) -> None:
        """Refuse a mode whose promise this format cannot keep.

        Raises
        ------
        TableJobError
        """
        if self.job.target_branch is not None:
            raise TableJobError(
                f"{self.table.text} has no branches, so --target-branch {self.job.target_branch} "
                "is not there to be written; keep the target as an Iceberg table, or leave the "
                "flag out: --contract and --fail-on-drift look at staged rows before any commit."
            )
        self._check_promise()

    def _check_promise(self) -> None:
        if self.job.mode not in self.modes:
            raise TableJobError(
                f"--mode {self.job.mode} cannot be promised for {self.table.text}; {self.instead}, "
                f"or use --mode {' or '.join(self.modes)}."
            )

    def check_absent(self, run_id: str) -> None:
        """Refuse a target that exists, where the mode says so.

        Parameters
        ----------
        run_id : str
            An empty table that this very run has created, and was killed, is no other's.

        Raises
        ------
        TableExistsError
        """
        if self.schema is not None and self.job.mode == "fail" and self.created_for() != run_id:
            others = " or ".join(f"--mode {m}" for m in self.modes if m in ("append", "overwrite"))
            raise TableExistsError(
                f"The target {self.table.text} exists; give {others}, or another --target."
            )

    def shaped(self, frame: "DataFrame") -> "DataFrame":
        """Bring rows together so that a partition of the table gets few files.

        Spark writes a file for each task and partition of the table.  Without ``--partition-by``
        that is a file a task, and Spark's reader has made tasks of some 128 MB already.

        Parameters
        ----------
        frame : DataFrame
        """
        names = {name.lower() for name in frame.columns}
        # Where a table is partitioned by a transform of a column, its format brings rows together.
        cols = [quoted(name) for name in self.partition_by if name.lower() in names]
        if self.job.n_files is not None:
            return frame.repartition(self.job.n_files, *cols)
        if cols:
            # Adaptive execution merges small and splits large ones behind this shuffle.
            return frame.hint("rebalance", *cols)
        return frame

    def write_options(self) -> Dict[str, str]:
        """Options of Spark's writer: the user's, and the limit of rows."""
        limit = (
            {}
            if self.job.max_file_rows is None
            else {"maxRecordsPerFile": str(self.job.max_file_rows)}
        )
        return {**limit, **self.job.target_options}

    def run_sql(self, text: str) -> "List[Any]":
        """Run a statement on the target.

        Parameters
        ----------
        text : str

        Raises
        ------
        TableJobError
        """
        try:
            return list(self.spark.sql(text).collect())
        except Exception as error:
            raise told(error, f"Spark refused a statement on {self.table.text}") from error
