"""Row guard: a run that has fewer rows than it should, or none, leaves the target as it is.

A source that was emptied, a ``--where`` that lets nothing through, a pipeline that can score no
row: each would replace a table by nothing and look like success.
"""

from typing import Optional

from dai_spark.driver.spark_errors.telling import telling
from dai_spark.errors import TooFewRowsError
from dai_spark.table_job.report.check import OK, UNKNOWN, Check
from dai_spark.table_job.run.context import RunContext
from dai_spark.table_job.source.new_rows import NewRows
from dai_spark.table_job.work_folder.last_run import LastRun

__all__ = ["guard_rows", "guard_scored", "rows_check"]

_REPLACING = ("overwrite", "overwrite-partitions")


def guard_rows(context: RunContext, new: NewRows, n_rows: Optional[int]) -> Optional[int]:
    """Refuse a run that reads too few rows; before anything is scored.

    Runs on the driver.  Rows are counted where ``--min-rows`` wants it; else only whether there
    are any, and only where the mode replaces rows.

    Parameters
    ----------
    context : RunContext
    new : NewRows
    n_rows : int or None
        Rows, where they were counted already.

    Returns
    -------
    int or None
        Rows, as far as they were counted.

    Raises
    ------
    TooFewRowsError
    """
    job = context.job
    if n_rows is None:
        with telling(f"Rows of {context.source.table.text} cannot be counted"):
            if job.min_rows is not None:
                n_rows = new.rows.count()
            elif job.mode in _REPLACING and not job.allow_empty and not new.rows.limit(1).count():
                n_rows = 0
    if n_rows is not None:
        guard_scored(context, n_rows)
    return n_rows


def guard_scored(context: RunContext, n_rows: int, n_bad: int = 0, example: str = "") -> None:
    """Refuse a run that would write too few rows; before anything is committed.

    Parameters
    ----------
    context : RunContext
    n_rows : int
        Rows that would be written.
    n_bad : int, default 0
        Rows that cannot be scored.
    example : str, default ""
        One of them, with the reason.

    Raises
    ------
    TooFewRowsError
    """
    job, target = context.job, context.target
    source = context.source.table.text
    some = f"{n_rows:,} of {n_rows + n_bad:,}" if n_bad else f"{n_rows:,}"
    which = f" that satisfy {job.where}" if job.where else ""
    why = f" (bad are {n_bad:,}, such as {example})" if n_bad else ""
    if job.min_rows is not None:
        last = _rows_of_last(context) if job.min_rows.endswith("%") else None
        least = job.least_rows(last)
        if least is not None and n_rows < least:
            of_last = "" if last is None else f" of the last run's {last:,}"
            raise TooFewRowsError(
                f"{source} has {some} rows{which} to be written{why}, fewer than --min-rows "
                f"{job.min_rows}{of_last}; {target.table.text} is as it was. Look at the source, "
                "or lower the limit."
            )
    if n_rows or job.allow_empty or job.mode not in _REPLACING or target.is_new:
        return
    with telling(f"The target {target.table.text} cannot be read"):
        has_rows = bool(target.table.read(context.spark).limit(1).count())
    if has_rows:
        raise TooFewRowsError(
            f"{source} has {some} rows{which} to be written{why}, and {target.table.text} has "
            f"some, which --mode {job.mode} would replace by nothing; it is as it was. Look at the "
            "source, or give --allow-empty where that is meant."
        )


def rows_check(context: RunContext, n_rows: Optional[int]) -> Optional[Check]:
    """What a report says of ``--min-rows``; None where the job has none.

    Parameters
    ----------
    context : RunContext
    n_rows : int or None
        Rows to be scored.
    """
    job = context.job
    if job.min_rows is None or n_rows is None:
        return None
    last = _rows_of_last(context) if job.min_rows.endswith("%") else None
    known = job.least_rows(last) is not None
    found = f"{n_rows:,}" if known else f"{n_rows:,}, and no earlier run"
    return Check("rows", found, f"at least {job.min_rows}", OK if known else UNKNOWN)


def _rows_of_last(context: RunContext) -> Optional[int]:
    last = LastRun.read(context.spark, context.job)
    found: Optional[int] = last.figures.get(last.run_id, {}).get("n_scored", last.n_rows)
    return found
