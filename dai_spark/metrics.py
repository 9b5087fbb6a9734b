"""ScoringMetrics: what scoring took, of one task or summed over many."""

from dataclasses import dataclass

__all__ = ["ScoringMetrics"]


@dataclass(frozen=True)
class ScoringMetrics:
    """What scoring took.  Adding two gives the metrics of both.

    Attributes
    ----------
    n_tasks : int
        Tasks that had rows to score.
    n_rows, n_batches : int
        Answered by the pipeline.
    n_failures : int
        Batches that the pipeline raised on.
    n_misfits : int
        Values that the pipeline could not be given unchanged: ``on_cast`` says what it got.
    n_scorers : int
        Connections: one a task, more where scorers retire.
    n_loads : int
        How often `Scorer()` was constructed for these tasks: once an executor, or once a scorer
        where the pipeline does not bear a fork.
    load_s : float
        Seconds of those constructions.
    starting_s : float
        Until scorers were ready, as tasks waited: unpacking, loading and queueing included.
    waiting_s : float
        That tasks waited for answers.
    scoring_s : float
        In the scorers: Arrow to pandas, the pipeline, and back.
    sent_bytes, received_bytes : int
        Between Python workers and scorers.
    peak_memory_bytes : int
        Memory of the largest scorer; the larger of two when added.
    """

    n_tasks: int = 0
    n_rows: int = 0
    n_batches: int = 0
    n_failures: int = 0
    n_misfits: int = 0
    n_scorers: int = 0
    n_loads: int = 0
    load_s: float = 0.0
    starting_s: float = 0.0
    waiting_s: float = 0.0
    scoring_s: float = 0.0
    sent_bytes: int = 0
    received_bytes: int = 0
    peak_memory_bytes: int = 0

    def __add__(self, other: "ScoringMetrics") -> "ScoringMetrics":
        # Several times a call, so nothing is asked of `dataclasses` here.
        ours, theirs = vars(self), vars(other)
        summed = {name: value + theirs[name] for name, value in ours.items()}
        summed["peak_memory_bytes"] = max(self.peak_memory_bytes, other.peak_memory_bytes)
        return ScoringMetrics(**summed)

    def text(self) -> str:
        """One line for people."""
        loads = "once" if self.n_loads == 1 else f"{self.n_loads} times"
        loaded = f"loaded {loads} in {self.load_s:.1f} s" if self.n_loads else "found warm"
        return (
            f"{self.n_tasks} tasks, {self.n_batches:,} batches; {self.scoring_s:.1f} s in scorers, "
            f"{self.waiting_s:.1f} s waited for them; scorer {loaded}, at most "
            f"{self.peak_memory_bytes / 1e6:,.0f} MB"
            + (f"; {self.n_misfits:,} values did not fit (on_cast)" if self.n_misfits else "")
        )
