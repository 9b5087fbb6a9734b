"""Why a sidecar did not come up or a scorer did not answer, as errors that stand alone as text."""

import contextlib
import json
import os
import resource
import subprocess
import time
from dataclasses import asdict
from typing import Any, Dict, Optional

from dai_spark.client.executor import ExecutorContext, ProcessId
from dai_spark.client.sidecar_handle import SidecarHandle, signal_name
from dai_spark.errors import (
    DaiSparkError,
    LicenseError,
    SidecarDiedError,
    SidecarStartError,
    SidecarTimeoutError,
    first_line,
)
from dai_spark.host.atomic_file import write_atomically
from dai_spark.plan.plan import ScoringPlan
from dai_spark.sidecar.log import END
from dai_spark.sidecar.process import is_alive
from dai_spark.sidecar.protocol import VERDICT_NAME

__all__ = [
    "died",
    "ended_while_loading",
    "hung",
    "loading_error",
    "memory_limit",
    "not_started",
    "remember_hang",
    "remembered",
]

# A start that failed is not tried again on this executor for so long.  Spark retries a task at
# once and several times; a user who has mended something comes later than that.
_LASTS_S = 60.0
# The kind of a verdict that a client leaves, beside those of the protocol's error objects.
_HUNG = "hung"
# With less than this a scorer does not find room for its working folder.
_NO_ROOM_BYTES = 1 << 20
# Far more than a process takes between the death of its children and its own.
_ENDING_S = 0.05


def remembered(
    plan: ScoringPlan, executor: ExecutorContext, sidecar: SidecarHandle
) -> Optional[DaiSparkError]:
    """The error of a start that failed on this executor a short while ago, if one did."""
    verdict = sidecar.verdict()
    if verdict is None or time.time() - verdict["time"] > _LASTS_S:
        return None
    if verdict["kind"] == _HUNG:
        # With more time it may load.
        is_longer = plan.options.start_timeout_s > verdict["limit_s"]
        return None if is_longer else hung(plan, executor, sidecar)
    return loading_error(verdict, plan, executor, sidecar)


def loading_error(
    verdict: Dict[str, Any], plan: ScoringPlan, executor: ExecutorContext, sidecar: SidecarHandle
) -> DaiSparkError:
    """The typed error for an error object of the protocol, of kind ``license`` or ``load``."""
    pipeline = plan.pipeline.label
    if verdict["kind"] == "license":
        found = "the one given was refused" if sidecar.license is not None else "none was found"
        return LicenseError(
            f"Pipeline {pipeline} wants a valid Driverless AI licence on {executor.host}: {found}; "
            "give one by license_file= (--license-file), or set DRIVERLESS_AI_LICENSE_FILE or "
            "DRIVERLESS_AI_LICENSE_KEY.",
            sidecar.log_tail(),
        )
    text = sidecar.clean(f"{verdict['type']}: {verdict['message']}")
    trace = sidecar.clean(verdict["traceback"])
    if "recipe" in text.lower() and "server" in text.lower():
        return SidecarStartError(
            f"Pipeline {pipeline} needs the H2O-3 recipe server, which dai_spark does not run (it "
            "wants Java and ports on every executor); train the experiment again without H2O-3 "
            "recipes.",
            trace,
        )
    return SidecarStartError(
        f"Scorer() of pipeline {pipeline} failed on {executor.host} in environment "
        f"{plan.environment.label}: {first_line(text, max_chars=300)}{memory_limit()}",
        trace,
    )


def hung(plan: ScoringPlan, executor: ExecutorContext, sidecar: SidecarHandle) -> DaiSparkError:
    """The error for a sidecar that was not ready within its limit."""
    return SidecarTimeoutError(
        f"The scorer of pipeline {plan.pipeline.label} was not loaded within "
        f"{plan.options.start_timeout_s:g} s on {executor.host}; raise start_timeout_s, or see "
        "below where it hangs.",
        sidecar.log_tail(),
    )


