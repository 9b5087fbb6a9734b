"""score_table: source table, scored, to target table, with everything checked before it begins."""

import dataclasses
import os
import time
from typing import TYPE_CHECKING, Any, Callable, Optional, Sequence, Union

from dai_spark.driver import progress
from dai_spark.driver.dataframe import scored_frame
from dai_spark.driver.metrics import MetricsSum
from dai_spark.driver.prepare import prepare, read_with_spark
from dai_spark.driver.session import active
from dai_spark.environment import PackedEnvironment
from dai_spark.errors import TableJobError, from_spark
from dai_spark.options import ScoringOptions
from dai_spark.pipeline import ScoringPipeline
from dai_spark.plan import ScoringPlan
from dai_spark.request import ScoringRequest
from dai_spark.table_job.report import Report
from dai_spark.table_job.table import TableName
from dai_spark.table_job.target import Target

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

__all__ = ["score_table"]

_PREVIEW_ROWS = 5


def score_table(
    pipeline: Union[str, "os.PathLike[str]", ScoringPipeline],
    env: Union[str, "os.PathLike[str]", PackedEnvironment, None] = None,
    *,
    source: str,
    target: str,
    mode: str = "fail",
    keep: Optional[Sequence[str]] = None,
    dry_run: bool = False,
    spark: "Optional[SparkSession]" = None,
    license: Optional[str] = None,
    license_file: Optional[str] = None,
    options: Optional[ScoringOptions] = None,
    say: Optional[Callable[[str], None]] = None,
    **words: Any,
) -> Report:
    """Score a table into a table: what ``jobs/score_table.py`` calls.

    Runs on the driver.  Before anything is scored it checks the target against the mode, loads the
    pipeline on an executor (or remembers that it did), and checks all columns.

    Parameters
    ----------
    pipeline, env, spark, license, license_file, options, say, **words
        See `dai_spark.score_udf`.
    source, target : str
        A catalog table (``db.table``) or ``parquet:PATH``.
    mode : {"fail", "append", "overwrite"}, default "fail"
        What is done with a target that exists.
    keep : sequence of str, optional
        Source columns to carry through, in this order.  By default all.
    dry_run : bool, default False
        Check everything, score five rows, write nothing.

    Returns
    -------
    Report

    Raises
    ------
    TableExistsError, TableJobError
        Of source and target.
    ColumnError, OptionError, PipelineError, EnvironmentFault, LicenseError, SidecarError,
    ScoringError
    """
    begun = time.monotonic()
    say = say or progress.tell
    session = active(spark)
    read_from = TableName.of(source)
    write_to = Target(TableName.of(target), mode)
    request = ScoringRequest.of(
        pipeline, env, license, license_file, options, words, read_with_spark(session)
    )
    existing = write_to.check(session, read_from)
    frame = read_from.read(session)
    plan = prepare(session, request, say, probe=dry_run)
    metrics = MetricsSum(session)
    scored = scored_frame(frame, plan, keep, "prediction", say, f"Table {read_from.text}", metrics)
    if existing is not None:
        write_to.check_schema(existing, scored.schema)
    preparing_s = time.monotonic() - begun

    begun = time.monotonic()
    try:
        preview = _preview(scored) if dry_run else ()
        n_rows = None if dry_run else _write(session, scored, write_to)
    except Exception as error:
        found = from_spark(error)
        if found is not None:
            raise found from None
        raise TableJobError(
            f"Spark could not score {read_from.text} into {write_to.table.text}: "
            f"{str(error).strip().partition(chr(10))[0]}",
            str(error),
        ) from error
    scoring_s = time.monotonic() - begun
    report = _report(request, plan, read_from, write_to, n_rows, preparing_s, scoring_s, preview)
    return dataclasses.replace(report, metrics=metrics.value)


def _preview(scored: "DataFrame") -> "tuple[str, ...]":
    from pyspark.sql import functions as F

    # DataFrame.toJSON does not exist over Connect.
    texts = scored.limit(_PREVIEW_ROWS).select(F.to_json(F.struct("*")).alias("row"))
    return tuple(row["row"] for row in texts.collect())


def _write(spark: Any, scored: "DataFrame", target: Target) -> int:
    from pyspark.sql import Observation
    from pyspark.sql import functions as F

    counted = Observation("dai_spark")
    observed = scored.observe(counted, F.count(F.lit(1)).alias("n_rows"))
    with progress.show_progress(spark):
        target.write(observed)
    return int(counted.get["n_rows"])


def _report(
    request: ScoringRequest,
    plan: ScoringPlan,
    source: TableName,
    target: Target,
    n_rows: Optional[int],
    preparing_s: float,
    scoring_s: float,
    preview: "tuple[str, ...]",
) -> Report:
    assert plan.described is not None
    return Report(
        source=source.text,
        target=target.table.text,
        mode=target.mode,
        pipeline=plan.pipeline.label,
        experiment_id=request.pipeline.experiment_id,
        pipeline_digest=plan.pipeline.digest,
        environment=plan.environment.label,
        columns=tuple(plan.wanted()),
        prediction=tuple(name for name, _ in plan.described.output),
        n_rows=n_rows,
        preparing_s=preparing_s,
        scoring_s=scoring_s,
        dry_run=n_rows is None,
        preview=preview,
    )
