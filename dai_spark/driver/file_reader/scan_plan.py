"""Classic Spark: a DataFrame whose plan is nothing but a scan of files, or of an Iceberg table.

The analysed plan shows what the user has written, the optimised and the physical one what rules
and catalogs have put in (filters of rows, masks of columns, cached tables).
"""

import json
import re
from typing import TYPE_CHECKING, Any, Dict, List, NamedTuple, Optional, Tuple

from dai_spark.client.read_files.unproved import Unproved

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["Scan", "bare_scan", "planned_scan"]

_ICEBERG = "org.apache.iceberg.spark.source.SparkTable"
# How Spark shows a column (with L where it is a bigint), and one under another name.
_COLUMN = re.compile(r"(.*)#(\d+)L?", re.DOTALL)
_RENAMED = re.compile(r"(.*)#(\d+)L? AS (.*)#(\d+)L?", re.DOTALL)


class Scan(NamedTuple):
    """A scan of files, or of an Iceberg table.

    Attributes
    ----------
    relation : JavaObject
        Spark's `HadoopFsRelation`; of an Iceberg table `DataSourceV2Relation`.
    names : tuple of str
        For each column of the frame, which of the relation's it is.
    planned : JavaObject or None
        What Iceberg itself has planned to read: its `Scan`, once there is one.
    is_iceberg : bool
    """

    relation: Any
    names: Tuple[str, ...]
    planned: Any
    is_iceberg: bool


class _Column(NamedTuple):
    """A column at some height of a plan: its number and name there, and the relation's name."""

    number: str
    name: str
    origin: Optional[str]


def bare_scan(frame: "DataFrame") -> Scan:
    """Return the scan that a frame is as it was written, its columns chosen and renamed at most.

    Runs on the driver, on classic Spark; lists no files.

    Parameters
    ----------
    frame : DataFrame

    Raises
    ------
    Unproved
        It is anything else, with the first thing that it is.
    """
    return _scan(frame._jdf.queryExecution().analyzed(), ("Project", "SubqueryAlias"))


def planned_scan(frame: "DataFrame", asked: Scan) -> Scan:
    """Return the same scan as Spark plans it, when nothing has come in between.

    Runs on the driver, on classic Spark; some formats list their files for it.

    Parameters
    ----------
    frame : DataFrame
        One that nobody else holds: Spark settles here whether its rows are cached.
    asked : Scan
        The frame's, as it was written.

    Raises
    ------
    Unproved
        Rules or catalogs have put something in.
    """
    execution = frame._jdf.queryExecution()
    found = _scan(execution.optimizedPlan(), ("Project",))
    if found.names != asked.names:
        raise Unproved("Spark's rules make other columns of it")
    allowed = ("ProjectExec", "BatchScanExec" if found.is_iceberg else "FileSourceScanExec")
    node = execution.sparkPlan()
    while True:
        kind = _kind(node)
        if kind not in allowed:
            raise Unproved(f"Spark's plan of it has a {kind}")
        if node.children().isEmpty():
            break
        node = node.children().head()
    if found.is_iceberg and not (
        found.planned is not None
        and node.scan().equals(found.planned)
        and node.runtimeFilters().isEmpty()
    ):
        raise Unproved("Spark plans another scan of it than its rules have made")
    return found


def _scan(plan: Any, allowed: Tuple[str, ...]) -> Scan:
    """The relation at the foot of a plan, and its names of the plan's columns.

    What is computed and not read does not matter.
    """
    projections: List[Any] = []
    while not plan.children().isEmpty():
        kind = _kind(plan)
        if kind not in allowed:
            raise Unproved(f"it is more than a scan of files: {kind}")
        if kind == "Project":
            projections.append(plan.projectList())
        plan = plan.children().head()
    found = _relation(plan)
    schema = found.relation.table().schema() if found.is_iceberg else found.relation.schema()
    columns = _of_relation(plan.output(), schema)
    for expressions in reversed(projections):
        # Numbers and names are what Spark's texts are held against, so none passes for a column.
        known = {(one.number, one.name): one.origin for one in columns}
        columns = [_projected(text, known) for text in _texts(expressions)]
    for one in columns:
        if one.origin is None:
            raise Unproved(f"a column is computed ({one.name[:100]})")
    return found._replace(names=tuple(str(one.origin) for one in columns))


def _relation(plan: Any) -> Scan:
    """The foot of a plan, still without names."""
    kind = _kind(plan)
    if kind in ("DataSourceV2Relation", "DataSourceV2ScanRelation"):
        is_planned = kind == "DataSourceV2ScanRelation"
        relation = plan.relation() if is_planned else plan
        if str(relation.table().getClass().getName()) != _ICEBERG:
            raise Unproved(f"it is no table of files but a {_kind(relation.table())}")
        return Scan(relation, (), plan.scan() if is_planned else None, True)
    if kind != "LogicalRelation":
        raise Unproved(f"it is no table of files but a {kind}")
    if plan.isStreaming():
        raise Unproved("it is a stream")
    relation = plan.relation()
    # Delta's is a class without a name below Spark's own.
    kinds = (_kind(relation), str(relation.getClass().getSuperclass().getSimpleName()))
    if "HadoopFsRelation" not in kinds:
        raise Unproved(f"it is no table of files but a {_kind(relation)}")
    return Scan(relation, (), None, False)


def _kind(found: Any) -> str:
    return str(found.getClass().getSimpleName())


def _of_relation(output: Any, schema: Any) -> List[_Column]:
    names = [str(field["name"]) for field in json.loads(schema.json())["fields"]]
    found = []
    for text in _texts(output):
        match = _COLUMN.fullmatch(text)
        if match is None:
            raise Unproved(f"it has a column that Spark shows as {text[:100]}")
        name, number = match.groups()
        # Others than the table's own are of metadata.
        found.append(_Column(number, name, name if name in names else None))
    return found


def _texts(expressions: Any) -> List[str]:
    """Expressions as Spark shows them: one question for all of them, since there may be thousands.

    `toJSON` would be exact, and takes minutes for one that holds much.
    """
    size = int(expressions.size())
    texts = str(expressions.mkString("\n")).split("\n") if size else []
    if len(texts) != size:
        raise Unproved("the name of a column has a line break")
    return texts


def _projected(text: str, known: Dict[Tuple[str, str], Optional[str]]) -> _Column:
    """What a projection gives: a column of below, maybe renamed, or anything else."""
    match = _COLUMN.fullmatch(text)
    if match is not None and match.groups()[::-1] in known:
        name, number = match.groups()
        return _Column(number, name, known[number, name])
    match = _RENAMED.fullmatch(text)
    if match is None:
        return _Column("", text, None)
    name, number, renamed, new = match.groups()
    return _Column(new, renamed, known.get((number, name)))
