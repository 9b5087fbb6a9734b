"""WriteResult: what a run wrote, in rows and seconds."""

from dataclasses import dataclass, field
from typing import Mapping, Optional, Sequence, Tuple

from dai_spark.drift.distribution import Distribution
from dai_spark.drift.input_column import InputColumn
from dai_spark.table_job.contract.judge import Figures

__all__ = ["WriteResult"]


@dataclass(frozen=True)
class WriteResult:
    """What a run wrote; a number of rows is None where the format does not tell.

    Plain data of the driver.

    Attributes
    ----------
    n_scored : int
        Rows that were read to be scored, bad ones too.
    n_written, n_inserted, n_updated, n_deleted : int or None
    n_quarantined : int
    bad_rows : tuple of (str, str)
        A few bad rows: the row as JSON text, and the reason.
    distributions : mapping of str to Distribution
        How each numeric prediction lies.
    inputs : mapping of str to InputColumn
        How the columns lie that the pipeline reads; empty where that was not measured.
    scoring_s : float
        Seconds of the Spark action that read, scored and wrote (or staged).
    writing_s : float or None
        Seconds of bringing staged rows into the target; None where none were staged.
    """

    n_scored: int = 0
    n_written: Optional[int] = 0
    n_inserted: Optional[int] = None
    n_updated: Optional[int] = None
    n_deleted: Optional[int] = None
    n_quarantined: int = 0
    bad_rows: Tuple[Tuple[str, str], ...] = ()
    distributions: Mapping[str, Distribution] = field(default_factory=dict)
    inputs: Mapping[str, InputColumn] = field(default_factory=dict)
    scoring_s: float = 0.0
    writing_s: Optional[float] = None

    @property
    def figures(self) -> Figures:
        """What a contract looks at."""
        return Figures(self.n_scored, self.n_quarantined, self.inputs, self.distributions)

    @classmethod
    def total(cls, results: "Sequence[WriteResult]") -> "WriteResult":
        """Add up the rows of several; a number is None where one of them does not know it.

        Parameters
        ----------
        results : sequence of WriteResult
            Those of a stream's micro-batches.
        """

        def added(name: str) -> Optional[int]:
            numbers = [getattr(result, name) for result in results]
            return None if None in numbers else sum(numbers)

        return cls(
            n_scored=added("n_scored") or 0,
            n_written=added("n_written"),
            n_inserted=added("n_inserted"),
            n_updated=added("n_updated"),
            n_deleted=added("n_deleted"),
            n_quarantined=added("n_quarantined") or 0,
        )
