"""JSON Lines: a row a line, each an object with names of columns."""

from typing import Mapping, Sequence

import pyarrow as pa

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.row_formats.json_rows import table_of_records
from dai_spark.row_formats.strict_json import json_value

__all__ = ["read_json_lines"]


def read_json_lines(
    data: bytes,
    wanted: Mapping[str, PipelineColumn],
    keep: Sequence[str] = (),
    first_row: int = 0,
    first_line: int = 1,
) -> pa.Table:
    """Read rows; lines without anything are passed over.

    Parameters
    ----------
    data : bytes
    wanted, keep
        See `dai_spark.row_formats.json_rows.table_of_json`.
    first_row, first_line : int
        Numbers of the first ones, where they are a part of a file.

    Raises
    ------
    ColumnError
    """
    rows = [
        json_value(line, f"Line {first_line + i}")
        for i, line in enumerate(data.split(b"\n"))
        if line.strip()
    ]
    return table_of_records(rows, wanted, keep, "The JSON Lines", first_row)
