"""The formats of rows by their names, media types and endings of files."""

from dataclasses import dataclass
from typing import Callable, Dict, Mapping, Optional, Sequence, Tuple

import pyarrow as pa

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import OptionError
from dai_spark.row_formats.arrow_rows import read_arrow, read_parquet
from dai_spark.row_formats.csv_rows import read_csv
from dai_spark.row_formats.json_lines import read_json_lines
from dai_spark.row_formats.json_rows import read_json
from dai_spark.row_formats.prediction_bytes import (
    arrow_bytes,
    csv_bytes,
    json_bytes,
    json_lines_bytes,
    parquet_bytes,
)

__all__ = ["FORMATS", "RowFormat", "format_of_media_type", "format_of_name", "read_rows"]

_Read = Callable[[bytes, Mapping[str, PipelineColumn], Sequence[str]], pa.Table]


@dataclass(frozen=True)
class RowFormat:
    """One format of rows.

    Attributes
    ----------
    name : str
    media_types : tuple of str
        The first one is what answers are called.
    endings : tuple of str
        Of files.
    read : callable
        Bytes, the pipeline's columns and further columns to keep, to a table.
    write : callable
        A table to bytes.
    """

    name: str
    media_types: Tuple[str, ...]
    endings: Tuple[str, ...]
    read: _Read
    write: Callable[[pa.Table], bytes]


FORMATS: Dict[str, RowFormat] = {
    found.name: found
    for found in (
        RowFormat("json", ("application/json", "text/json"), (".json",), read_json, json_bytes),
        RowFormat(
            "jsonl",
            (
                "application/jsonl",
                *("application/jsonlines", "application/x-ndjson", "application/x-jsonlines"),
                *("application/json-lines", "application/ndjson"),
            ),
            (".jsonl", ".ndjson"),
            read_json_lines,
            json_lines_bytes,
        ),
        RowFormat("csv", ("text/csv", "application/csv"), (".csv",), read_csv, csv_bytes),
        RowFormat(
            "arrow",
            (
                "application/vnd.apache.arrow.stream",
                *("application/vnd.apache.arrow.file", "application/x-arrow"),
            ),
            (".arrow", ".arrows", ".feather", ".ipc"),
            read_arrow,
            arrow_bytes,
        ),
        RowFormat(
            "parquet",
            ("application/vnd.apache.parquet", "application/x-parquet"),
            (".parquet", ".pq"),
            read_parquet,
            parquet_bytes,
        ),
    )
}
_BY_MEDIA_TYPE = {kind: found for found in FORMATS.values() for kind in found.media_types}
_BY_ENDING = {ending: found for found in FORMATS.values() for ending in found.endings}


def read_rows(
    data: bytes,
    format: str,
    wanted: Mapping[str, PipelineColumn],
    keep: Sequence[str] = (),
) -> pa.Table:
    """Read a body of rows.

    Parameters
    ----------
    data : bytes
    format : str
        A name of `FORMATS`.
    wanted : mapping of str to PipelineColumn
        The pipeline's columns; others are passed over.
    keep : sequence of str
        Further columns to read.

    Raises
    ------
    ColumnError
        See `RefusedValuesError` and `UnreadableRowsError`, which it also may be.
    """
    return FORMATS[format].read(data, wanted, keep)


def format_of_media_type(media_type: str) -> Optional[RowFormat]:
    """The format of a Content-Type or of one part of an Accept; None where it is none of them.

    Parameters
    ----------
    media_type : str
        Its parameters (``; charset=utf-8``) are passed over.
    """
    return _BY_MEDIA_TYPE.get(media_type.partition(";")[0].strip().lower())


def format_of_name(name: str) -> RowFormat:
    """The format of a file by the ending of its name.

    Raises
    ------
    OptionError
        It has none that is known.
    """
    lower = name.lower()
    for ending, found in _BY_ENDING.items():
        if lower.endswith(ending):
            return found
    raise OptionError(
        f"{name} does not say its format; its name may end in {', '.join(_BY_ENDING)}, or the "
        f"format is named: {', '.join(FORMATS)}."
    )
