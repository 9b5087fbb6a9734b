"""The MERGE statement, and the session that it runs in."""

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Iterator, Mapping, Sequence, Tuple

from dai_spark.driver.schema import quoted
from dai_spark.table_job.lineage import COLUMN
from dai_spark.table_job.targets.base import DELETED, Target
from dai_spark.table_job.targets.columns.comparison import comparable

if TYPE_CHECKING:
    from pyspark.sql.types import DataType, StructType

__all__ = ["merge_statement", "own_session"]


def merge_statement(target: Target, view: str, rows: "StructType", columns: Sequence[str]) -> str:
    """``MERGE INTO`` by the job's key: rows that differ in nothing but the lineage stay.

    With ``--incremental missing`` a row from another pipeline takes the new lineage even where its
    scores are the same, since its lineage is what tells that it need not be scored again.

    Parameters
    ----------
    target : Target
    view : str
        Staged rows: `columns`, and `DELETED` where the source tells of deletions.
    rows : StructType
        Their schema.
    columns : sequence of str
        Columns of the target that are written.
    """
    job = target.job
    key = [target.name_of(name) for name in job.key]
    on = " AND ".join(f"t.{quoted(k)} = s.{quoted(k)}" for k in key)
    compared = [c for c in columns if c not in key and c != target.name_of(COLUMN)]
    differs = " OR ".join(_differs(c, rows[c].dataType) for c in compared) or "false"
    if job.incremental == "missing":
        digest = f"{quoted(target.name_of(COLUMN))}.pipeline_digest"
        differs += f" OR NOT (t.{digest} <=> s.{digest})"
    updates = ", ".join(f"t.{quoted(c)} = s.{quoted(c)}" for c in columns if c not in key)
    names = ", ".join(quoted(c) for c in columns)
    values = ", ".join(f"s.{quoted(c)}" for c in columns)
    follows = job.deletes
    lines = [f"MERGE INTO {target.written.sql} t USING {quoted(view)} s ON {on}"]
    if follows:
        lines.append(f"WHEN MATCHED AND s.{DELETED} THEN DELETE")
    if updates:
        lines.append(f"WHEN MATCHED AND ({differs}) THEN UPDATE SET {updates}")
    only = f" AND NOT s.{DELETED}" if follows else ""
    lines.append(f"WHEN NOT MATCHED{only} THEN INSERT ({names}) VALUES ({values})")
    return "\n".join(lines)


def _differs(name: str, kind: "DataType") -> str:
    one, other = (comparable(f"{side}.{quoted(name)}", kind) for side in "ts")
    return f"NOT ({one} <=> {other})"


@contextmanager
def own_session(
    spark: Any, staged: str, rows: "StructType", settings: Mapping[str, str]
) -> Iterator[Tuple[Any, str]]:
    """A copy of the session with further settings, and the name of staged rows in it.

    A MERGE takes no options, only the session's settings, and those of the user's session would
    meet whatever else runs in it.  A clone has the catalogs and the current database of the first.

    Parameters
    ----------
    spark : SparkSession
        Classic.
    staged : str
        Path of the staged rows, as Parquet.
    rows : StructType
        Their schema.
    settings : mapping of str to str
    """
    from pyspark.sql import SparkSession

    clone = SparkSession(spark.sparkContext, spark._jsparkSession.cloneSession())
    for name, value in settings.items():
        clone.conf.set(name, value)
    view = f"dai_spark_{uuid.uuid4().hex}"
    clone.read.schema(rows).parquet(staged).createOrReplaceTempView(view)
    try:
        yield clone, view
    finally:
        clone.catalog.dropTempView(view)
