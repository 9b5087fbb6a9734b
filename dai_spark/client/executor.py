"""Which executor this process belongs to, and which task it runs: found, not configured."""

import os
import socket
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Optional, Tuple

from dai_spark.host.cache_folder import private_folder
from dai_spark.sidecar.process import is_alive, process_start_time

__all__ = ["ExecutorContext", "ProcessId", "current_executor"]


@dataclass(frozen=True)
class ProcessId:
    """A process, told from another that has its number later.

    Attributes
    ----------
    pid : int
    start_time : int or None
        In clock ticks since boot; None where this system does not tell.
    """

    pid: int
    start_time: Optional[int]

    @classmethod
    def of(cls, pid: int) -> "ProcessId":
        """The process that has this number now."""
        return cls(pid, process_start_time(pid))

    def is_alive(self) -> bool:
        """Whether this very process has not ended."""
        return is_alive(asdict(self))


@dataclass(frozen=True)
class ExecutorContext:
    """Where this process scores.

    Attributes
    ----------
    folder : Path
        Owner-only folder of the executor (or of this process, without Spark).  Sidecars have
        their run folders in it.
    owner : ProcessId
        Whose end is the sidecar's: the executor's JVM, or the local caller.
    log_folder : Path or None
        Beside the executor's own log, where that is known; None puts it into the run folder.
    host : str
    task : str
        What errors and the sidecar's log call it: ``partition 3 (stage 1, attempt 0)``.
    task_attempt : str or None
        Spark's own number of the attempt, which no other of the application has; None without
        Spark.  A task's several functions run in several Python workers, and all have this one.
    """

    folder: Path
    owner: ProcessId
    log_folder: Optional[Path]
    host: str
    task: str
    task_attempt: Optional[str] = None


def current_executor() -> ExecutorContext:
    """Find out where this process scores.

    An executor has several pyspark daemons (one for each API and each Connect session), each with
    a process group of its own, so neither a parent nor a group tells which executor this is.
    ``SPARK_LOCAL_DIRS`` in a Python worker's environment does: one for each executor, the same in
    all its daemons, on every cluster manager.
    """
    local_dirs = os.environ.get("SPARK_LOCAL_DIRS", "")
    executor_folder = next((Path(d) for d in local_dirs.split(",") if d and Path(d).is_dir()), None)
    task = _task()
    if executor_folder is None or task is None:
        pid = os.getpid()
        owner = ProcessId.of(pid)
        # Containers that share the folder may have equal process ids, and start at one moment.
        name = f"dai_spark-{os.getuid()}-{pid}-{owner.start_time}{_namespace()}"
        root = Path(tempfile.gettempdir()) / name
        return ExecutorContext(
            private_folder(root, "TMPDIR"), owner, None, socket.gethostname(), "a local process"
        )
    jvm = _jvm_pid()
    return ExecutorContext(
        private_folder(executor_folder / f"dai_spark-{os.getuid()}", "spark.local.dir"),
        ProcessId.of(jvm),
        _log_folder(),
        socket.gethostname(),
        *task,
    )


def _namespace() -> str:
    try:
        return f"-{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        # Not Linux, where there are no others.
        return ""


def _task() -> Optional[Tuple[str, str]]:
    # Only a Python worker has a task; a process that never imported pyspark is none.
    if "pyspark" not in sys.modules:
        return None
    from pyspark import TaskContext

    context = TaskContext.get()
    if context is None:
        return None
    name = (
        f"partition {context.partitionId()} "
        f"(stage {context.stageId()}, attempt {context.attemptNumber()})"
    )
    return name, str(context.taskAttemptId())


def _jvm_pid() -> int:
    """The executor's JVM: the nearest ancestor that is a java, else the direct parent.

    A worker is the JVM's child (``spark.python.use.daemon=false``) or its grandchild.
    """
    pid = os.getppid()
    while pid > 1:
        try:
            name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
            status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:
            break
        if name == "java":
            return pid
        pid = int(status.rpartition(")")[2].split()[1])
    return os.getppid()


def _log_folder() -> Optional[Path]:
    # YARN names the container's; standalone and local-cluster run the executor in the folder
    # that its own stdout and stderr are written to.
    named = os.environ.get("LOG_DIRS", "").split(",")[0]
    if named and Path(named).is_dir():
        return Path(named)
    working = Path.cwd()
    if (working / "stderr").is_file() and (working / "stdout").is_file():
        return working
    return None
