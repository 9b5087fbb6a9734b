"""Target: what a kind of table promises to the table job."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    Callable,
    ClassVar,
    Dict,
    FrozenSet,
    Iterable,
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
from dai_spark.table_job.targets.columns.comparison import check_comparable
from dai_spark.table_job.targets.columns.demands import Demand
from dai_spark.table_job.targets.columns.difference import Difference, how_to_do_without
from dai_spark.table_job.targets.columns.names import safe_name, spelt
from dai_spark.table_job.targets.commits import Commits

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["DELETED", "MergeResult", "Target"]

# Column of staged rows that says that the source has deleted the row; no target ever has it.
DELETED = "_dai_spark_deleted"


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


class Target(ABC):
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
    instead : str
        What a message tells to do where the mode is another one.
    unsafe : str
        Characters that it refuses in column names.
    has_structs : bool
    forgets : bool
        Whether maintenance drops the commits that carry the records.
    remembers_appends : bool
        Whether the format itself refuses to append for one run twice, whatever its history tells.
    can_evolve : bool
        Whether a column that is added is seen by every reader of the table.
    """

    modes: ClassVar[Tuple[str, ...]] = ("fail", "overwrite")
    instead: ClassVar[str] = "write to a Delta or Iceberg table"
    unsafe: str = ""
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
        self.spark = spark
        self.job = job
        self.table = table
        self.schema = schema
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

    def merge(self, staged: str, record: RunRecord, columns: Sequence[str]) -> MergeResult:
        """Update, insert and delete by the job's key.

        Parameters
        ----------
        staged : str
            Path of the scored rows, as Parquet: a MERGE may read its source twice.
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

    def recover(self) -> None:  # noqa: B027 - formats that commit by themselves have nothing to do
        """Finish what a killed run has begun to commit.  Called with the lock held."""

    @property
    def written(self) -> TableName:
        """What a run writes, and reads again: the table, or a branch of it."""
        return self.table

    def publish(self) -> None:  # noqa: B027 - most formats have committed for all to see
        """Show readers what was written, once, behind all checks.

        Raises
        ------
        TableJobError
            The table has changed since the run began.
        """

    # -- what is the same for all ---------------------------------------------------------------

    def partitioning(self) -> Tuple[str, ...]:
        """What the table that is there is partitioned by: columns, or transforms (``days(ts)``)."""
        return ()

    @property
    def is_new(self) -> bool:
        """Whether the table is not there, or is a folder without anything."""
        return self.schema is None or not self.schema.fields

    @property
    def partition_by(self) -> Tuple[str, ...]:
        """What rows are partitioned by: as the table that is there says, else as the job does."""
        if not self.is_new:
            return self.partitioning()
        return tuple(self.name_of(name) for name in self.job.partition_by)

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

    def check_schema(self, scored: "StructType") -> Difference:
        """Hold the columns to be written against those of a target that exists.

        Parameters
        ----------
        scored : StructType
            The columns to be written.

        Returns
        -------
        Difference
            Columns, or fields of a struct, that are to be added or widened.

        Raises
        ------
        TableJobError
            Names all that differs; before anything is scored.
        """
        self._check_partitions()
        check_comparable(scored, [self.name_of(name) for name in self.job.key])
        if self.schema is None or not self.schema.fields:
            self._check_new(scored)
            return Difference()
        found = Difference.of(self.schema, scored, self.inferred_columns())
        wrong = list(found.wrong)
        may_evolve = self.job.evolve_schema and self.can_evolve
        hints = []
        if found.added and not may_evolve:
            shown = [(name.replace("`", ""), kind) for name, kind in found.added]
            wrong += [f"{name}: target has none, scored {kind}" for name, kind in shown]
            hints += ["allow new columns (--evolve-schema)"] if self.can_evolve else []
        if not (may_evolve and self.can_widen()):
            wrong += [unlike for _, _, unlike in found.widened]
            hints += self.how_to_widen() if found.widened else []
        lacking = self._lacking(found.lacking)
        wrong += [f"{f.name}: target {f.dataType.simpleString()}, scored has none" for f in lacking]
        hints += [how_to_do_without(lacking, self.table.sql)] if lacking else []
        if wrong:
            also = "".join(f", {hint}" for hint in dict.fromkeys(hints))
            raise TableJobError(
                f"The target {self.table.text} has other columns than what would be written "
                f"({'; '.join(wrong)}); change --keep{also}, or give another --target."
            )
        return found

    def can_widen(self) -> bool:
        """Whether ``--evolve-schema`` can give a column of the table a wider type."""
        return False

    def how_to_widen(self) -> List[str]:
        """What a message tells to do so that a column takes a wider type."""
        return ["allow the wider type (--evolve-schema)"] if self.can_widen() else []

    def _lacking(self, columns: "List[Any]") -> "List[Any]":
        """Those of a table's further columns that this run would leave empty, and must not.

        What no run of ours has ever written is the table's own: it is left to its default, to what
        it is generated from, or null.  What an earlier run wrote and this one would not is lost.
        """
        if not columns:
            return []
        demanded = [c for c in columns if not c.nullable and not self.fills(c)]
        last = next((r for r in self.records() if r is not None), None)
        if last is None:
            return demanded
        if last.columns is None:
            return columns
        written = {name.lower() for name in last.columns}
        return [c for c in columns if c in demanded or c.name.lower() in written]

    def fills(self, column: Any) -> bool:
        """Whether the table itself has a value for a column that a run leaves out.

        Parameters
        ----------
        column : StructField
        """
        return "CURRENT_DEFAULT" in (column.metadata or {})

    def demands(self) -> List[Demand]:
        """What the table demands of its rows beyond their types, as far as its metadata tells."""
        return []

    def name_of(self, name: str) -> str:
        """What the table calls a column: without characters that it refuses, and as it spells it.

        Parameters
        ----------
        name : str
            The source's, or the pipeline's.
        """
        there = [] if self.schema is None else self.schema.fieldNames()
        return spelt(safe_name(name, self.unsafe), there)

    def _check_partitions(self) -> None:
        """Refuse partitions that the table does not have, or that it has otherwise.

        A format that replaces partitions replaces all rows of a table that has none.
        """
        job, there = self.job, self.partition_by
        replaces = job.mode == "overwrite-partitions"
        if self.is_new:
            if replaces and not there:
                raise TableJobError(
                    f"--mode overwrite-partitions would create {self.table.text} without "
                    "partitions, and replace all of it the next time; give --partition-by."
                )
            return
        is_so = f"partitioned by {', '.join(there)}" if there else "not partitioned"
        if job.partition_by and _as_set(map(self.name_of, job.partition_by)) != _as_set(there):
            raise TableJobError(
                f"The target {self.table.text} is {is_so}, and not by --partition-by "
                f"{','.join(job.partition_by)}; leave --partition-by out, or give another --target."
            )
        if replaces and not there:
            raise TableJobError(
                f"The target {self.table.text} is {is_so}, so --mode overwrite-partitions would "
                "replace all its rows; give --mode overwrite if that is meant, or a target with "
                "partitions."
            )

    def inferred_columns(self) -> Sequence[str]:
        """Columns whose type a reader infers, so it does not tell what was written."""
        return ()

    def _check_new(self, scored: "StructType") -> None:
        there = {name.lower() for name in scored.fieldNames()}
        unknown = [n for n in self.job.partition_by if self.name_of(n).lower() not in there]
        if unknown:
            raise TableJobError(
                f"--partition-by {', '.join(unknown)} is no column of what would be written "
                f"({', '.join(scored.fieldNames())})."
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


def _as_set(names: Iterable[str]) -> FrozenSet[str]:
    return frozenset(name.lower() for name in names)
