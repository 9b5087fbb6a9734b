"""memory_doubt: whether an executor's container has room for scorers beside its JVM."""

import re
from typing import Callable, Optional

from dai_spark.plan.plan import ScoringPlan

__all__ = ["memory_doubt"]

# Managers that end a container which outgrows its request.  Standalone workers limit nothing, and
# in local mode there is no container of Spark's.
_LIMITING = ("yarn", "k8s://")
_MIB = 1 << 20
# Spark's own defaults; the factor is of the executor's memory.
_HEAP = "1g"
_FACTOR = 0.10
_LEAST = "384m"
_UNITS = {"b": 1, "k": 1 << 10, "m": _MIB, "g": 1 << 30, "t": 1 << 40, "p": 1 << 50}


def memory_doubt(plan: ScoringPlan, setting: Callable[[str], Optional[str]]) -> Optional[str]:
    """Return a sentence where the scorers of an executor may outgrow its container, else None.

    Runs on the driver, before the job.  The scorer's size is the one that its description holds:
    measured when a task loaded it for the first time, in this or an earlier application.

    Parameters
    ----------
    plan : ScoringPlan
        With its description.
    setting : callable
        Gives a setting of the session by its name, or None.
    """
    if plan.described is None or not str(setting("spark.master") or "").startswith(_LIMITING):
        return None
    n_cores = int(setting("spark.executor.cores") or 1)
    n_slots = max(1, n_cores // int(setting("spark.task.cpus") or 1))
    n_scorers = min(n_slots, plan.options.max_scorers or n_slots)
    wanted_bytes = plan.described.memory_bytes * n_scorers
    python_bytes = _bytes(setting("spark.executor.pyspark.memory") or "0")
    given_bytes = _overhead_bytes(setting) + python_bytes
    if wanted_bytes <= given_bytes:
        return None
    # What Spark gives by default is for its own Python workers and the JVM.
    needed_mib = -(-(wanted_bytes - python_bytes + _bytes(_LEAST)) // _MIB)
    shared = (
        " (less while they share what was loaded)" if plan.described.start_method == "fork" else ""
    )
    return (
        f"The scorer has {plan.described.memory_bytes / 1e6:,.0f} MB when loaded, and an executor "
        f"runs up to {n_scorers} of them{shared}, where its container has "
        f"{given_bytes / 1e6:,.0f} MB beside the JVM; set spark.executor.memoryOverhead to "
        f"{needed_mib}m, or lower spark.executor.cores or max_scorers, lest the cluster end it."
    )


def _overhead_bytes(setting: Callable[[str], Optional[str]]) -> int:
    chosen = setting("spark.executor.memoryOverhead")
    if chosen:
        return _bytes(chosen)
    factor = float(setting("spark.executor.memoryOverheadFactor") or _FACTOR)
    least = _bytes(setting("spark.executor.minMemoryOverhead") or _LEAST)
    return max(int(_bytes(setting("spark.executor.memory") or _HEAP) * factor), least)


def _bytes(text: str) -> int:
    """Read a size as Spark does: a number with a unit, or of MiB."""
    found = re.fullmatch(r"(\d+)\s*([bkmgtp]?)b?", text.strip().lower())
    # Spark has refused what it cannot read when the application began.
    return int(found[1]) * _UNITS[found[2] or "m"] if found else 0
