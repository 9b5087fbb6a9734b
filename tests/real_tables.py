"""Real tables out of packages that ship them: dates, text, many nulls, odd names, many columns.

Each is as its publisher wrote it; nothing is cleaned but what no reader of a CSV would keep.
"""

import importlib.util
from pathlib import Path
from typing import Any, Callable, Dict, NamedTuple

import pandas as pd

from dai_spark.testing import planes_table


class RealTable(NamedTuple):
    """A table, what is predicted of it, and the columns that are more than text in Spark.

    Attributes
    ----------
    rows : pandas.DataFrame
        As the pipeline's own workflow reads it: numbers, and text for all else.
    target : str
    kind : str
        Of the experiment.
    types : dict of str to str
        Spark types of columns that the lakehouse holds as something else than `rows` does.
    """

    rows: pd.DataFrame
    target: str
    kind: str
    types: Dict[str, str]


def _shipped(package: str, name: str) -> Path:
    # Found without an import: some of these packages import what newer Pythons no longer have.
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.submodule_search_locations
    return Path(found.submodule_search_locations[0]) / name


def planes(_: Path) -> RealTable:
    """Aircraft: 3,322 rows, `speed` missing in nearly all, engines as "4 Cycle", "Turbo-fan"."""
    rows = planes_table()
    return RealTable(rows, "engine", "multinomial", {"year": "int", "engines": "tinyint"})


def riots(_: Path) -> RealTable:
    """Deaths in Los Angeles in 1992: free text with commas, dots and ampersands, a date, nulls."""
    rows = pd.read_csv(_shipped("vega_datasets", "_data/la-riots.csv"))
    # Ten of each and more, so that a model is made of them.
    rows["type"] = rows["type"].where(rows["type"].eq("Not riot-related"), "riot-related")
    return RealTable(rows, "type", "binomial", {"death_date": "date", "age": "decimal(5,1)"})


def seattle(_: Path) -> RealTable:
    """Weather in Seattle: 1,461 days, timestamps, five classes."""
    rows = pd.read_csv(_shipped("vega_datasets", "_data/seattle-weather.csv"))
    rows["date"] = rows["date"].str.replace("/", "-") + " 00:00:00"
    return RealTable(rows, "weather", "multinomial", {"date": "timestamp", "wind": "float"})


def penguins(_: Path) -> RealTable:
    """Palmer penguins as they were published: names with blanks, brackets, slashes; comments."""
    rows = pd.read_csv(_shipped("palmerpenguins", "data/penguins-raw.csv"))
    types = {"Date Egg": "date", "Sample Number": "bigint", "Body Mass (g)": "double"}
    return RealTable(rows, "Species", "multinomial", types)


def digits(packages: Path) -> RealTable:
    """Handwritten digits of scikit-learn: 64 columns of pixels, labels that are numbers."""
    path = packages / "sklearn" / "datasets" / "data" / "digits.csv.gz"
    names = [*(f"pixel {i // 8},{i % 8}" for i in range(64)), "digit"]
    rows = pd.read_csv(path, header=None, names=names)
    types = dict.fromkeys(names[:-1], "smallint")
    return RealTable(rows, "digit", "multinomial", types)


TABLES: Dict[str, Callable[[Path], RealTable]] = {
    "planes": planes,
    "riots": riots,
    "seattle": seattle,
    "penguins": penguins,
    "digits": digits,
}


def as_spark(spark: Any, table: RealTable) -> Any:
    """The table as a lakehouse would hold it: a row number, and typed columns; four partitions."""
    from pyspark.sql import functions as F

    rows = table.rows.drop(columns=table.target)
    rows = rows.astype(object).where(rows.notna(), None)
    fields = ["row bigint"]
    for name in rows:
        is_number = pd.api.types.is_numeric_dtype(table.rows[name])
        fields.append(f"`{name}` {'double' if is_number else 'string'}")
    listed = [(i, *map(_plain, row)) for i, row in enumerate(rows.itertuples(index=False))]
    frame = spark.createDataFrame(listed, ", ".join(fields)).repartition(4)
    return frame.select(
        "row",
        *(F.col(f"`{n}`").cast(table.types[n]).alias(n) if n in table.types else f"`{n}`"
          for n in rows),
    )  # fmt: skip


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, (int, float)) else value
