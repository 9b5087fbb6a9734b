"""Files, folders and standard input as tables of the pipeline's columns, piece by piece."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Iterator, List, Mapping, Optional, Sequence

import pyarrow as pa

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import ColumnError, OptionError, RefusedValuesError, shortened
from dai_spark.row_formats.arrow_rows import arrow_tables, parquet_tables
from dai_spark.row_formats.csv_rows import csv_tables
from dai_spark.row_formats.json_lines import read_json_lines
from dai_spark.row_formats.json_rows import is_split, table_of_json
from dai_spark.row_formats.row_formats import FORMATS, format_of_name
from dai_spark.row_formats.strict_json import json_value

__all__ = ["STANDARD", "InputFile", "input_files"]

# What stands for standard input and output.
STANDARD = "-"
_BLOCK_BYTES = 4 << 20


@dataclass
class InputFile:
    """One file of rows.

    Attributes
    ----------
    path : Path or None
        None is standard input.
    format : str
        A name of `dai_spark.row_formats.row_formats.FORMATS`.
    relative : Path
        Where it lies below the folder that was given; its name, where it was given itself.
    is_split : bool
        Whether it was JSON with names of columns and lists of values, once it was read.
    """

    path: Optional[Path]
    format: str
    relative: Path
    is_split: bool = False

    @property
    def label(self) -> str:
        """What a message calls it."""
        return "standard input" if self.path is None else str(self.path)

    @property
    def size_bytes(self) -> Optional[int]:
        """None where it is not known."""
        return None if self.path is None else self.path.stat().st_size

    def tables(
        self, wanted: Mapping[str, PipelineColumn], keep: Sequence[str]
    ) -> Iterator[pa.Table]:
        """Its rows in their order; at least one table, which may be empty.

        Raises
        ------
        ColumnError
            What the file holds cannot be given to the pipeline; names rows and columns.
        OptionError
            It cannot be read.
        """
        try:
            if self.path is None:
                yield from self._tables(sys.stdin.buffer, wanted, keep)
            else:
                with self.path.open("rb") as source:
                    yield from self._tables(source, wanted, keep)
        except ColumnError as error:
            placed = type(error)(f"{self.label}: {error.message}", error.details)
            if isinstance(error, RefusedValuesError) and isinstance(placed, RefusedValuesError):
                placed.offenders = error.offenders
            raise placed from error
        except OSError as error:
            raise OptionError(
                f"{self.label} cannot be read ({error.strerror or error})."
            ) from error

    def _tables(
        self, source: BinaryIO, wanted: Mapping[str, PipelineColumn], keep: Sequence[str]
    ) -> Iterator[pa.Table]:
        if self.format == "csv":
            yield from csv_tables(source, wanted, keep, _BLOCK_BYTES)
        elif self.format == "arrow":
            yield from arrow_tables(source, wanted, keep)
        elif self.format == "parquet":
            # Its end says what it holds, so what cannot be sought in is read whole.
            whole = self.path is None
            file: Any = pa.BufferReader(source.read()) if whole else source
            yield from parquet_tables(file, wanted, keep)
        elif self.format == "jsonl":
            yield from _line_tables(source, wanted, keep)
        else:
            value = json_value(source.read(), "The file")
            self.is_split = is_split(value, wanted)
            yield table_of_json(value, wanted, keep)


def _line_tables(
    source: BinaryIO, wanted: Mapping[str, PipelineColumn], keep: Sequence[str]
) -> Iterator[pa.Table]:
    n_rows = n_lines = 0
    rest = b""
    is_first = True
    while True:
        block = source.read(_BLOCK_BYTES)
        data = rest + block
        if block:
            end = data.rfind(b"\n") + 1
            data, rest = data[:end], data[end:]
            if not end:
                continue
        if data.strip() or (is_first and not block):
            table = read_json_lines(data, wanted, keep, n_rows, n_lines + 1)
            n_rows += table.num_rows
            is_first = False
            yield table
        n_lines += data.count(b"\n")
        if not block:
            return


def input_files(source: str, format: Optional[str]) -> List[InputFile]:
    """The files that a command line names.

    Parameters
    ----------
    source : str
        A file, a folder, whose files are taken in the order of their names, or ``-``.
    format : str, optional
        Of all of them; by default each one's name tells.

    Raises
    ------
    OptionError
        Nothing lies there, or a file does not say its format.
    """
    if source == STANDARD:
        if format is None:
            raise OptionError(
                f"Standard input does not say its format; name it: --from {', '.join(FORMATS)}."
            )
        return [InputFile(None, format, Path(f"standard_input{FORMATS[format].endings[0]}"))]
    path = Path(source)
    if path.is_file() or (path.exists() and not path.is_dir()):
        return [InputFile(path, format or format_of_name(path.name).name, Path(path.name))]
    if not path.is_dir():
        raise OptionError(f"There is no file or folder {path} to read rows from.")
    found = [
        file
        for file in sorted(path.rglob("*"))
        if file.is_file() and not _is_passed_over(file.relative_to(path))
    ]
    if not found:
        raise OptionError(f"The folder {path} has no files.")
    if format is None:
        unknown = [str(file.relative_to(path)) for file in found if not _says_format(file)]
        if unknown:
            raise OptionError(
                f"The folder {path} has files whose names do not say their format, "
                f"{shortened(unknown)}; name it: --from {', '.join(FORMATS)}."
            )
    return [
        InputFile(file, format or format_of_name(file.name).name, file.relative_to(path))
        for file in found
    ]


def _is_passed_over(relative: Path) -> bool:
    # As Spark does: _SUCCESS, and what is written just now.
    return any(part[0] in "._" for part in relative.parts)


def _says_format(path: Path) -> bool:
    return any(path.name.lower().endswith(e) for f in FORMATS.values() for e in f.endings)
