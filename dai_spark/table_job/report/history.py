"""PastRun: what is told of an earlier run, from the target's own commits and the job's figures."""

from dataclasses import dataclass
from typing import Any, Iterable, Mapping, Optional, Tuple

__all__ = ["MAX_RUNS", "PastRun", "past_runs"]

MAX_RUNS = 30


@dataclass(frozen=True)
class PastRun:
    """One run that was committed.

    Attributes
    ----------
    run_id, job_name, scored_at, mode, pipeline, source_version : str
        As the target's commit says.
    n_rows : int or None
        Rows written; None where the job's figures are gone, or the run was another job's.
    psi : float or None
        The largest index of a prediction against the run before.
    """

    run_id: str
    job_name: str
    scored_at: str
    mode: str
    pipeline: str
    source_version: str = ""
    n_rows: Optional[int] = None
    psi: Optional[float] = None


def past_runs(
    records: Iterable[Any], figures: Mapping[str, Mapping[str, Any]]
) -> Tuple[PastRun, ...]:
    """The last runs of a target, the oldest first.

    Parameters
    ----------
    records : iterable of RunRecord or None
        Newest first, as `Target.records` gives them; no more than needed are taken.
    figures : mapping of str to mapping
        ``n_rows`` and ``psi`` by run id.
    """
    found = []
    for record in records:
        if record is None:
            continue
        known = figures.get(record.run_id, {})
        found.append(
            PastRun(
                run_id=record.run_id,
                job_name=record.job_name,
                scored_at=record.scored_at,
                mode=record.mode,
                pipeline=record.pipeline,
                source_version=record.source_version or "",
                n_rows=known.get("n_rows"),
                psi=known.get("psi"),
            )
        )
        if len(found) == MAX_RUNS:
            break
    return tuple(reversed(found))
