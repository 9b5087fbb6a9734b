"""The table that is scored: flights with weather and aircraft, 22 columns of numbers and text."""

import functools
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from direct import FOLDER, fresh

from dai_spark.testing import flights_table, planes_table, weather_table

KEY = "flight_id"
TARGET = "late"
FEATURES = (
    *("month", "day", "hour", "minute", "sched_dep_time", "sched_arr_time", "dep_delay"),
    *("carrier", "flight", "tailnum", "origin", "dest", "distance"),
    *("temp", "humid", "wind_speed", "precip", "pressure", "visib"),
    *("manufacturer", "model", "seats"),
)


@functools.cache
def joined_flights() -> pd.DataFrame:
    """The 336,776 flights of the package, each with its hour's weather and its aircraft."""
    planes = planes_table()[["tailnum", "manufacturer", "model", "seats"]]
    joined = flights_table().merge(weather_table(), how="left", on=["origin", "time_hour"])
    joined = joined.merge(planes, how="left", on="tailnum").sort_values(KEY)
    return joined[[KEY, *FEATURES, TARGET]].reset_index(drop=True)


def written_table(n_rows: int, n_files: int) -> tuple[Path, list[Path]]:
    """Write the flights, repeated as often as it takes, and return the folder and its files.

    The key counts on, so that every row can be found again.
    """
    folder = FOLDER / "tables" / f"flights-{n_rows}-in-{n_files}"
    files = [folder / f"part-{number:05}.parquet" for number in range(n_files)]
    if not (folder / "_SUCCESS").exists():
        fresh(folder)
        flights = pa.Table.from_pandas(
            joined_flights().drop(columns=TARGET), preserve_index=False
        ).replace_schema_metadata()
        repeated = pa.concat_tables([flights] * (n_rows // flights.num_rows + 1)).slice(0, n_rows)
        repeated = repeated.set_column(0, KEY, pa.array(range(n_rows), pa.int64()))
        n_rows_of_file = -(-n_rows // n_files)
        for number, file in enumerate(files):
            pq.write_table(repeated.slice(number * n_rows_of_file, n_rows_of_file), file)
        (folder / "_SUCCESS").touch()
    return folder, files
