"""What the pipeline is given for each type of column: one table.

============================  ==========================  =======================================
a table's column (Arrow)      the pipeline wants a number  the pipeline wants text
============================  ==========================  =======================================
null (no type at all)         float64, all null           string, all null
boolean                       float64: 0 and 1            refused
integers                      float64 (1)                 string of digits
float16, float32              float32                     refused
float64                       float64                     refused
decimal                       float64 (2)                 refused
string                        refused (3)                 string
date                          refused                     string ``2020-05-08``
timestamp                     refused                     string ``2020-05-08 17:30:00`` (4)
binary, interval, array,      refused                     refused
map, struct, and all others
============================  ==========================  =======================================

Type alone decides what is refused, on the driver.  Only a value can tell that it does not fit:

1. an integer beyond 2^53 either way, above which floats leave integers out;
2. a decimal that its nearest float does not give back;
3. with ``on_cast="warn"`` or ``"null"`` text is read as a number; a text that is none does not fit
   (blanks around it are passed over, and Driverless AI's words for a missing value are one);
4. a timestamp with a fraction of a second;
5. a text that is not UTF-8 (Spark's need not be).

``on_cast`` says what becomes of a value that does not fit: ``"error"`` fails with column, rows and
value; ``"warn"`` sends the nearest that does (text that is no number: a missing value; bytes that
are no text: U+FFFD), ``"null"`` a missing value, and both count it.

Where the export does not tell what the pipeline wants, it is text of a table's text, dates and
timestamps, and a number of all else.

A number column is a float whatever its nulls, so what the pipeline sees of one row never depends on
the other rows of its batch.  Spark's ``timestamp`` arrives in the session's time zone and is
written as that local time, as Spark's cast to string writes it (`dai_spark.schema.zones`);
``timestamp_ntz`` as it is.
"""

from collections import Counter
from functools import lru_cache
from typing import Iterable, List, Mapping, NamedTuple, Sequence, Union

import pyarrow as pa

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import ColumnError, shortened
from dai_spark.plan.options import ScoringOptions

__all__ = [
    "Refused",
    "check_columns",
    "check_groups",
    "check_once",
    "is_text",
    "known_as",
    "parsed_columns",
    "sent_as",
]

# Names that a message has room for.
_N_NAMES = 50


class Refused(NamedTuple):
    """Why a column cannot be given to the pipeline, and what to do."""

    why: str


def sent_as(
    found: Union[pa.DataType, str], wanted: PipelineColumn, on_cast: str = "error"
) -> Union[pa.DataType, Refused]:
    """The Arrow type in which a column goes to the pipeline: the table at the top of this file."""
    column = known_as(wanted, found)
    if isinstance(found, str):
        verdict: Union[pa.DataType, Refused] = Refused(
            f"{found}; cast it to {'double' if column.is_number else 'string'}"
        )
    else:
        verdict = _sent_as(found, column.is_number, on_cast)
    if isinstance(verdict, Refused) and not wanted.is_known:
        return Refused(f"{found}; cast it to double or string, as the pipeline was trained")
    return verdict


def known_as(column: PipelineColumn, found: Union[pa.DataType, str]) -> PipelineColumn:
    """A column whose type the export does not tell, as the table has it; any other as it is."""
    if column.is_known:
        return column
    if isinstance(found, str):
        return column.as_kind(is_number=True)
    if pa.types.is_dictionary(found):
        found = found.value_type
    is_time = pa.types.is_date(found) or pa.types.is_timestamp(found)
    return column.as_kind(is_number=not (is_text(found) or is_time or pa.types.is_null(found)))


# A call of one row asks for each of its columns: remembered, that is a tenth of its cost.
@lru_cache(maxsize=1024)
def _sent_as(found: pa.DataType, is_number: bool, on_cast: str) -> Union[pa.DataType, Refused]:
    if pa.types.is_dictionary(found):
        found = found.value_type
    if is_number:
        if pa.types.is_float32(found) or pa.types.is_float16(found):
            return pa.float32()
        if (
            pa.types.is_null(found)
            or pa.types.is_boolean(found)
            or pa.types.is_integer(found)
            or pa.types.is_float64(found)
            or pa.types.is_decimal(found)
        ):
            return pa.float64()
        if is_text(found):
            if on_cast != "error":
                return pa.float64()
            return Refused(
                "text; cast it to double where it holds numbers, or give on_cast='null' or 'warn'"
            )
        return Refused(f"{found}; cast it to double")
    if pa.types.is_null(found) or is_text(found) or pa.types.is_integer(found):
        return pa.string()
    if pa.types.is_date(found) or pa.types.is_timestamp(found):
        return pa.string()
    return Refused(f"{found}; cast it to string in the form that the pipeline was trained on")


