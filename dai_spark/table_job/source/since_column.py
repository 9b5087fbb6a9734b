"""SinceColumn: the column of ``--since``, and the text that a mark of its type is."""

import math
import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Optional

from dai_spark.driver.schema import quoted
from dai_spark.driver.spark_errors.telling import told
from dai_spark.errors import ColumnError, OptionError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

__all__ = ["SinceColumn"]

# Types of whose values Spark's order and the mark's text say the same.
_NUMBERS = ("tinyint", "smallint", "int", "bigint", "float", "double", "decimal")
_TIMES = ("timestamp", "timestamp_ntz", "date")
_TEXTS = ("string", "varchar", "char")
_FLOATS = ("float", "double")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_UNITS_S = {"s": 1, "min": 60, "h": 3600, "d": 86_400, "w": 604_800}
_LOOKBACK = re.compile(
    r"(\d{1,12}(?:\.\d{1,9})?)\s*(?:(s|min|h|d|w)|(second|minute|hour|day|week)s?)?", re.IGNORECASE
)
_A_DAY_S = 86_400


@dataclass(frozen=True)
class SinceColumn:
    """A column that only grows, so that its largest value tells what was seen.

    Attributes
    ----------
    name : str
    kind : DataType
    table : str
        How messages name the table.
    is_foreign : bool
        Whether something else than Spark may compare the values, such as a database, which may
        order texts by rules of its own.
    """

    name: str
    kind: Any
    table: str
    is_foreign: bool = False

    @classmethod
    def of(
        cls, rows: "DataFrame", name: str, table: str, is_foreign: bool = False
    ) -> "SinceColumn":
        """Find the column.

        Parameters
        ----------
        rows : DataFrame
        name : str
            As Spark takes it, so without regard to case where one column alone has it.
        table : str
        is_foreign : bool
            Whether something else than Spark may compare its values.

        Raises
        ------
        ColumnError
            There is none, or no mark of its type could be relied on.
        """
        alike = [column for column in rows.columns if column.lower() == name.lower()]
        if name not in rows.columns and len(alike) == 1:
            name = alike[0]
        if name not in rows.columns:
            raise ColumnError(f"Table {table} lacks the column {name} of --since.")
        kind = rows.schema[name].dataType
        found = cls(name, kind, table, is_foreign)
        # A collation orders texts by other rules than the mark's; `string collate ...`.
        if found._type not in (*_NUMBERS, *_TIMES, *_TEXTS) or "collate" in kind.simpleString():
            raise ColumnError(
                f"The --since column {name} of {table} is {kind.simpleString()}, whose order "
                "no mark keeps; give a column of numbers, times, dates or plain text (--column can "
                "make one), or use --incremental missing."
            )
        return found

    @property
    def _type(self) -> str:
        return str(self.kind.simpleString()).partition("(")[0].partition(" ")[0]

    @property
    def column(self) -> "Column":
        """Its values."""
        from pyspark.sql import functions as F

        values = F.col(quoted(self.name))
        if self.is_foreign and self._type in _TEXTS:
            # Spark hands a comparison of the bare column to the database, whose collation may put
            # 'a' before 'B'; the mark is the largest text in Spark's order.
            return F.concat(values, F.lit(""))
        return values

    def literal(self, mark: str) -> "Column":
        """The value that a mark stands for.

        Parameters
        ----------
        mark : str
        """
        from pyspark.sql import functions as F

        return F.lit(mark).cast(self.kind)

    def check_said(self, spark: Any, mark: str) -> None:
        """Refuse a ``--since-mark`` that is no value of the column: no row would be above it.

        Runs on the driver.

        Parameters
        ----------
        spark : SparkSession
        mark : str

        Raises
        ------
        OptionError
        """
        try:
            (row,) = spark.range(1).select(self.literal(mark).isNull()).collect()
            is_odd = row[0] or (self._type in _FLOATS and not math.isfinite(float(mark)))
        except Exception:  # noqa: BLE001 - with ANSI rules a cast raises in place of a null
            is_odd = True
        if is_odd:
            raise OptionError(
                f"--since-mark {mark!r} is no value of {self.name}, which is "
                f"{self.kind.simpleString()}; give one as Spark's SQL writes it."
            )

    def largest(self, rows: "DataFrame", above: "Column", mark: Optional[str]) -> Optional[str]:
        """Return the mark of rows above a value, never less than an earlier mark; None for no rows.

        Runs on the driver, with one Spark job that reads this column alone.

        Parameters
        ----------
        rows : DataFrame
        above : Column
            Which rows are looked at.
        mark : str or None
            The earlier one.

        Raises
        ------
        ColumnError
            Values that no mark would find, or hide all others behind them.
        """
        from pyspark.sql import functions as F

        column = self.column
        top: Any = F.max(F.when(above, column))
        if mark is not None:
            top = F.when(top.isNotNull(), F.greatest(top, self.literal(mark)))
        # By its microseconds: a text has the session's time zone, whose offset may have seconds.
        shown = F.unix_micros(top) if self._type == "timestamp" else top.cast("string")
        odd = F.lit(False)
        if self._type in _FLOATS:
            no_number = F.isnan(column) | (F.abs(column) == F.lit(float("inf")))
            odd = column.isNotNull() & no_number
        try:
            seen = rows.agg(
                shown.alias("top"),
                F.count(F.when(column.isNull(), 1)).alias("n_null"),
                F.count(F.when(odd, 1)).alias("n_odd"),
            ).collect()[0]
        except Exception as error:  # noqa: BLE001 - which class differs between Spark versions
            raise told(
                error, f"The --since column {self.name} of {self.table} cannot be read", ColumnError
            ) from None
        for n_rows, what, condition in (
            (seen["n_null"], "null, which no later run would find", "IS NOT NULL"),
            (
                seen["n_odd"],
                "NaN or infinite, behind which no later row would be found",
                "BETWEEN -1e300 AND 1e300",
            ),
        ):
            if n_rows:
                raise ColumnError(
                    f"Table {self.table} has {n_rows:,} rows whose --since column {self.name} is "
                    f"{what}; leave them out (--where '{self.name} {condition}'), or use "
                    "--incremental missing."
                )
        return self._text(seen["top"])

    def _text(self, top: Any) -> Optional[str]:
        if top is None or self._type != "timestamp":
            return top if top is None else str(top)
        try:
            moment = _EPOCH + timedelta(microseconds=top)
        except OverflowError:
            raise ColumnError(
                f"The --since column {self.name} of {self.table} has a time beyond the year 9999, "
                "behind which no later row would be found; leave such rows out (--where)."
            ) from None
        return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ").zfill(27)

    def before(self, mark: str, lookback: str) -> "Column":
        """Return the value that lies a ``--lookback`` below a mark.

        Parameters
        ----------
        mark : str
        lookback : str
            A number for columns of numbers, a duration for times and dates.

        Raises
        ------
        OptionError
            It does not fit the column's type.
        """
        from pyspark.sql import functions as F

        match = _LOOKBACK.fullmatch(lookback.strip())
        unit = (match.group(2) or match.group(3) or "") if match is not None else ""
        wants = "a number" if self._type in _NUMBERS else "a duration, such as 36 h or 2 days"
        if match is None or self._type in _TEXTS or bool(unit) != (self._type in _TIMES):
            wants = "a column of numbers or times" if self._type in _TEXTS else wants
            raise OptionError(
                f"--lookback {lookback} does not fit the --since column {self.name} "
                f"({self.kind.simpleString()}); it wants {wants}."
            )
        amount, at = float(match.group(1)), self.literal(mark)
        if self._type in _NUMBERS:
            # Wide enough not to overflow below the type's smallest value.
            wide = "double" if self._type in _FLOATS else "decimal(38,9)"
            return at.cast(wide) - F.lit(match.group(1)).cast(wide)
        short = (
            unit.lower()
            if unit.lower() in _UNITS_S
            else {"minute": "min"}.get(unit.lower(), unit[0].lower())
        )
        seconds = amount * _UNITS_S[short]
        if self._type == "date":
            if seconds % _A_DAY_S:
                raise OptionError(
                    f"--lookback {lookback} wants whole days for the date {self.name}."
                )
            return F.date_sub(at, int(seconds // _A_DAY_S))
        return at - F.expr(f"make_dt_interval(0, 0, 0, {seconds:.6f}BD)")
