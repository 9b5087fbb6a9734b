"""Kept marks: what outlives a table's own history, as properties of the table.

Maintenance drops old commits (Iceberg's ``expire_snapshots``, the clean-up of Delta's log), and
with them the records of runs.  So each run that leaves a mark also leaves it as a property, after
its commit.  The two are not one commit: a property counts only where the rows fit to it.
"""

import hashlib
import json
from dataclasses import asdict
from typing import Optional

from dai_spark.driver.schema import quoted, sql_text
from dai_spark.errors import TableJobError
from dai_spark.table_job.lineage import COLUMN, RunRecord, Scope
from dai_spark.table_job.targets.base import Target

__all__ = ["keep_mark", "kept_mark"]

_PREFIX = "dai_spark.mark."
# Short, since some catalogs keep 4,000 characters of a property: the key stands for the scope.
_LEFT_OUT = ("scope", "job_name", "environment_digest", "source", "version", "is_default_name")


def keep_mark(target: Target, record: RunRecord) -> None:
    """Leave a run's mark as a property of its target, where the format has records that go.

    Runs on the driver, behind the commit.

    Parameters
    ----------
    target : Target
        As it is behind the commit.
    record : RunRecord

    Raises
    ------
    TableJobError
        Spark refused it; the rows are committed.
    """
    if not target.forgets or target.schema is None or record.scope is None:
        return
    plain = {name: value for name, value in asdict(record).items() if name not in _LEFT_OUT}
    name, value = sql_text(_name(record.scope)), sql_text(json.dumps(plain))
    target.run_sql(f"ALTER TABLE {target.table.sql} SET TBLPROPERTIES ({name} = {value})")


def kept_mark(target: Target, scope: Scope) -> RunRecord:
    """Return the newest run of a scope where the target's history no longer tells it.

    Runs on the driver; reads the lineage of the newest rows.

    Parameters
    ----------
    target : Target
    scope : Scope

    Raises
    ------
    TableJobError
        Nothing tells it for sure.
    """
    found = _property(target, scope)
    why = "none that is left, and no property of the table, tells of such a run"
    if found is not None:
        why = _contradiction(target, found)
        if not why:
            return found
    raise TableJobError(
        f"The history of {target.table.text} does not reach back to its first commit "
        f"(maintenance has dropped the older ones), and {why}. So nothing tells how far this job "
        "has come"
    )


def _property(target: Target, scope: Scope) -> Optional[RunRecord]:
    rows = target.run_sql(f"SHOW TBLPROPERTIES {target.table.sql}")
    text = next((row["value"] for row in rows if row["key"] == _name(scope)), None)
    if text is None:
        return None
    known = {**dict.fromkeys(_LEFT_OUT, ""), **json.loads(text), "scope": scope}
    return RunRecord(**{**known, "is_default_name": False})


def _contradiction(target: Target, found: RunRecord) -> str:
    """What of the rows does not fit to a mark; empty where all of them do."""
    from pyspark.sql import functions as F

    holds = target.holds_rows(found.run_id)
    if holds is None:
        return "without the column of lineage its rows do not tell either"
    if not holds:
        return f"the rows of run {found.run_id}, the last one that is known, are not there"
    known = {found.run_id, *(r.run_id for r in target.commits.records if r is not None)}
    lineage = quoted(COLUMN)
    later = target.table.read(target.spark).where(
        F.col(f"{lineage}.scored_at") > F.lit(found.scored_at).cast("timestamp")
    )
    rows = later.where(~F.col(f"{lineage}.run_id").isin(*known)).select(f"{lineage}.run_id")
    unknown = rows.limit(1).collect()
    return f"rows of run {unknown[0][0]}, of which nothing is known, came later" if unknown else ""


def _name(scope: Scope) -> str:
    text = json.dumps(asdict(scope), sort_keys=True)
    return _PREFIX + hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]
