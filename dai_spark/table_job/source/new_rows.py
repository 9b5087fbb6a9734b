"""NewRows: which rows of the source a run scores, and what the run must remember of them."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Callable, List, Optional, Tuple

from dai_spark.driver.schema import quoted
from dai_spark.errors import TableJobError
from dai_spark.table_job.lineage import COLUMN
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.changes import changes_between
from dai_spark.table_job.source.deleted_keys import deleted_keys
from dai_spark.table_job.source.known_rows import without_known
from dai_spark.table_job.source.mark import Mark, check_one_pipeline
from dai_spark.table_job.source.quarantined import quarantined
from dai_spark.table_job.source.since_column import SinceColumn
from dai_spark.table_job.source.source import Source
from dai_spark.table_job.table_name import FILE_FORMATS, TableName
from dai_spark.table_job.targets.base import Target
from dai_spark.table_job.targets.columns.names import named_like

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["NewRows"]


@dataclass(frozen=True)
class NewRows:
    """The rows of one run.

    Attributes
    ----------
    rows : DataFrame
        To be scored.
    deleted : DataFrame or None
        Keys of rows that the source no longer has.
    high_water_mark : str or None
        The largest value of the ``--since`` column, to be remembered with the commit.
    is_known_empty : bool
        Nothing can be new, as was seen without reading rows.
    """

    rows: "DataFrame"
    deleted: "Optional[DataFrame]" = None
    high_water_mark: Optional[str] = None
    is_known_empty: bool = False

    @classmethod
    def of(
        cls,
        source: Source,
        target: Target,
        job: TableJob,
        pipeline_digest: str,
        on_message: Callable[[str], None],
    ) -> "NewRows":
        """Find the rows that the job's ``--incremental`` asks for; all where it asks for none.

        Runs on the driver, with Spark jobs over the columns that decide alone.

        Parameters
        ----------
        source : Source
        target : Target
        job : TableJob
        pipeline_digest : str
            Digest of the pipeline that scores.
        on_message : callable
            Is told which rows are taken for new.

        Raises
        ------
        TableJobError, ColumnError
        """
        if job.incremental == "missing":
            new = cls(_missing(source, target, job, pipeline_digest, on_message))
        elif job.incremental == "since":
            new = _since(cls, source, target, job, pipeline_digest, on_message)
        elif job.incremental == "changes":
            new = _changes(cls, source, target, job, pipeline_digest, on_message)
        elif job.incremental == "quarantine":
            rows = quarantined(target.spark, source, target, job)
            new = cls(source.rows(job) if rows is None else rows, is_known_empty=rows is None)
        else:
            new = cls(source.rows(job))
        gone = deleted_keys(source, target, job) if job.delete_missing else new.deleted
        return replace(new, deleted=gone)


def _missing(
    source: Source,
    target: Target,
    job: TableJob,
    pipeline_digest: str,
    on_message: Callable[[str], None],
) -> "DataFrame":
    from pyspark.sql import functions as F

    rows = source.rows(job)
    digest = F.col(f"{quoted(COLUMN)}.pipeline_digest")
    known: List[DataFrame] = []
    if target.schema is not None and target.schema.fields:
        if COLUMN not in target.schema.fieldNames():
            raise TableJobError(
                f"The target {target.table.text} has no column {COLUMN!r} that would tell which "
                "pipeline a row's scores are from; write it with lineage, or use --incremental "
                "since."
            )
        scored = target.table.read(target.spark)
        other = scored.where(~digest.eqNullSafe(F.lit(pipeline_digest))).limit(1).count()
        if other and job.mode == "append":
            raise TableJobError(
                f"The target {target.table.text} holds rows that another pipeline has scored; "
                "to score them again and not twice use --mode merge."
            )
        if other:
            check_one_pipeline(target, pipeline_digest)
            on_message("rows that another pipeline has scored are scored again")
        known.append(scored.where(digest == pipeline_digest))
    if job.quarantine is not None:
        name = TableName.of(job.quarantine)
        if name.schema_if_exists(target.spark) is not None:
            bad = name.read(target.spark)
            known.append(bad.where(digest == pipeline_digest))
    for table in known:
        names = {name: named_like(name, table.columns) for name in job.key}
        keys = table.select(*[F.col(quoted(its)).alias(name) for name, its in names.items()])
        rows = rows.join(keys, on=list(job.key), how="left_anti")
    return rows.select(*[quoted(name) for name in source.rows(job).columns])


def _since(
    cls: "type[NewRows]",
    source: Source,
    target: Target,
    job: TableJob,
    pipeline_digest: str,
    on_message: Callable[[str], None],
) -> NewRows:
    assert job.since is not None
    rows = source.rows(job)
    # What lies below a view is not known.
    is_foreign = source.provider not in (*FILE_FORMATS, "delta", "iceberg")
    since = SinceColumn.of(rows, job.since, source.table.text, is_foreign)
    if job.since_mark is not None:
        since.check_said(target.spark, job.since_mark)
    mark, last = _high_water_mark(source, target, job, pipeline_digest, on_message)
    above = _above(since, mark, job)
    top = since.largest(rows, above, mark)
    if mark is not None:
        behind = f", and {job.lookback} behind it" if job.lookback is not None else ""
        on_message(f"rows with {since.name} above {mark}, as {last} says{behind}")
        rows = rows.where(above)
    if top is None:
        return cls(rows, is_known_empty=True, high_water_mark=mark)
    # Rows that arrive while this run reads are left to the next one.
    rows = rows.where(since.column <= since.literal(top))
    if job.lookback is not None and job.mode == "append":
        rows = without_known(rows, target, job)
    return cls(rows, high_water_mark=top)


def _above(since: SinceColumn, mark: Optional[str], job: TableJob) -> "Column":
    """Which rows are new, or may have come late."""
    from pyspark.sql import functions as F

    if job.lookback is not None:
        # Also in the run that has no mark yet: what does not fit is refused in the first one.
        least = since.before(mark or "0", job.lookback)
    if mark is None:
        return F.lit(True)
    return since.column > (since.literal(mark) if job.lookback is None else least)


def _changes(
    cls: "type[NewRows]",
    source: Source,
    target: Target,
    job: TableJob,
    pipeline_digest: str,
    on_message: Callable[[str], None],
) -> NewRows:
    mark = Mark.of(source, target, job, pipeline_digest)
    last = mark.record
    if last is None or last.source_version is None:
        return cls(source.rows(job))
    if mark.takes_all:
        on_message(f"all rows are scored, since {mark.takes_all}")
    if last.source_version == source.version:
        return cls(source.rows(job), is_known_empty=not mark.takes_all)
    on_message(
        f"changes of {source.table.text} from version {last.source_version} to {source.version}"
    )
    rows, deleted = changes_between(target.spark, source, job, last.source_version)
    return cls(source.rows(job) if mark.takes_all else rows, deleted)


def _high_water_mark(
    source: Source,
    target: Target,
    job: TableJob,
    pipeline_digest: str,
    on_message: Callable[[str], None],
) -> "Tuple[Optional[str], str]":
    """The value that new rows are above, and who says so."""
    found = Mark.of(source, target, job, pipeline_digest)
    if found.takes_all:
        on_message(f"all rows are scored, since {found.takes_all}")
    if found.said is not None:
        return found.said, "--since-mark"
    if found.record is None or found.takes_all:
        return None, ""
    return found.record.high_water_mark, f"run {found.record.run_id}"
