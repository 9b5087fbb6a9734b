"""Demands: what a table demands of its rows, held against the source before a row is scored."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Iterator, List, Sequence, Tuple

from dai_spark.driver.schema import quoted
from dai_spark.driver.spark_errors.telling import telling
from dai_spark.errors import TableJobError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

__all__ = ["Demand", "check_demands", "lengths", "not_null"]

_MOST_CHARS = 200


@dataclass(frozen=True)
class Demand:
    """One thing that every row of a table must satisfy.

    Attributes
    ----------
    what : str
        What a message calls it: ``CHECK small (v < 10)``.
    condition : str
        SQL over the table's columns; a row satisfies it where it is true.
    mend : str
        The statement that would take the demand away.
    """

    what: str
    condition: str
    mend: str = ""


def not_null(schema: "StructType", table: str) -> List[Demand]:
    """Return a demand for each column, and each field of a struct, that is never null.

    Parameters
    ----------
    schema : StructType
        The table's.
    table : str
        What SQL calls it.
    """
    return list(_not_null(schema, "", "", table))


def _not_null(schema: "StructType", prefix: str, above: str, table: str) -> "Iterator[Demand]":
    from pyspark.sql.types import StructType

    for field in schema.fields:
        name = f"{prefix}{quoted(field.name)}"
        if not field.nullable:
            yield Demand(
                f"NOT NULL of column {name.replace('`', '')}",
                f"{above}{name} IS NOT NULL",
                f"ALTER TABLE {table} ALTER COLUMN {name} DROP NOT NULL",
            )
        if isinstance(field.dataType, StructType):
            outer = f"{above}{name} IS NULL OR "
            yield from _not_null(field.dataType, f"{name}.", outer, table)


def lengths(schema: "StructType") -> List[Demand]:
    """Return a demand for each column of type ``CHAR(n)`` or ``VARCHAR(n)``.

    Spark keeps these types as metadata of a column of type STRING.

    Parameters
    ----------
    schema : StructType
        The table's.
    """
    found = []
    for field in schema.fields:
        kind = str((field.metadata or {}).get("__CHAR_VARCHAR_TYPE_STRING", ""))
        match = re.fullmatch(r"(?:var)?char\(([0-9]+)\)", kind)
        if match is not None:
            column = quoted(field.name)
            # Blanks at the end are cut where they are too many.
            condition = f"{column} IS NULL OR length(rtrim({column})) <= {match.group(1)}"
            found.append(Demand(f"{kind.upper()} of column {field.name}", condition))
    return found


def check_demands(
    rows: "DataFrame", demands: Sequence[Demand], where: str, target: str
) -> List[Demand]:
    """Hold rows against a table's demands; reads the columns that these name once.

    Runs on the driver.  A demand that names a column which only scoring fills (or the table itself)
    is left to the commit.

    Parameters
    ----------
    rows : DataFrame
        The kept columns of the rows to be scored, as the table would have them.
    demands : sequence of Demand
    where, target : str
        How messages name the rows, and the table.

    Returns
    -------
    list of Demand
        Those that were looked at.

    Raises
    ------
    TableJobError
        Names the demand, its column, an offending value, and the setting that would help.
    """
    from pyspark.sql import functions as F

    known: List[Tuple[Demand, Any]] = []
    for demand in demands:
        condition = F.expr(demand.condition)
        try:
            _ = rows.select(condition).schema
        except Exception:  # noqa: BLE001 - of columns that are not there yet
            continue
        known.append((demand, ~F.coalesce(condition, F.lit(False))))
    if not known:
        return []
    with telling(f"{where} cannot be held against what {target} demands"):
        sums = [F.count(F.when(broken, 1)).alias(f"n{i}") for i, (_, broken) in enumerate(known)]
        counted = rows.agg(*sums).collect()[0]
        for n_rows, (demand, broken) in zip(counted, known):
            if not n_rows:
                continue
            named = [c for c in rows.columns if c.lower() in demand.condition.lower()]
            example = rows.where(broken).select(*map(quoted, named)).first()
            shown = "" if example is None else _shown(example.asDict())
            advice = f", or change the table ({demand.mend})" if demand.mend else ""
            raise TableJobError(
                f"{n_rows:,} rows of {where} break {demand.what} of the target {target}, such as "
                f"{shown}; leave them out (--where), mend them in the source{advice}."
            )
    return [demand for demand, _ in known]


def _shown(values: "dict[str, Any]") -> str:
    text = ", ".join(
        f"{name} = {'NULL' if value is None else repr(value)}" for name, value in values.items()
    )
    return text if len(text) <= _MOST_CHARS else f"{text[:_MOST_CHARS]}..."
