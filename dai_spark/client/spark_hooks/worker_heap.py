"""settle_heap: what a worker has imported is no longer looked through after each of its tasks."""

import gc
import sys

__all__ = ["settle_heap"]

_n_modules_settled = 0


def settle_heap() -> None:
    """Leave all objects of this process out of further garbage collections.

    Called at the end of a task, and does something where that has imported modules: for most
    workers once.  Between two tasks Spark's worker calls `gc.collect` (`manager` of pyspark.daemon,
    from Spark 3.5 to 4.3), which looks through every object of pyspark, pandas and pyarrow: some
    60 ms of a core, for a small task more than all else.  What comes later is collected as ever,
    and what has no reference left is freed as ever; only cycles that exist now stay as long as the
    process.  So garbage is collected first, and the caller has closed by then what it had open.
    """
    global _n_modules_settled
    if len(sys.modules) == _n_modules_settled:
        return
    _n_modules_settled = len(sys.modules)
    gc.collect()
    gc.freeze()
