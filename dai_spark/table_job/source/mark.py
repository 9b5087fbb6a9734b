"""Mark: how far a job has come, as the target's own commits tell it."""

from dataclasses import dataclass, replace
from typing import Optional

from dai_spark.errors import TableJobError
from dai_spark.table_job.lineage import RunRecord, Scope
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.changes import check_feed
from dai_spark.table_job.source.moment import moment_of
from dai_spark.table_job.source.source import Source
from dai_spark.table_job.targets.base import Target
from dai_spark.table_job.targets.kept_marks import kept_mark

__all__ = ["Mark", "check_one_pipeline", "scope_of"]


def scope_of(source: Source, job: TableJob) -> Scope:
    """Which rows a job takes, whatever it is called.

    Parameters
    ----------
    source : Source
    job : TableJob
    """
    return Scope(
        source=source.identity,
        incremental="changes" if _follows(job) else job.incremental or "",
        where=(job.where or "").strip(),
        since=(job.since or "").lower(),
        columns=dict(job.columns),
        key=tuple(name.lower() for name in job.key) if _follows(job) else (),
    )


def _follows(job: TableJob) -> bool:
    """Whether the target is as the source was, behind the run: changes go on from there."""
    is_full = job.mode == "merge" and job.delete_missing and not job.incremental
    return is_full or job.incremental == "changes"


def check_one_pipeline(target: Target, pipeline_digest: str) -> None:
    """Refuse a pipeline that takes turns with another one: each would score all rows again.

    Runs on the driver; reads the target's commits.

    Parameters
    ----------
    target : Target
    pipeline_digest : str
        Digest of the pipeline that scores.

    Raises
    ------
    TableJobError
        This pipeline has written the target, and another one after it.
    """
    records = [record for record in target.commits.records if record is not None]
    mine = next((r for r in records if r.pipeline_digest == pipeline_digest), None)
    if mine is None or mine is records[0]:
        return
    other = records[0]
    raise TableJobError(
        f"Two pipelines take turns in {target.table.text}: this one has scored run {mine.run_id} "
        f"({mine.scored_at}), another one ({other.pipeline}) after it run {other.run_id} of "
        f"job {other.job_name}; each would score all rows again each time. Give each a target of "
        "its own; to come back to this pipeline for good, run once with --mode merge and without "
        "--incremental."
    )


@dataclass(frozen=True)
class Mark:
    """Where a run of ``--incremental since`` or ``changes`` goes on.

    A mark belongs to source, filter, columns and pipeline, and not to the job's name.

    Attributes
    ----------
    record : RunRecord or None
        The run that has left it; None where there is none, so that all rows are new.
    takes_all : str
        Why all rows are scored again though there was a run; empty where only new ones are.
    said : str or None
        What the user has said in place of a run.
    """

    record: Optional[RunRecord] = None
    takes_all: str = ""
    said: Optional[str] = None

    @classmethod
    def of(cls, source: Source, target: Target, job: TableJob, pipeline_digest: str) -> "Mark":
        """Find the mark of a job in its target.

        Runs on the driver; reads the target's commits.

        Parameters
        ----------
        source : Source
        target : Target
        job : TableJob
        pipeline_digest : str
            Digest of the pipeline that scores.

        Raises
        ------
        TableJobError
            There is one, and it says nothing of the rows that this run would take.
        """
        try:
            found = cls._found(source, target, job, pipeline_digest)
        except TableJobError:
            if job.since_mark is None:
                raise
            return cls(said=job.since_mark)
        if found.record is None or found.takes_all:
            return cls(said=job.since_mark) if job.since_mark is not None else found
        return found

    @classmethod
    def _found(cls, source: Source, target: Target, job: TableJob, pipeline_digest: str) -> "Mark":
        scope = scope_of(source, job)
        if job.incremental == "changes":
            check_feed(target.spark, source)
            _check_where(source, job)
        found = target.commits.newest(lambda record: record.scope == scope)
        if found is not None:
            record, may_be_gone = found
        elif target.commits.are_all:
            return _first(target, job, scope)
        else:
            record, may_be_gone = _kept(target, job, scope), False
        if job.incremental == "changes":
            _check_created_once(source, record)
        if record.pipeline_digest != pipeline_digest:
            return _other_pipeline(target, job, record, pipeline_digest)
        if may_be_gone and target.holds_rows(record.run_id) is False:
            if job.mode == "append":
                raise TableJobError(
                    f"The rows of run {record.run_id}, which has left the mark, are no longer in "
                    f"{target.table.text}: somebody has deleted or overwritten them; give "
                    "--since-mark VALUE to go on from there, or another --target."
                )
            return cls(record, f"the rows of run {record.run_id} are no longer there")
        return cls(record)


