"""A batch: one run over a table as it is now, from its lock to its report."""

import time
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Callable

from dai_spark.driver.metrics_sum import MetricsSum
from dai_spark.driver.prepare import prepare
from dai_spark.driver.spark_errors.telling import said_by, telling
from dai_spark.errors import DaiSparkError, TableJobError
from dai_spark.host.uri import without_password
from dai_spark.plan.request import ScoringRequest
from dai_spark.table_job.contract.acceptance import Acceptance
from dai_spark.table_job.contract.read import read_contract
from dai_spark.table_job.report.check import FAILED, OK, WARNING, Check
from dai_spark.table_job.report.example_rows import example_distributions
from dai_spark.table_job.report.history import past_runs
from dai_spark.table_job.report.html_report import check_available
from dai_spark.table_job.report.outcome import refusing
from dai_spark.table_job.report.report import Report
from dai_spark.table_job.run.checks.preflight import (
    before_scoring,
    check_columns,
    check_demands_of_target,
    count_by_key,
    dry_run,
)
from dai_spark.table_job.run.checks.row_guard import guard_rows
from dai_spark.table_job.run.checks.verify import verify
from dai_spark.table_job.run.context import RunContext
from dai_spark.table_job.run.identity import committed_record, new_record, run_id_of
from dai_spark.table_job.run.summary import RunSummary, keep_report
from dai_spark.table_job.run.tables import RunTables
from dai_spark.table_job.run.write import write_rows
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.settings.secrets import hiding_secrets
from dai_spark.table_job.source.new_rows import NewRows
from dai_spark.table_job.targets.kept_marks import keep_mark
from dai_spark.table_job.work_folder.last_run import LastRun

__all__ = ["run_batch"]


def run_batch(
    spark: Any,
    job: TableJob,
    make_request: Callable[[], ScoringRequest],
    on_message: Callable[[str], None],
    shows_progress: bool = True,
) -> Report:
    """Do what the job says, and write its report, also where it failed.

    Runs on the driver, once a job.

    Parameters
    ----------
    spark : SparkSession
    job : TableJob
    make_request : callable
        Reads the pipeline, the environment and the licence.
    on_message : callable
        Is told what is being done.
    shows_progress : bool, default True
        Show how far the tasks are.

    Raises
    ------
    DaiSparkError
        See `dai_spark.score_table`.
    """
    with refusing(), telling(f"{without_password(job.source)} or the target cannot be opened"):
        contract = read_contract(spark, job.contract)
        request = make_request()
        begun_s = time.monotonic()
        tables = RunTables.open(spark, job)
        job = tables.job
    version = tables.source.version
    acceptance = Acceptance(spark, job, contract)
    summary = RunSummary(spark, job, request, MetricsSum(spark), version, begun_s, acceptance)
    try:
        with hiding_secrets(job):
            report = _run(tables, summary, on_message, shows_progress)
    except DaiSparkError as error:
        try:
            failed = summary.report(status=error.status, message=error.message)
            failed = replace(failed, details=error.details)
            keep_report(spark, job, failed)
        except DaiSparkError as second:
            # What went wrong first is what the user must read.
            on_message(f"the report could not be written either: {second.message}")
        raise
    keep_report(spark, job, report)
    return report


def _run(
    tables: RunTables, summary: RunSummary, on_message: Callable[[str], None], shows_progress: bool
) -> Report:
    """Lock, recover, look whether it is done, prepare, find new rows, check, write, compare."""
    job, request = summary.job, summary.request
    tables_named = f"{tables.source.table.text} and {tables.target.table.text}"
    with ExitStack() as stack:
        with refusing(), telling(f"The run of {tables_named} cannot begin"):
            if any(path.endswith(".html") for path in job.report):
                check_available()
            if not job.dry_run:
                tables = stack.enter_context(tables.locked(on_message))
                summary.source_version = tables.source.version
                tables.target.recover()
            run_id = run_id_of(tables, request)
            done = committed_record(tables, run_id)
            if done is not None:
                return summary.report(done, status="already done")
            tables.target.check_absent(run_id)
            begun = time.monotonic()
            plan = prepare(tables.spark, request, on_message, probe=job.dry_run)
            summary.shipping_s = time.monotonic() - begun
            record = new_record(tables, run_id, request, plan)
            new = NewRows.of(tables.source, tables.target, job, record.pipeline_digest, on_message)
            context = RunContext.of(
                tables,
                request,
                plan,
                replace(record, high_water_mark=new.high_water_mark),
                metrics=summary.metrics,
                on_message=on_message,
                on_reading=summary.tell_reading,
                shows_progress=shows_progress,
                contract=summary.acceptance.contract,
            )
            context.columns.tell(on_message)
            check_columns(context, new.rows)
            if job.dry_run:
                return _dry_run_report(context, new, summary)
            held = [] if new.is_known_empty else check_demands_of_target(context, new.rows)
            n_rows = 0 if new.is_known_empty else count_by_key(context, new.rows)
            n_rows = guard_rows(context, new, n_rows)
            summary.checks = before_scoring(context, n_rows, held)
            if n_rows == 0 and new.deleted is None and job.incremental:
                return summary.report(context.record, plan, status="nothing to do")

        preparing_s = summary.elapsed_s()
        result = write_rows(context, new, summary.acceptance)
        report = summary.report(context.record, plan, result, preparing_s=preparing_s)
        with telling(f"The scores are in {tables.target.table.text}, but what follows failed"):
            report = _verified(context, report)
            if job.target_branch is not None:
                report = _published(context, report)
                if report.checks[-1].outcome != OK:
                    # For the next run this one has written nothing.
                    return report
            _keep(context)
            return _compared(context, report)


