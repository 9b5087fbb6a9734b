"""What a caller may give to be scored, as record batches, and the answer in the caller's kind."""

import sys
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Iterable, Iterator, List, Mapping, Optional, Sequence

import numpy as np
import pyarrow as pa

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import ColumnError, OptionError, first_line, shortened
from dai_spark.local.frame_columns import arrow_table, column_names
from dai_spark.plan.options import ScoringOptions
from dai_spark.schema.cast import decoded
from dai_spark.schema.columns import check_columns, check_groups, check_once
from dai_spark.schema.prediction_frame import prediction_frame

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ArrowRows", "FrameRows", "Rows", "rows_of"]

# pyarrow converts frames by threads, which pays for long ones.
_SHORT_ROWS = 1000


class Rows(ABC):
    """Rows to be scored, read once."""

    @abstractmethod
    def batches(
        self, wanted: Mapping[str, PipelineColumn], options: ScoringOptions
    ) -> Iterable[pa.RecordBatch]:
        """The rows with the pipeline's columns, checked, in the order in which they are scored.

        Raises
        ------
        ColumnError
            Names every column that is missing or cannot be given to the pipeline.
        """

    @abstractmethod
    def answer(self, answers: List[pa.RecordBatch], schema: pa.Schema) -> Any:
        """Their predictions in the caller's kind, in the order of the caller's rows."""


class FrameRows(Rows):
    """Rows of a pandas DataFrame; the answer is one with its index.

    Parameters
    ----------
    frame : pandas.DataFrame
    """

    def __init__(self, frame: "pd.DataFrame") -> None:
        self._frame = frame
        self._order: Optional[Any] = None

    def batches(
        self, wanted: Mapping[str, PipelineColumn], options: ScoringOptions
    ) -> Iterable[pa.RecordBatch]:
        """See `Rows.batches`."""
        frame = self._frame
        columns = column_names(frame)
        read = [*wanted, *options.group_by, *options.order_by]
        check_once(read, columns, "The frame")
        if options.group_by:
            check_groups(options, columns, "The frame")
            self._order = _sorted_places(frame, options)
            frame = frame.iloc[self._order]
        names = [n for n in dict.fromkeys([*wanted, *options.group_by]) if n in columns]
        table = arrow_table(frame, names, self._order)
        types = dict(zip(names, table.schema.types))
        _checked(types, list(frame.columns), wanted, "The frame", options)
        return _whole_batches(table)

    def answer(self, answers: List[pa.RecordBatch], schema: pa.Schema) -> "pd.DataFrame":
        """See `Rows.answer`."""
        table = pa.Table.from_batches(answers, schema)
        found = prediction_frame(table, use_threads=table.num_rows > _SHORT_ROWS)
        if self._order is not None:
            found = found.iloc[np.argsort(self._order)]
        found.index = self._frame.index
        return found


class ArrowRows(Rows):
    """Rows of anything that speaks Arrow; the answer is a `pyarrow.Table`.

    Parameters
    ----------
    schema : pyarrow.Schema
    batches : iterable of pyarrow.RecordBatch
    """

    def __init__(self, schema: pa.Schema, batches: Iterable[pa.RecordBatch]) -> None:
        self._schema = schema
        self._batches = batches
        self._order: Optional[Any] = None

    def batches(
        self, wanted: Mapping[str, PipelineColumn], options: ScoringOptions
    ) -> Iterable[pa.RecordBatch]:
        """See `Rows.batches`."""
        names = self._schema.names
        check_once([*wanted, *options.group_by, *options.order_by], names, "The table")
        check_groups(options, names, "The table")
        types = dict(zip(names, self._schema.types))
        check_columns(types, wanted, "The table", options.on_cast)
        if not options.group_by:
            return self._batches
        table = _takeable(pa.Table.from_batches(self._batches, self._schema))
        keys = table.select(list(dict.fromkeys([*options.group_by, *options.order_by])))
        self._order = _sorted_places(keys.to_pandas(), options)
        kept = table.select(list(dict.fromkeys([*wanted, *options.group_by])))
        return _whole_batches(kept.take(pa.array(self._order)))

    def answer(self, answers: List[pa.RecordBatch], schema: pa.Schema) -> pa.Table:
        """See `Rows.answer`."""
        found = pa.Table.from_batches(answers, schema)
        if self._order is not None:
            found = found.take(pa.array(np.argsort(self._order)))
        return found