def is_text(found: pa.DataType) -> bool:
    """Whether an Arrow type is one of its texts."""
    # Newer pyarrow has more of them (string_view), which an old sidecar cannot read.
    return (
        pa.types.is_string(found) or pa.types.is_large_string(found) or str(found) == "string_view"
    )


def check_columns(
    types: Mapping[str, Union[pa.DataType, str]],
    wanted: Mapping[str, PipelineColumn],
    where: str,
    on_cast: str = "error",
) -> None:
    """Refuse a table that lacks columns of the pipeline or has them of types it cannot be given.

    Runs on the driver before a task starts, and in a task on its first batch.

    Parameters
    ----------
    types : mapping of str to pyarrow.DataType or str
        Types of the table's columns; text where Arrow has no such type.  Names must match in case.
    wanted : mapping of str to PipelineColumn
    where : str
        What the message calls the table.
    on_cast : {"error", "warn", "null"}, default "error"

    Raises
    ------
    ColumnError
        Names every missing and every uncastable column at once.
    """
    missing = [name for name in wanted if name not in types]
    refused = []
    for name, column in wanted.items():
        if name in types:
            verdict = sent_as(types[name], column, on_cast)
            if isinstance(verdict, Refused):
                kind = "a number" if column.is_number else "text"
                kind = kind if column.is_known else "a number or text"
                refused.append(f"{name} (the pipeline wants {kind}, found {verdict.why})")
    if not missing and not refused:
        return
    parts = []
    if missing:
        parts.append(
            f"lacks {shortened(missing, _N_NAMES)} of the {len(wanted)} columns that the pipeline "
            f"reads by name{_near_misses(missing, types)}{_numbered(missing, types)}"
        )
    if refused:
        parts.append(
            "has columns of types that the pipeline cannot be given: "
            f"{shortened(refused, _N_NAMES)}"
        )
    what_to_do = "; rename or add them (a table job: --column NAME=EXPR)" if missing else ""
    raise ColumnError(f"{where} {' and '.join(parts)}{what_to_do}.")


def check_once(names: Iterable[str], columns: Sequence[str], where: str) -> None:
    """Refuse a table that has a column twice, since columns are read by name.

    Parameters
    ----------
    names : iterable of str
        Columns that are read.
    columns : sequence of str
        All of the table's, in its order.
    where : str
        What the message calls the table.

    Raises
    ------
    ColumnError
        Names every column that is read and is there more than once.
    """
    times = Counter(columns)
    twice = [name for name in dict.fromkeys(names) if times[name] > 1]
    if twice:
        raise ColumnError(
            f"{where} has several columns of one name, {shortened(twice, _N_NAMES)}, as a join "
            "leaves them, and columns are read by name; drop or rename all but one of each."
        )


def check_groups(options: ScoringOptions, columns: Sequence[str], where: str) -> None:
    """Refuse columns of ``group_by`` and ``order_by`` that a table does not have.

    Raises
    ------
    ColumnError
    """
    missing = [name for name in (*options.group_by, *options.order_by) if name not in columns]
    if missing:
        raise ColumnError(
            f"{where} lacks columns to group or order by: {', '.join(missing)}; it has "
            f"{', '.join(list(columns)[:_N_NAMES])}."
        )


def _near_misses(missing: Iterable[str], types: Iterable[str]) -> str:
    lower = {name.lower(): name for name in types}
    near = [f"{lower[m.lower()]} for {m}" for m in missing if m.lower() in lower]
    return f" (names must match in case: found {shortened(near, _N_NAMES)})" if near else ""


def _numbered(missing: Iterable[str], types: Mapping[str, object]) -> str:
    # Spark's Arrow schemas have no two fields of one name: it puts numbers behind them.
    twice = [name for name in missing if f"{name}_0" in types and f"{name}_1" in types]
    if not twice:
        return ""
    found = shortened([f"{name}_0 and {name}_1" for name in twice], _N_NAMES)
    return (
        f" (found {found}: so Spark calls the fields of a struct that has several of one name, as "
        "a join leaves them; drop or rename all but one of each)"
    )


def parsed_columns(
    types: Mapping[str, Union[pa.DataType, str]], wanted: Mapping[str, PipelineColumn]
) -> List[str]:
    """Columns of text that are read as numbers, which only ``on_cast`` lets through."""

    def is_parsed(name: str) -> bool:
        found = types.get(name, "")
        return not isinstance(found, str) and is_text(found)

    return [name for name, column in wanted.items() if column.is_number and is_parsed(name)]
