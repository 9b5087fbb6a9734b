"""ViewVersion: what a view shows, told by its text and by the versions of the tables below it."""

import hashlib
import json
import logging
import re
from typing import TYPE_CHECKING, Any, Callable, List, Optional

from dai_spark.driver.schema import quoted
from dai_spark.driver.session import is_connect, java_class
from dai_spark.table_job.table_name import TableName

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["view_version"]

_LOG = logging.getLogger(__name__)
_FILES = "org.apache.spark.sql.execution.datasources.HadoopFsRelation"

# Nodes of a plan without children that hold no table's rows: what they are stands in the text.
_NO_TABLE = ("OneRowRelation", "Range", "LocalRelation", "CTERelationRef")
# Of the plan's expressions: each run of the view has another value for them.
_OF_NOW = re.compile(
    r"\b(?:current_timestamp|current_date|current_time|localtimestamp|now|unix_timestamp)\("
)


# Of a table and its format, what its version is.
VersionOf = Callable[[Any, TableName, Optional[str]], Optional[str]]


class _UntoldError(Exception):
    """Something below the view has no version that Spark tells."""


def view_version(
    spark: Any,
    name: str,
    frame: "DataFrame",
    version_of: VersionOf,
    listing_of: "Callable[[DataFrame], Optional[str]]",
) -> Optional[str]:
    """Return a digest that is the same as long as a view shows the same; None where nothing tells.

    Runs on the driver; reads metadata, and lists the files of tables that are nothing but files.
    Nothing tells what a view shows whose text has ``current_date()`` or ``rand()``, which was made
    of a DataFrame and not of a text, or which reads from a database; nor over Spark Connect.

    Parameters
    ----------
    spark : SparkSession
    name : str
    frame : DataFrame
        The view's rows.
    version_of : callable
        Tells a table's version by its name and format.
    listing_of : callable
        Tells the state of all files that a frame reads.
    """
    if is_connect(spark):
        return None
    looked = _Look(spark, version_of)
    try:
        plan = frame._jdf.queryExecution().analyzed()
        if not plan.deterministic() or _OF_NOW.search(plan.toString()):
            return None
        looked.at(plan, is_told=False)
    except Exception as error:  # noqa: BLE001 - plans differ between versions of Spark
        _LOG.info("nothing tells the version of %s: %s", name, error)
        return None
    found = [name.lower(), frame.schema.json(), *looked.found]
    if looked.has_files:
        found.append(str(listing_of(frame)))
    text = json.dumps(found)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


class _Look:
    """A walk over an analysed plan that gathers what is not said by the view's text."""

    def __init__(self, spark: Any, version_of: VersionOf) -> None:
        self.found: List[str] = []
        self.has_files = False
        self._spark = spark
        self._version_of = version_of
        self._files = java_class(spark._jvm, "java.lang.Class").forName(_FILES)

    def at(self, node: Any, is_told: bool) -> None:
        """Look at a node and all below it; `is_told`: they stand in the text of a view."""
        kind = node.getClass().getSimpleName()
        children, below = node.children(), node.subqueries()
        if kind == "View":
            text = node.desc().viewText()
            if not text.isDefined():
                raise _UntoldError("a view without text")
            self.found.append(str(text.get()))
            is_told = True
        elif kind == "DataSourceV2Relation":
            self._table(node)
        elif kind == "LogicalRelation":
            self._relation(node.relation())
        elif not children.size() and not (is_told and kind in _NO_TABLE):
            raise _UntoldError(kind)
        for nodes in (children, below):
            for i in range(nodes.size()):
                self.at(nodes.apply(i), is_told)

    def _table(self, leaf: Any) -> None:
        if not leaf.catalog().isDefined() or "iceberg" not in leaf.table().getClass().getName():
            raise _UntoldError("a table without versions")
        identifier = leaf.identifier().get()
        parts = [leaf.catalog().get().name(), *identifier.namespace(), identifier.name()]
        self._add(TableName.of(".".join(quoted(part) for part in parts)), "iceberg")

    def _relation(self, relation: Any) -> None:
        if not self._files.isInstance(relation):
            raise _UntoldError("a relation that is not made of files")
        location = relation.location()
        kind = location.getClass().getName()
        if ".delta." in kind:
            self._add(TableName.of(f"delta:{location.path().toString()}"), "delta")
        else:
            self.has_files = True

    def _add(self, table: TableName, provider: str) -> None:
        self.found.append(f"{table.name} {self._version_of(self._spark, table, provider)}")
