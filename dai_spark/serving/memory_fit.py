"""How many scorers the memory of a control group holds, measured once one has scored."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from dai_spark.errors import OptionError
from dai_spark.host.cgroup import cpus_here, memory_limit_bytes

__all__ = ["MemoryFit", "MemoryOfScorers"]

# What stays free: for rows, answers and what a scorer takes when batches are large.
_FREE_SHARE = 0.1


@dataclass(frozen=True)
class MemoryOfScorers:
    """What processes take, measured.

    Attributes
    ----------
    server_bytes : int
        Resident memory of this process.
    loaded_bytes : int
        Of the sidecar, which holds the loaded pipeline.
    scorer_bytes : int
        Of one scorer, without what it shares with the sidecar.
    """

    server_bytes: int
    loaded_bytes: int
    scorer_bytes: int

    @classmethod
    def of(cls, sidecar: int, scorer: int) -> "MemoryOfScorers":
        """Measure this process, and those of a scorer that has scored; reads a few small files.

        Parameters
        ----------
        sidecar, scorer : int
            Process ids.

        Raises
        ------
        OSError
            One of them has ended, or the system does not tell.
        """
        own = _bytes_of("self", "Rss")
        private = _bytes_of(str(scorer), "Private_Clean", "Private_Dirty")
        return cls(own, _bytes_of(str(sidecar), "Rss"), private)


@dataclass(frozen=True)
class MemoryFit:
    """How many scorers there are to be, and why.

    Attributes
    ----------
    n_scorers : int
    text : str
        A line for the log.
    """

    n_scorers: int
    text: str

    @classmethod
    def of(
        cls, n_wanted: int, memory: MemoryOfScorers, limit_bytes: Optional[int] = None
    ) -> "MemoryFit":
        """Bound the scorers by the memory of this process's control group.

        Parameters
        ----------
        n_wanted : int
            One a CPU.
        memory : MemoryOfScorers
        limit_bytes : int, optional
            By default the group's.

        Raises
        ------
        OptionError
            The memory does not hold one scorer.
        """
        cpus = cpus_here()
        why = f"{cpus.n_cpus} CPUs{' of the cgroup' if cpus.is_of_cgroup else ''}"
        limit_bytes = memory_limit_bytes() if limit_bytes is None else limit_bytes
        if limit_bytes is None:
            return cls(n_wanted, f"scorers: {n_wanted} ({why}, no limit of memory)")
        base_bytes = memory.server_bytes + memory.loaded_bytes
        free_bytes = limit_bytes * (1 - _FREE_SHARE) - base_bytes
        n_held = int(free_bytes // max(1, memory.scorer_bytes))
        if n_held < 1:
            least_bytes = (base_bytes + memory.scorer_bytes) / (1 - _FREE_SHARE)
            raise OptionError(
                f"The cgroup's limit of memory, {_mb(limit_bytes)}, does not hold the server "
                f"({_mb(memory.server_bytes)}), the loaded pipeline ({_mb(memory.loaded_bytes)}) "
                f"and one scorer ({_mb(memory.scorer_bytes)}) with a tenth to spare; give it "
                f"{_mb(least_bytes)}, and twice the pipeline where another one is to take over."
            )
        n_scorers = min(n_wanted, n_held)
        return cls(
            n_scorers,
            f"scorers: {n_scorers} ({why}; {_mb(limit_bytes)} of the cgroup hold {n_held} of "
            f"{_mb(memory.scorer_bytes)} beside the server's {_mb(memory.server_bytes)} and the "
            f"pipeline's {_mb(memory.loaded_bytes)})",
        )


def _bytes_of(process: str, *names: str) -> int:
    text = Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii", errors="replace")
    told = dict(line.split(":", 1) for line in text.splitlines()[1:] if ":" in line)
    return sum(int(told[name].split()[0]) * 1024 for name in names)


def _mb(n_bytes: float) -> str:
    return f"{n_bytes / 1e6:,.0f} MB"
