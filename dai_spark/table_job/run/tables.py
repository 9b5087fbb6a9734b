"""RunTables: the source and the target of a run, before it holds the lock and under it."""

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Callable, Iterator, Optional

from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.source import Source
from dai_spark.table_job.table_place import check_apart
from dai_spark.table_job.targets.base import Target
from dai_spark.table_job.targets.choose import target_of
from dai_spark.table_job.work_folder.job_lock import JobLock
from dai_spark.table_job.work_folder.location import work_folder

__all__ = ["RunTables"]


@dataclass(frozen=True)
class RunTables:
    """Source and target, as they were when the run looked at them.

    Lives on the driver.  What is changed is done under the lock, by tables that were looked at
    under the lock: another run may have made, filled or repaired the target until then.

    Attributes
    ----------
    spark : SparkSession
    job : TableJob
    source : Source
    target : Target
    lock : JobLock or None
        None before the run holds it, in a dry run, and over Spark Connect.
    """

    spark: Any
    job: TableJob
    source: Source
    target: Target
    lock: Optional[JobLock] = None

    @classmethod
    def open(cls, spark: Any, job: TableJob) -> "RunTables":
        """Find both tables, so that what their names alone tell is refused before any wait.

        Runs on the driver; reads metadata.

        Parameters
        ----------
        spark : SparkSession
        job : TableJob

        Raises
        ------
        OptionError, TableJobError
            There is no such source, both are the same table, or the target's format cannot keep the
            mode's promise.
        """
        target = target_of(spark, job)
        check_apart(
            spark,
            job.source,
            job.target,
            source_options=job.source_options,
            target_options=job.target_options,
        )
        if job.quarantine is not None:
            check_apart(spark, job.source, job.quarantine, "Source and quarantine")
            check_apart(spark, job.quarantine, job.target, "Quarantine and target")
        target.check_mode()
        source = Source.of(spark, job)
        if spark.conf.get("spark.sql.caseSensitive", "false") != "true":
            job = job.with_names_of(source.frame.columns)
        return cls(spark, job, source, target)

    @contextmanager
    def locked(self, on_message: Callable[[str], None]) -> "Iterator[RunTables]":
        """Hold the job's lock, and give the tables as they are under it.

        Parameters
        ----------
        on_message : callable
            Is told of a run that is waited for, and over Spark Connect that there is no lock.

        Raises
        ------
        OverlapError
            Another run holds the lock.
        """
        job, work = self.job, work_folder(self.spark, self.job, self.target.table)
        if work is None:
            on_message("over Spark Connect nothing keeps two runs of a job apart")
            yield self.with_new_target()
            return
        lock = JobLock(
            work / "lock", job.job_name, job.on_overlap, job.overlap_timeout_s, on_message
        )
        with lock:
            # A source that was pinned before a long wait would be scored as it was then.
            source = Source.of(self.spark, job) if lock.has_waited else self.source
            yield replace(self, source=source, lock=lock).with_new_target()

    def with_new_target(self) -> "RunTables":
        """Return the same tables with the target looked at anew.

        Raises
        ------
        OptionError, TableJobError
        """
        before_commit = None if self.lock is None else self.lock.check
        return replace(self, target=target_of(self.spark, self.job, before_commit))
