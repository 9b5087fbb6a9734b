"""What bounds memory here, as clauses for errors that may be, or are, of too little of it."""

import os
import resource

from dai_spark.host.cgroup import memory_kills, memory_limit_bytes

__all__ = ["KernelKills", "addresses_limit"]

_RAISE = (
    "raise spark.executor.memoryOverhead on YARN and Kubernetes, elsewhere the limit of the "
    "container or service that it runs in, or lower max_scorers or batch_rows"
)


class KernelKills:
    """Whether the kernel has killed a process here, for want of memory, since this was made.

    Runs in a Python worker, or in a local process, whose control group is that of its sidecar.
    """

    def __init__(self) -> None:
        self._n_before = memory_kills()

    def clause(self) -> str:
        """Of a process that ended: how much memory it may have, unless it was surely not that."""
        limit_bytes = memory_limit_bytes()
        n_now = memory_kills()
        if n_now is None or self._n_before is None:
            if limit_bytes is None:
                return ""
            return (
                f" (the cgroup here has {limit_bytes / 1e6:,.0f} MB of memory: give it more if "
                "this is for want of memory)"
            )
        if n_now == self._n_before:
            return ""
        if limit_bytes is None:
            return (
                " (out of memory: the kernel has killed a process, since this host had no more; "
                "give the host more, or lower max_scorers or batch_rows)"
            )
        return (
            " (out of memory: the kernel has killed a process of this container (cgroup), which "
            f"may have {limit_bytes / 1e6:,.0f} MB; {_RAISE})"
        )


def addresses_limit() -> str:
    """A clause for errors that may be of too little memory; empty where no limit holds here.

    Spark limits the addresses of its Python workers, and what a worker starts inherits the limit.
    """
    limit_bytes = resource.getrlimit(resource.RLIMIT_AS)[0]
    if limit_bytes == resource.RLIM_INFINITY:
        return ""
    limit = f"{limit_bytes / (1 << 20):,.0f} MB of memory addresses"
    if "PYSPARK_EXECUTOR_MEMORY_MB" in os.environ:
        return (
            f" (a process here may have {limit}, which is spark.executor.pyspark.memory divided by "
            "spark.executor.cores: raise it if this is for want of memory)"
        )
    return f" (a process here may have {limit}, set by ulimit or spark.executor.pyspark.memory)"
