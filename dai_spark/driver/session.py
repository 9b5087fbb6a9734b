"""Which Spark session scores, and what kind it is."""

import gc
import os
import sys
from typing import Any, List, Optional

from dai_spark.errors import OptionError
from dai_spark.plan.spark_versions import quiet_failed_queries

__all__ = ["active", "begin", "identity", "is_connect", "is_local", "java_class", "setting"]

# Set where spark-submit has settings of its own by then, and by Spark Connect, which has no bar.
_STARTED_OTHERWISE = ("PYSPARK_GATEWAY_PORT", "SPARK_REMOTE", "SPARK_CONNECT_MODE_ENABLED")


def active(spark: Optional[Any]) -> Any:
    """Return `spark`, or the one session that is open in this process where it is None.

    Runs on the driver, in any thread; it makes no session.

    Raises
    ------
    OptionError
        No session is open, or several are and Spark does not say which of them is meant.
    """
    if spark is not None:
        return spark
    found = [*_open_connect(), *_open_classic()]
    if not found:
        raise OptionError(
            "No SparkSession is open in this process; start one with "
            "SparkSession.builder.getOrCreate(), or give spark=."
        )
    if len(found) > 1:
        raise OptionError(
            f"{len(found)} Spark sessions are open in this process, and which one is meant cannot "
            "be told; give the one whose tables are scored, spark=."
        )
    return found[0]


def _open_classic() -> List[Any]:
    """The active session; where Spark says that none is, those of them that are known."""
    from pyspark.sql import SparkSession
    from pyspark.sql.utils import is_remote

    if is_remote():
        # What is there of classic sessions belongs to a server that runs in this process.
        return []
    found = SparkSession.getActiveSession()
    if found is not None:
        return [found]
    # Spark knows the active session by the JVM's thread.  A Python thread has one of its own, and
    # so has the main one after an interrupt, which closes its connection: none is active there.
    known = (SparkSession._instantiatedSession, SparkSession._activeSession)
    return list(
        {id(one): one for one in known if one is not None and not _is_stopped(one)}.values()
    )


def _is_stopped(spark: Any) -> bool:
    # Of a context that was stopped by itself, not by its session, the session stays where it was.
    context = spark.sparkContext._jsc
    return context is None or bool(context.sc().isStopped())


def _open_connect() -> List[Any]:
    """All sessions of Connect that this process holds and has not stopped.

    PySpark keeps the first one, and one for each thread.  What scores is sent to one session, and a
    column does not tell whose it is, so all of them count; only Python's memory knows them all.
    """
    module = sys.modules.get("pyspark.sql.connect.session")
    if module is None:
        return []

    def held() -> List[Any]:
        kind = module.SparkSession
        found = (one for one in gc.get_objects() if isinstance(one, kind))
        return [one for one in found if not one.is_stopped]

    if len(held()) > 1:
        # One that nobody has a name for any more may wait for the collector.
        gc.collect()
    return held()


def begin(name: str) -> Any:
    """Return the session that runs, or one that is made, for a command line.

    Where Spark is local and nobody has chosen a Python for its workers, they get this one: Spark
    itself would take the first ``python3`` on PATH, which may know nothing of pyarrow.  Spark's own
    progress bar, which it turns on for a Python that spark-submit has not started, is off: it
    would write over ours.  So is PySpark's record of a query that failed, tens of kilobytes of
    stack on standard error: the error tells the cause in a sentence, and ``--verbose`` the rest.
    """
    from pyspark.sql import SparkSession

    quiet_failed_queries()
    builder = SparkSession.builder.appName(name)
    if not any(variable in os.environ for variable in _STARTED_OTHERWISE):
        builder = builder.config("spark.ui.showConsoleProgress", "false")
    spark = builder.getOrCreate()
    is_chosen = "PYSPARK_PYTHON" in os.environ or spark.conf.get("spark.pyspark.python", None)
    if is_local(spark) and not is_chosen:
        spark.sparkContext.pythonExec = sys.executable
    return spark


def is_connect(spark: Any) -> bool:
    """Whether the session talks to a Spark Connect server: no JVM gateway, no SparkContext."""
    return type(spark).__module__.startswith("pyspark.sql.connect")


def is_local(spark: Any) -> bool:
    """Whether driver and executor are one process on this host, so that paths are shared."""
    if is_connect(spark):
        return False
    master = str(spark.sparkContext.master)
    return master == "local" or master.startswith("local[")


def java_class(jvm: Any, name: str) -> Any:
    """Return a class of the JVM by its whole name, with one question.

    Written as ``jvm.org.apache...`` each package is asked for, and whether it is a class that was
    imported: of each such name the JVM looks through all of its jars, some fifteen times a class.

    Parameters
    ----------
    jvm : JVMView
        As `SparkContext._jvm`.
    name : str
    """
    return getattr(jvm, name)


def setting(spark: Any, name: str) -> Optional[str]:
    """Return a setting of the session, or None where nobody has made it."""
    value: Optional[str] = spark.conf.get(name, None)
    return value


def identity(spark: Any) -> str:
    """What tells this session's shipped files from another's."""
    if is_connect(spark):
        return f"connect {spark.session_id}"
    return f"classic {spark.sparkContext.applicationId}"
