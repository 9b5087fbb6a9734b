"""Checkpoint: where a stream keeps its place, held against the batches that the target holds."""

import re
from dataclasses import replace
from typing import Any, List, Optional, Sequence, Tuple

from dai_spark.errors import TableJobError
from dai_spark.table_job.lineage import COLUMN, RunRecord, Scope
from dai_spark.table_job.run.tables import RunTables
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.mark import scope_of
from dai_spark.table_job.targets.base import Target
from dai_spark.table_job.work_folder.hadoop_path import HadoopPath

__all__ = ["check_checkpoint", "run_id_of_batch", "stream_scope"]

_RUN_ID = re.compile(r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})-([0-9]+)")


def run_id_of_batch(query_id: str, batch_id: int) -> str:
    """Return the run id of a micro-batch: a new checkpoint counts its batches from 0 again.

    Parameters
    ----------
    query_id : str
        The checkpoint's own id.
    batch_id : int
    """
    return f"{query_id}-{batch_id}"


def stream_scope(tables: RunTables) -> Scope:
    """Which rows a stream takes, for the records of its batches.

    Parameters
    ----------
    tables : RunTables
    """
    return replace(scope_of(tables.source, tables.job), incremental="stream")


def check_checkpoint(tables: RunTables, job: TableJob) -> None:
    """Refuse a checkpoint that does not fit to the batches which the target holds.

    Runs on the driver, before the query starts; reads the target's commits.

    Parameters
    ----------
    tables : RunTables
        As they are under the lock.
    job : TableJob
        With its checkpoint.

    Raises
    ------
    TableJobError
        The checkpoint was moved, lost or put back, or the target was restored: rows would come
        twice, or never.
    """
    target, scope = tables.target, stream_scope(tables)
    if target.schema is None or job.checkpoint is None:
        return
    query_id, n_batches = _read(tables.spark, job.checkpoint)
    commits = target.commits
    written = _batches([r for r in commits.records if r is not None], query_id)
    if written and max(written) >= n_batches:
        raise TableJobError(
            f"{target.table.text} holds batch {max(written)} of this stream, of which the "
            f"checkpoint {job.checkpoint} knows nothing: it was put back or has lost files, and "
            f"its next batch would be taken for one that is written; {_way_out(job)}."
        )
    undone = [n for n in _batches(commits.undone, query_id) if n not in written]
    if undone:
        raise TableJobError(
            f"{target.table.text} was restored to a state before batch {min(undone)} of this "
            f"stream, which the checkpoint {job.checkpoint} takes for written; {_way_out(job)}."
        )
    if job.mode != "append" or written:
        return
    earlier = commits.newest(lambda record: record.scope == scope)
    found: Optional[str] = earlier[0].run_id if earlier is not None else None
    if found is None and not commits.are_all:
        found = _batch_in_rows(target, query_id)
    if found is not None and not (query_id and found.startswith(query_id)):
        raise TableJobError(
            f"{target.table.text} holds rows of this stream by another checkpoint (run {found}), "
            f"and {job.checkpoint} would begin with the source's first row: all would be there "
            "twice; give the checkpoint that the stream has had, or use --mode merge."
        )


def _way_out(job: TableJob) -> str:
    if job.mode == "merge":
        return "give a new --checkpoint, and the stream scores and merges all rows once more"
    return "give another --target and a new --checkpoint, or use --mode merge with a new one"


def _batches(records: Sequence[RunRecord], query_id: Optional[str]) -> List[int]:
    found = [_RUN_ID.fullmatch(record.run_id) for record in records]
    return [int(match[2]) for match in found if match is not None and match[1] == query_id]


def _batch_in_rows(target: Target, query_id: Optional[str]) -> Optional[str]:
    """The run id of another stream's batch among the rows, where the history is cut off."""
    from pyspark.sql import functions as F

    if target.holds_rows("") is None:
        return None
    run_id = F.col(f"{COLUMN}.run_id")
    rows = target.table.read(target.spark).where(run_id.rlike(f"^{_RUN_ID.pattern}$"))
    if query_id is not None:
        rows = rows.where(~run_id.startswith(query_id))
    found = rows.select(run_id).limit(1).collect()
    return str(found[0][0]) if found else None


def _read(spark: Any, checkpoint: str) -> "Tuple[Optional[str], int]":
    """The checkpoint's id (None for a new one), and how many batches it has begun."""
    folder = HadoopPath(spark, checkpoint)
    metadata = (folder / "metadata").read_json()
    if metadata is None:
        return None, 0
    numbers = [int(name) for name in (folder / "offsets").names() if name.isdigit()]
    return str(metadata.get("id")), max(numbers, default=-1) + 1
