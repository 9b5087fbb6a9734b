"""Moment: what expressions such as ``current_date()``, ``now()`` and ``rand()`` make of a run."""

import re
from typing import Any, Iterator, List, Optional, Set

from dai_spark.driver.session import is_connect, java_class
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.source import Source

__all__ = ["moment_of"]

_PATTERNS = "org.apache.spark.sql.catalyst.trees.TreePattern"
_DAY = "current_date"
# Functions that say the same as long as the session does not change.
_OF_SESSION = (
    "current_user",
    "user",
    "session_user",
    "current_database",
    "current_schema",
    "current_catalog",
    "current_timezone",
)
# Texts that Spark reads as a day or a time of now; they are literals in its plan.
_WORDS = re.compile(r"['\"]\s*(today|yesterday|tomorrow|now)\b", re.IGNORECASE)
# Over Connect there is no plan to be read: names of functions, with or without brackets.
_NAMES = re.compile(
    r"\b(current_date|curdate|current_user|current_database|current_schema|current_catalog|"
    r"session_user|current_timezone|user(?=\s*\()|now|current_timestamp|localtimestamp|"
    r"current_time|unix_timestamp|rand|randn|random|uuid|shuffle|randstr|uniform|"
    r"monotonically_increasing_id|spark_partition_id)\b",
    re.IGNORECASE,
)
_CLASSES = {
    "CurrentDate": _DAY,
    "CurDateExpressionBuilder": _DAY,
    "CurrentUser": "current_user",
    "CurrentDatabase": "current_database",
    "CurrentCatalog": "current_catalog",
    "CurrentTimeZone": "current_timezone",
}
_OTHER = "another"
# Spark counts them among what is never the same, and a file keeps its name.
_OF_FILE = "InputFile"


def moment_of(source: Source, job: TableJob) -> Optional[str]:
    """What a run's expressions make of its moment: the same text, the same rows.

    Runs on the driver; reads the plan of ``--where`` and ``--column``.

    Parameters
    ----------
    source : Source
    job : TableJob

    Returns
    -------
    str or None
        Empty where nothing depends on the moment; None where no two moments are the same, as for
        ``now()`` and ``rand()``.
    """
    texts = [*([job.where] if job.where is not None else []), *job.columns.values()]
    if not texts:
        return ""
    found: Set[str] = set()
    for text in texts:
        found |= {_DAY if word.lower() != "now" else _OTHER for word in _WORDS.findall(text)}
    found |= _by_name(texts) if is_connect(source.frame.sparkSession) else _by_plan(source, texts)
    if _OTHER in found:
        return None
    if not found:
        return ""
    calls = [f"CAST({name}() AS STRING)" for name in sorted(found)]
    (row,) = source.frame.sparkSession.sql(f"SELECT {', '.join(calls)}").collect()
    return " ".join(map(str, row))


def _by_name(texts: List[str]) -> Set[str]:
    names = {name.lower() for text in texts for name in _NAMES.findall(text)}
    day = {"current_date", "curdate"}
    return {_DAY if name in day else name if name in _OF_SESSION else _OTHER for name in names}


def _by_plan(source: Source, texts: List[str]) -> Set[str]:
    from pyspark.sql import functions as F

    try:
        frame = source.frame.select(*[F.expr(text) for text in texts])
        plan = frame._jdf.queryExecution().analyzed()
    except Exception:  # noqa: BLE001 - what is wrong with them is told where they are applied
        return set()
    jvm: Any = source.frame.sparkSession._jvm
    pattern = java_class(jvm, _PATTERNS).CURRENT_LIKE()
    found: Set[str] = set()
    for expression in _all(plan.expressions()):
        name = expression.getClass().getSimpleName()
        if not expression.deterministic():
            is_the_cause = all(child.deterministic() for child in _children(expression))
            if is_the_cause and not name.startswith(_OF_FILE):
                found.add(_OTHER)
        elif expression.containsPattern(pattern) and not expression.children().size():
            # A query within the expression has no children, and may hold anything.
            found.add(_CLASSES.get(name, _OTHER))
    return found


def _children(expression: Any) -> Iterator[Any]:
    yield from _each(expression.children())


def _all(expressions: Any) -> Iterator[Any]:
    for expression in _each(expressions):
        yield expression
        yield from _all(expression.children())


def _each(expressions: Any) -> Iterator[Any]:
    for i in range(expressions.size()):
        yield expressions.apply(i)
