"""Contract: what a file demands of a run, each demand with the column that it is made of.

::

    [rows]                       # rows that are read to be scored
    min = 1_000
    max = 5_000_000
    min_of_last = 0.5            # as a share of the job's last run's
    max_of_last = 2.0

    [bad_rows]
    max_share = 0.001

    [inputs."*"]                 # each other column that the pipeline reads
    max_null_share = 0.2

    [inputs.income]
    max_null_share = 0.05
    min = 0
    max = 1_000_000
    max_psi = 0.25

    [predictions."late.yes"]
    min = 0.0
    max = 1.0
    min_mean = 0.1
    max_mean = 0.4
    max_null_share = 0.0         # null or NaN
    max_psi = 0.25
"""

import difflib
from dataclasses import dataclass, field
from typing import Any, Dict, Iterable, Mapping

from dai_spark.errors import OptionError

__all__ = ["ALL", "Contract"]

# Stands for every column that has no table of its own.
ALL = "*"
_ROWS = ("min", "max", "min_of_last", "max_of_last")
_BAD_ROWS = ("max_share",)
_INPUTS = ("max_null_share", "min", "max", "max_psi")
_PREDICTIONS = ("min", "max", "min_mean", "max_mean", "max_null_share", "max_psi")
_SHARES = ("max_share", "max_null_share")


@dataclass(frozen=True)
class Contract:
    """What a run must be like.

    Plain data of the driver: of each table of the file its demands, by their keys.

    Attributes
    ----------
    path : str
        Where it was read from.
    rows, bad_rows : mapping of str to float
    inputs, predictions : mapping of str to mapping of str to float
        By column; `ALL` for those that have none of their own.
    """

    path: str
    rows: Mapping[str, float] = field(default_factory=dict)
    bad_rows: Mapping[str, float] = field(default_factory=dict)
    inputs: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    predictions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def of(cls, path: str, data: Mapping[str, Any]) -> "Contract":
        """Take what a file holds.

        Parameters
        ----------
        path : str
            As messages name it.
        data : mapping
            The parsed TOML.

        Raises
        ------
        OptionError
            A key that does not exist, with the nearest that does; a value that is no number, or a
            demand that nothing can meet; a file that demands nothing.
        """
        _known(path, "", data, ("rows", "bad_rows", "inputs", "predictions"))
        found: Dict[str, Any] = {}
        for name, keys in (("rows", _ROWS), ("bad_rows", _BAD_ROWS)):
            if name in data:
                found[name] = _demands(path, name, data[name], keys)
        for name, of_columns in (("inputs", _INPUTS), ("predictions", _PREDICTIONS)):
            tables = data.get(name, {})
            if not isinstance(tables, dict):
                raise OptionError(f"{path}: {name} is no table of columns: [{name}.COLUMN].")
            found[name] = {
                column: _demands(path, f'{name}."{column}"', table, of_columns)
                for column, table in tables.items()
            }
        if not any(found.values()):
            raise OptionError(f"{path} demands nothing; a contract has [rows], [inputs.COLUMN] ...")
        return cls(path, **found)

    def for_column(self, kind: str, column: str) -> Mapping[str, float]:
        """The demands that a column is held to.

        Parameters
        ----------
        kind : {"inputs", "predictions"}
        column : str
        """
        tables: Mapping[str, Mapping[str, float]] = getattr(self, kind)
        return tables.get(column, tables.get(ALL, {}))

    def counted_columns(self, read: Iterable[str]) -> "list[str]":
        """The columns whose nulls and bounds are counted over every row.

        Parameters
        ----------
        read : iterable of str
            Those that the pipeline reads.
        """
        exact = ("max_null_share", "min", "max")
        return [n for n in read if any(key in self.for_column("inputs", n) for key in exact)]

    def check_columns(self, inputs: Iterable[str], predictions: Iterable[str]) -> None:
        """Refuse columns that the pipeline neither reads nor answers, before anything is scored.

        Parameters
        ----------
        inputs, predictions : iterable of str
            Those of the pipeline.

        Raises
        ------
        OptionError
            Names the nearest one that there is.
        """
        for kind, what, there in (
            ("inputs", "reads", list(inputs)),
            ("predictions", "answers", list(predictions)),
        ):
            for column in getattr(self, kind):
                if column not in (ALL, *there):
                    raise OptionError(
                        f'{self.path}: [{kind}."{column}"] is of a column that the pipeline never '
                        f"{what}{_nearest(column, there)}"
                    )


def _known(path: str, where: str, table: Mapping[str, Any], keys: Iterable[str]) -> None:
    for key in table:
        if key not in keys:
            inside = f" in [{where}]" if where else ""
            raise OptionError(f"{path}: there is no key {key}{inside}{_nearest(key, list(keys))}")


def _demands(path: str, where: str, table: Any, keys: Iterable[str]) -> Dict[str, float]:
    if not isinstance(table, dict):
        raise OptionError(f"{path}: {where} is no table: [{where}].")
    _known(path, where, table, keys)
    for key, value in table.items():
        # A truth value is an int to Python, and NaN is above and below nothing.
        if type(value) not in (int, float) or value != value:
            raise OptionError(f"{path}: {key} in [{where}] wants a number, but is {value!r}.")
        if key in _SHARES and not 0 <= value <= 1:
            raise OptionError(f"{path}: {key} in [{where}] is {value!r}; a share is from 0 to 1.")
        is_of_column = key in ("min", "max", "min_mean", "max_mean") and where != "rows"
        if value < 0 and not is_of_column:
            raise OptionError(f"{path}: {key} in [{where}] is {value!r}, which is below 0.")
    for low, high in (("min", "max"), ("min_of_last", "max_of_last"), ("min_mean", "max_mean")):
        if low in table and high in table and table[low] > table[high]:
            raise OptionError(f"{path}: {low} in [{where}] is above {high}.")
    return dict(table)


def _nearest(name: str, there: "list[str]") -> str:
    near = difflib.get_close_matches(name, there, 1)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(there[:20])}."
