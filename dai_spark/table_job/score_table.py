"""score_table: source table, scored, to target table, with everything checked before it begins."""

import dataclasses
import os
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.driver.open_request import open_request
from dai_spark.driver.progress.interrupt import ends_with_interrupt
from dai_spark.driver.progress.messages import log_message
from dai_spark.driver.session import active
from dai_spark.driver.spark_errors.telling import telling
from dai_spark.plan.request import ScoringRequest
from dai_spark.table_job.report.outcome import refusing
from dai_spark.table_job.report.report import Report
from dai_spark.table_job.run.batch import run_batch
from dai_spark.table_job.run.stream import run_stream
from dai_spark.table_job.run_events import RunEvents
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.settings.secrets import hiding_secrets
from dai_spark.table_job.table_place import absolute

if TYPE_CHECKING:
    from pyspark.sql import SparkSession
    from typing_extensions import Unpack

    from dai_spark.table_job.settings.job_arguments import JobArguments

__all__ = ["score_table"]


def score_table(
    pipeline: Union[str, "os.PathLike[str]", ScoringPipeline],
    env: Union[str, "os.PathLike[str]", PackedEnvironment, None] = None,
    *,
    source: str,
    target: str,
    spark: "Optional[SparkSession]" = None,
    license: Optional[str] = None,
    on_message: Optional[Callable[[str], None]] = None,
    progress: bool = True,
    **settings: "Unpack[JobArguments]",
) -> Report:
    """Score a table into a table: what ``jobs/score_table.py`` calls.

    Runs on the driver.  Before anything is scored it checks the target against the mode, loads the
    pipeline on an executor (or remembers that it did), and checks all columns and the key.  A run
    that is repeated writes nothing twice; one that was killed is finished by its repetition.

    Parameters
    ----------
    pipeline, env
        See `dai_spark.score_udf`.
    source, target : str
        A catalog table (``lake.db.table``) or ``FORMAT:PATH``.
    spark, license, on_message
        See `dai_spark.score_udf`.
    progress : bool, default True
        Show how far the job is: a bar on a terminal, else a line now and then.
    **settings
        Fields of `dai_spark.table_job.settings.job.TableJob` (mode, key, keep, where, incremental,
        quarantine, dry_run, ...) and of `dai_spark.ScoringOptions`.

    Returns
    -------
    Report

    Raises
    ------
    OptionError
        A keyword that does not exist, a value that cannot be meant, or two that exclude each other.
    TableExistsError, TableJobError
        Something is wrong with source or target; the error's `status` is ``"refused"`` where
        nothing was scored yet.
    BadRowsError, DriftError
        The target is as it was.
    OverlapError
        Another run of the job is at work.
    ColumnError, PipelineError, PackedEnvironmentError, LicenseError, SidecarError, ScoringError
    """
    on_message = on_message or log_message
    with refusing():
        job = TableJob.of(
            {
                **settings,
                "pipeline": _text(pipeline),
                "env": _text(env),
                "source": source,
                "target": target,
            }
        )
        session = active(spark)
        # Once, before anything asks where a table lies.
        job = dataclasses.replace(
            job,
            source=absolute(session, job.source),
            target=absolute(session, job.target),
            quarantine=None if job.quarantine is None else absolute(session, job.quarantine),
            # A name that the job has from its target is the same for each spelling of it.
            job_name="" if job.has_default_name else job.job_name,
        )

    def make_request() -> ScoringRequest:
        return open_request(
            session,
            pipeline,
            env,
            license=license,
            license_file=job.license_file,
            options=job.options,
            overrides={},
            on_message=on_message,
        )

    run = run_stream if job.incremental == "stream" else run_batch
    with refusing():
        events = RunEvents.of(session, job, on_message)
    events.started()
    try:
        what = f"The run of job {job.job_name} failed"
        with ends_with_interrupt(session), hiding_secrets(job), telling(what):
            report = run(session, job, make_request, on_message, progress)
    except BaseException as error:
        events.failed(error)
        raise
    events.completed(report)
    return report


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(os.fspath(getattr(value, "path", value)))
