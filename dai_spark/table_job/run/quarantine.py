"""Quarantine: the table of rows that could not be scored, with their input and the reason."""

from dataclasses import replace
from typing import TYPE_CHECKING, Sequence

from dai_spark.driver.schema import quoted
from dai_spark.table_job.lineage import RunRecord
from dai_spark.table_job.targets.choose import target_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from dai_spark.table_job.run.batch import BatchRun

__all__ = ["write_quarantine"]


def write_quarantine(
    run: "BatchRun",
    bad: "DataFrame",
    kept: Sequence[str],
    read: Sequence[str],
    error: str,
    record: RunRecord,
) -> None:
    """Append bad rows to the job's quarantine table, which is created if need be.

    Its columns are those that the target keeps, ``input`` (the pipeline's columns of the row, as
    JSON, so that one table serves pipelines with different columns), ``reason`` and ``scoring``
    (the lineage).  A run that is repeated adds nothing twice.

    Parameters
    ----------
    run : BatchRun
    bad : DataFrame
        Staged rows, with `kept`, `read` and `error`.
    kept, read : sequence of str
    error : str
        Column with the reason.
    record : RunRecord
    """
    from pyspark.sql import functions as F

    assert run.job.quarantine is not None
    job = replace(
        run.job,
        target=run.job.quarantine,
        target_options={},
        mode="append",
        partition_by=(),
        n_files=1,
        incremental=None,
        since=None,
        evolve_schema=False,
    )
    quarantine = target_of(run.spark, job)
    quarantine.check_mode()
    quarantine.recover()
    if quarantine.find(record.run_id) is not None:
        return
    values = F.struct(*[F.col(quoted(name)) for name in read])
    rows = bad.select(
        *[quoted(name) for name in kept],
        F.to_json(values, {"ignoreNullFields": "false"}).alias("input"),
        F.col(error).alias("reason"),
        record.column(),
    )
    quarantine.check_schema(rows.schema)
    quarantine.write(rows, record)