def remember_hang(plan: ScoringPlan, sidecar: SidecarHandle) -> None:
    """Leave a verdict, so that Spark's retries do not each wait for the same limit."""
    verdict = {"kind": _HUNG, "limit_s": plan.options.start_timeout_s, "time": time.time()}
    # Without room for it the next attempt waits again.
    with contextlib.suppress(OSError):
        write_atomically(sidecar.run_folder / VERDICT_NAME, json.dumps(verdict).encode("utf-8"))


def not_started(plan: ScoringPlan, executor: ExecutorContext, error: OSError) -> DaiSparkError:
    """The error for a sidecar of which no process came into being, for want of room or memory."""
    where = f": {error.filename}" if error.filename else ""
    return SidecarStartError(
        f"The sidecar of pipeline {plan.pipeline.label} could not be started on {executor.host} "
        f"({error.strerror or error}{where}); make room there, and start again{memory_limit()}."
    )


def ended_while_loading(
    plan: ScoringPlan,
    executor: ExecutorContext,
    sidecar: SidecarHandle,
    process: "subprocess.Popen[bytes]",
) -> DaiSparkError:
    """The error for a sidecar that ended and left no verdict."""
    try:
        status: Optional[int] = process.wait(timeout=1)
    except subprocess.TimeoutExpired:
        status = None
    if status is None:
        how = "ended"
    elif status < 0:
        how = f"was killed by signal {signal_name(-status)}"
    else:
        how = f"left with exit code {status}"
    return SidecarStartError(
        f"The sidecar of pipeline {plan.pipeline.label} {how} on {executor.host} before its scorer "
        f"was loaded (environment {plan.environment.label}){memory_limit()}"
        f"{_full_disk(executor, sidecar)}; the end of its log says why.",
        sidecar.log_tail(until=END),
    )


def died(
    plan: ScoringPlan,
    executor: ExecutorContext,
    sidecar: SidecarHandle,
    pid: Optional[int],
    during: str,
    sidecar_process: Optional[ProcessId] = None,
) -> DaiSparkError:
    """The error for a scorer whose connection closed without an answer.

    Parameters
    ----------
    plan : ScoringPlan
    executor : ExecutorContext
    sidecar : SidecarHandle
    pid : int or None
        The scorer's process id; None where it had not said it yet.
    during : str
        When that was, as an error says it: ``while it scored rows 0-9999 of partition 3``.
    sidecar_process : ProcessId, optional
        The scorer's parent, where that is known.
    """
    how = sidecar.exit_of(pid) if pid is not None else None
    last_words = f"scorer {pid} ended"
    if how is None and sidecar_process is not None and _lives(sidecar_process):
        # A sidecar writes no exit status of 0, with which scorers leave in order as well.
        how, last_words = "ended with no error code", ""
    cause = f"The scorer {how}." if how is not None else ""
    if how is None:
        how = "ended, together with its sidecar (killed from outside, or out of memory)"
        last_words = END
    return SidecarDiedError(
        f"The scorer of pipeline {plan.pipeline.label} {how} on {executor.host} {during}"
        f"{memory_limit()}{_full_disk(executor, sidecar)}; the end of its log is below.",
        sidecar.log_tail(until=last_words),
        cause=cause,
    )


def _lives(process: ProcessId) -> bool:
    if not is_alive(asdict(process)):
        return False
    # The kernel kills a sidecar's scorers while the sidecar itself is ending.
    time.sleep(_ENDING_S)
    return is_alive(asdict(process))


def memory_limit() -> str:
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


def _full_disk(executor: ExecutorContext, sidecar: SidecarHandle) -> str:
    # Said by us, since a log on that disk cannot say it.
    for folder in (executor.folder, sidecar.log.parent):
        with contextlib.suppress(OSError):
            found = os.statvfs(folder)
            if found.f_bavail * found.f_frsize < _NO_ROOM_BYTES:
                return f" (the disk of {folder} is full)"
    return ""