def rows_of(given: Any) -> Rows:
    """Take what a caller gave: a pandas DataFrame, or whatever speaks Arrow.

    Parameters
    ----------
    given : pandas.DataFrame, pyarrow.Table, RecordBatch or RecordBatchReader, or any object with
        ``__arrow_c_stream__`` or ``__arrow_c_array__``

    Raises
    ------
    OptionError
        It is none of these.
    """
    # While another thread imports pandas, the module is there and its names are not.
    frame = getattr(sys.modules.get("pandas"), "DataFrame", None)
    if frame is not None and isinstance(given, frame):
        return FrameRows(given)
    if isinstance(given, pa.Table):
        given = _takeable(given)
        return ArrowRows(given.schema, _batches_of_table(given))
    if isinstance(given, pa.RecordBatch):
        return ArrowRows(given.schema, [given])
    if isinstance(given, pa.RecordBatchReader):
        return ArrowRows(given.schema, given)
    try:
        if hasattr(given, "__arrow_c_stream__"):
            reader = pa.RecordBatchReader.from_stream(given)
            return ArrowRows(reader.schema, reader)
        if hasattr(given, "__arrow_c_array__"):
            batch = pa.record_batch(given)
            return ArrowRows(batch.schema, [batch])
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise OptionError(
            f"The {type(given).__name__} that was given holds no rows with named columns ({error})."
        ) from None
    raise OptionError(
        f"Rows to score cannot be given as {type(given).__name__}; give a pandas DataFrame, a "
        "pyarrow Table, RecordBatch or RecordBatchReader, or whatever has __arrow_c_stream__ "
        "(Polars, DuckDB)."
    )


def _batches_of_table(table: pa.Table) -> Iterator[pa.RecordBatch]:
    # Many small chunks would each cost a call of the pipeline.
    if any(column.num_chunks > 1 for column in table.columns):
        table = table.combine_chunks()
    yield from table.to_batches()


def _takeable(table: pa.Table) -> pa.Table:
    """The same table, with text that pyarrow can put in another order and in one piece."""
    for i, field in enumerate(table.schema):
        kind, chunks = field.type, table.column(i).chunks
        if pa.types.is_dictionary(kind) and str(kind.value_type) == "string_view":
            chunks = [decoded(chunk) for chunk in chunks]
        elif str(kind) == "string_view":
            chunks = [chunk.cast(pa.string()) for chunk in chunks]
        else:
            continue
        table = table.set_column(i, field.name, pa.chunked_array(chunks, pa.string()))
    return table


def _whole_batches(table: pa.Table) -> List[pa.RecordBatch]:
    batches: List[pa.RecordBatch] = table.combine_chunks().to_batches()
    return batches


def _sorted_places(frame: "pd.DataFrame", options: ScoringOptions) -> Any:
    """Row numbers in the order in which groups are scored; stable, as far as columns leave it."""
    by, order = list(options.group_by), list(options.order_by)
    keys = frame[[*by, *order]].set_axis(range(len(frame)), axis=0)
    try:
        keys = keys.sort_values([*by, *order], kind="stable", na_position="first")
    except (TypeError, ValueError) as error:
        raise ColumnError(
            f"The columns to group or order by, {', '.join([*by, *order])}, have values that "
            f"cannot be put in order ({first_line(error)}); make each of them numbers, text or "
            "times."
        ) from None
    return keys.index.to_numpy()


def _checked(
    types: Mapping[str, pa.DataType],
    columns: Sequence[Any],
    wanted: Mapping[str, PipelineColumn],
    where: str,
    options: ScoringOptions,
) -> None:
    """Check columns that are read, by what the others are called where one of them is meant."""
    others = {name: "" for name in columns if isinstance(name, str)}
    try:
        check_columns({**others, **types}, wanted, where, options.on_cast)
    except ColumnError as error:
        no_text = [repr(name) for name in columns if not isinstance(name, str)]
        alike = [name for name in no_text if name in wanted]
        if not alike:
            raise
        raise ColumnError(
            f"{error.message} It has columns whose names are no text, {shortened(alike)}: "
            "frame.rename(columns=str) makes them texts."
        ) from None