def _check_created_once(source: Source, record: RunRecord) -> None:
    if record.source_id is not None and record.source_id != source.table_id:
        raise TableJobError(
            f"{source.table.text} was created anew since run {record.run_id}, so its log does not "
            f"tell what became of the rows that it had; {_FULL_MERGE}."
        )


def _check_where(source: Source, job: TableJob) -> None:
    if job.where is not None and moment_of(source, replace(job, columns={})) != "":
        raise TableJobError(
            f"--where {job.where} lets other rows through at another time, of which the log of "
            f"{source.table.text} tells nothing; use --mode merge --delete-missing with "
            "--incremental missing, or without."
        )


_FULL_MERGE = (
    "bring the target up to date once with --mode merge --delete-missing and without --incremental"
)


def _other_pipeline(target: Target, job: TableJob, record: RunRecord, pipeline_digest: str) -> Mark:
    if job.mode == "append":
        raise TableJobError(
            f"The rows of {target.table.text} up to {record.high_water_mark} were scored by "
            f"another pipeline ({record.pipeline}, run {record.run_id}); to score them again use "
            f"--mode merge, to go on with this one give --since-mark '{record.high_water_mark}'."
        )
    check_one_pipeline(target, pipeline_digest)
    return Mark(record, f"another pipeline ({record.pipeline}) has scored run {record.run_id}")


def _kept(target: Target, job: TableJob, scope: Scope) -> RunRecord:
    try:
        return kept_mark(target, scope)
    except TableJobError as error:
        go_on = (
            "give --since-mark VALUE (a value below all, where it has never run), or use "
            "--incremental missing with --key"
            if job.incremental == "since"
            else _FULL_MERGE
        )
        raise TableJobError(f"{error.message}; {go_on}.", error.details) from None


def _first(target: Target, job: TableJob, scope: Scope) -> Mark:
    """No run has left this mark; another one of the job, or of its rows, may have left another."""

    def is_akin(record: RunRecord) -> bool:
        theirs = record.scope
        if theirs is None:
            return False
        same_rows = replace(theirs, incremental="", since="", key=())
        return (
            record.job_name == job.job_name
            or (record.is_default_name and job.has_default_name)
            or same_rows == replace(scope, incremental="", since="", key=())
        )

    found = target.commits.newest(is_akin)
    if found is None:
        return Mark()
    other, _ = found
    assert other.scope is not None
    differs = "; ".join(scope.differences(other.scope))
    if job.mode == "merge" and job.incremental == "since":
        return Mark(takes_all=f"run {other.run_id} was another one ({differs})")
    go_on = (
        "--since-mark VALUE to go on from a value" if job.incremental == "since" else _FULL_MERGE
    )
    raise TableJobError(
        f"{target.table.text} holds rows of run {other.run_id}, which was another one: {differs}. "
        f"It says nothing of what this run has to do; {_other_name(job, other)}{go_on}."
    )


def _other_name(job: TableJob, other: RunRecord) -> str:
    """How to say that these are two jobs, where they have one name."""
    is_same = other.job_name == job.job_name or other.is_default_name
    return "give a job of its own a --job-name, or " if is_same else "give "