def _published(context: RunContext, report: Report) -> Report:
    """Show readers what was written to a branch, unless a check has failed."""
    job = context.job
    has_failed = any(check.outcome == FAILED for check in report.checks)
    if job.publish and not has_failed:
        context.target.publish()
        found = f"branch {job.target_branch}, by one change of the table"
        return replace(report, checks=(*report.checks, Check("published", found, "", OK)))
    found = f"no: the rows are on branch {job.target_branch}, for you to look at"
    return replace(report, checks=(*report.checks, Check("published", found, "", WARNING)))


def _keep(context: RunContext) -> None:
    """Let the run's mark outlive its commit, where it leaves one."""
    if context.job.incremental not in ("since", "changes"):
        return
    try:
        keep_mark(context.with_new_target().target, context.record)
    except TableJobError as error:
        context.on_message(f"the mark stands in the commit alone: {error.message}")


def _dry_run_report(context: RunContext, new: NewRows, summary: RunSummary) -> Report:
    found = dry_run(context, new)
    return replace(
        summary.report(context.record, context.plan, status="dry run"),
        n_rows=None,
        n_read=found.n_rows,
        dry_run=True,
        preview=found.preview,
        checks=found.checks,
        plan=found.plan,
        estimate=found.estimate,
    )


def _compared(context: RunContext, report: Report) -> Report:
    """Put the last runs' figures beside this one's, which then take their place."""
    job, spark = context.job, context.spark
    last = LastRun.read(spark, job)
    report = replace(
        report,
        last_distributions=last.distributions,
        last_inputs=last.inputs,
        last_run_id=last.run_id,
    )
    indices = [value for value in report.psi.values() if value is not None]
    this = {"n_rows": report.n_rows, "n_scored": report.n_scored, "psi": max(indices, default=None)}
    figures = {**last.figures, context.record.run_id: this}
    if job.report:
        examples = example_distributions(spark, context.request.pipeline, context.plan)
        report = replace(report, example_distributions=examples)
    try:
        LastRun(
            context.record.run_id, report.distributions, report.inputs, report.n_read, figures
        ).write(spark, job)
    except TableJobError as error:
        # The rows are committed: the next run has nothing to compare with, and no more.
        context.on_message(f"the predictions' distributions could not be kept: {error.message}")
    if not job.report:
        return report
    try:
        records = context.with_new_target().target.records()
        return replace(report, history=past_runs(records, figures))
    except Exception as error:  # noqa: BLE001 - whatever the format raised; the rows are committed
        context.on_message(f"the target's earlier runs could not be read: {said_by(error)}")
    return report


def _verified(context: RunContext, report: Report) -> Report:
    if not context.job.verify:
        return report
    begun = time.monotonic()
    verified = verify(context)
    n_rows, n_differing = verified
    outcome = FAILED if n_differing else OK
    check = Check("verified", f"{n_differing:,} of {n_rows:,} rows differ", "none", outcome)
    if n_differing:
        report = replace(
            report,
            status="differs",
            message=f"{n_differing:,} of {n_rows:,} rows of {report.target} that were scored again "
            "have other predictions than were written, or are no longer in the source; does the "
            "pipeline give a row the same score each time, and has anybody changed a table?",
        )
    return replace(
        report,
        verified=verified,
        verifying_s=time.monotonic() - begun,
        checks=(*report.checks, check),
    )
