"""A batch's values in the types that the pipeline is sent, and those that do not fit them.

The rules stand in `dai_spark.schema.columns`.  Values are looked at one by one only where a whole
column cannot be shown to fit at once, so a column that fits costs one cast.
"""

from decimal import Decimal
from typing import Any, List, Mapping, NamedTuple, Optional, Tuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import ColumnError
from dai_spark.schema.columns import Refused, is_text, known_as, sent_as
from dai_spark.schema.text_numbers import numbers_of_texts
from dai_spark.schema.zones import local_seconds

__all__ = ["CastBatch", "cast_batch", "decoded"]

# Above it a float64 leaves integers out.
_LARGEST_EXACT = 2**53
# A float64 gives back every decimal of so many digits.
_EXACT_DIGITS = 15
# Spark writes years beyond these with a sign.
_YEAR_0_S = -62_167_219_200
_YEAR_10000_S = 253_402_300_800
_CYCLE_S = 146_097 * 86_400  # 400 years, after which the calendar repeats
# Of text that cannot be read.
_N_SHOWN_BYTES = 40
_S_IN = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}


class CastBatch(NamedTuple):
    """A batch as it is sent, and how many of its values did not fit and were changed."""

    batch: pa.RecordBatch
    n_misfits: int


# Nearest values, and which of them are not what was given; None where all are.
_Found = Tuple[pa.Array, Optional[Any]]


def cast_batch(
    batch: pa.RecordBatch,
    wanted: Mapping[str, PipelineColumn],
    rows: str,
    on_cast: str = "error",
    jvm_pid: Optional[int] = None,
) -> CastBatch:
    """Pick the pipeline's columns out of a batch, in its order, in the types that it is sent.

    Runs in the Python worker, once a batch, after `dai_spark.schema.columns.check_columns`.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
    wanted : mapping of str to PipelineColumn
    rows : str
        What errors call the batch.
    on_cast : {"error", "warn", "null"}, default "error"
        What becomes of a value that does not fit.
    jvm_pid : int, optional
        The executor's JVM, where there is one: a time is shown by its time zone rules.

    Raises
    ------
    ColumnError
        With ``on_cast="error"``, for the first value that does not fit; names column and rows.
    """
    arrays = []
    n_misfits = 0
    for name, column in wanted.items():
        found = batch.column(batch.schema.get_field_index(name))
        sent, misfits = _cast(found, column, on_cast, jvm_pid)
        if misfits is not None and misfits.any():
            if on_cast == "error":
                first = int(np.argmax(misfits))
                raise _misfit(name, _shown(found, sent, first), found.type, sent.type, rows)
            if on_cast == "null":
                sent = pc.if_else(pa.array(~misfits), sent, pa.scalar(None, sent.type))
            n_misfits += int(misfits.sum())
        arrays.append(sent)
    return CastBatch(pa.RecordBatch.from_arrays(arrays, names=list(wanted)), n_misfits)


def _shown(found: pa.Array, sent: pa.Array, i: int) -> str:
    """A value as an error shows it; Python cannot hold some of them."""
    if pa.types.is_dictionary(found.type):
        found = decoded(found)
    if pa.types.is_timestamp(found.type):
        step = _S_IN[found.type.unit]
        digits = f"{found[i].cast(pa.int64()).as_py() % step:0{len(str(step)) - 1}}".rstrip("0")
        return f"{sent[i].as_py()}.{digits}"
    if not is_text(found.type):
        return str(found[i].as_py())
    data = _bytes(found.slice(i, 1))[0] or b""
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return f"X'{data[:_N_SHOWN_BYTES].hex().upper()}'"


def _misfit(name: str, value: str, found: pa.DataType, to: pa.DataType, rows: str) -> ColumnError:
    kind = "a double"
    if to == pa.string():
        kind = "text, which is UTF-8" if is_text(found) else "text without a fraction of a second"
    cause = f"Column {name} holds {value}, which the pipeline cannot be given unchanged as {kind}"
    return ColumnError(
        f"{cause}, in {rows}; cast or round the column as you mean it before scoring, or give "
        "on_cast='warn' or 'null'.",
        cause=f"{cause}.",
    )


def _cast(found: pa.Array, column: PipelineColumn, on_cast: str, jvm_pid: Optional[int]) -> _Found:
    if pa.types.is_dictionary(found.type):
        found = decoded(found)
    column = known_as(column, found.type)
    to = sent_as(found.type, column, on_cast)
    assert not isinstance(to, Refused), "check_columns runs first"
    if is_text(found.type):
        found, misfits = _readable(found)
        if not column.is_number:
            return found.cast(to), misfits
        return numbers_of_texts(found)
    if found.type == to:
        return found, None
    if pa.types.is_boolean(found.type):
        return found.cast(pa.uint8()).cast(to), None
    if pa.types.is_integer(found.type) and column.is_number:
        return _floats_of_integers(found)
    if pa.types.is_decimal(found.type):
        return _floats_of_decimals(found)
    if pa.types.is_timestamp(found.type):
        return _texts_of_timestamps(found, jvm_pid)
    if pa.types.is_date(found.type):
        days = found.cast(pa.date32()).cast(pa.int32()).cast(pa.int64())
        return pc.utf8_slice_codeunits(
            _texts_of_seconds(days.fill_null(0).to_numpy() * 86_400, days.is_valid()), 0, -9
        ), None
    return found.cast(to), None


def _readable(found: pa.Array) -> _Found:
    """Text that is UTF-8 throughout: Spark's need not be, and nothing else can read such bytes."""
    try:
        found.validate(full=True)
        return found, None
    except pa.ArrowInvalid:
        texts, misfits = [], np.zeros(len(found), dtype=bool)
    for i, data in enumerate(_bytes(found)):
        try:
            texts.append(None if data is None else data.decode("utf-8"))
        except UnicodeDecodeError:
            # A null raises nothing, so these are bytes.
            texts.append(data.decode("utf-8", errors="replace"))  # type: ignore[union-attr]
            misfits[i] = True
    return pa.array(texts, pa.string()), misfits


def _bytes(texts: pa.Array) -> List[Optional[bytes]]:
    is_large = pa.types.is_large_string(texts.type)
    found: List[Optional[bytes]] = texts.cast(
        pa.large_binary() if is_large else pa.binary()
    ).to_pylist()
    return found


def decoded(found: pa.DictionaryArray) -> pa.Array:
    """The values of a dictionary array, row for row."""
    if str(found.type.value_type) == "string_view":
        # What Polars makes of its categories; pyarrow decodes none of these.
        texts = found.dictionary.cast(pa.string())
        found = pa.DictionaryArray.from_arrays(found.indices, texts)
    return found.dictionary_decode()


def _floats_of_integers(found: pa.Array) -> _Found:
    try:
        return found.cast(pa.float64()), None
    except pa.ArrowInvalid:
        values = found.fill_null(0).to_numpy()
        misfits = (values > _LARGEST_EXACT) | (values < -_LARGEST_EXACT)
        return found.cast(pa.float64(), safe=False), misfits


def _floats_of_decimals(found: pa.Array) -> _Found:
    # By way of text, which is read to the nearest float: Arrow's own cast multiplies by a power of
    # ten and is off by a last digit now and then.
    texts = found.cast(pa.string())
    sent = texts.cast(pa.float64())
    if found.type.precision <= _EXACT_DIGITS:
        return sent, None
    digits = pc.utf8_rtrim(pc.replace_substring(texts, ".", ""), "0")
    n_digits = pc.utf8_length(pc.utf8_ltrim(digits, "-0"))
    misfits = pc.greater(n_digits, _EXACT_DIGITS).fill_null(False)
    misfits = misfits.to_numpy(zero_copy_only=False).copy()
    for i in np.flatnonzero(misfits):
        misfits[i] = Decimal(repr(sent[int(i)].as_py())) != found[int(i)].as_py()
    return sent, misfits


def _texts_of_timestamps(found: pa.Array, jvm_pid: Optional[int]) -> _Found:
    # Cut off towards the past, before 1970 too, as a clock shows it.
    ticks, step = found.cast(pa.int64()).fill_null(0).to_numpy(), _S_IN[found.type.unit]
    seconds, is_cut = ticks // step, ticks % step != 0
    if found.type.tz is not None:
        seconds = local_seconds(seconds, found.type.tz, jvm_pid)
    return _texts_of_seconds(seconds, found.is_valid()), is_cut if is_cut.any() else None


def _texts_of_seconds(seconds: Any, is_valid: pa.Array) -> pa.Array:
    """Seconds since 1970 as Spark casts them to text."""
    seconds = np.where(is_valid.to_numpy(zero_copy_only=False), seconds, 0)
    is_usual = (seconds >= _YEAR_0_S) & (seconds < _YEAR_10000_S)
    usual = pa.array(np.where(is_usual, seconds, 0)).cast(pa.timestamp("s"))
    texts = usual.cast(pa.string())
    if not is_usual.all():
        shown = texts.to_pylist()
        for i in np.flatnonzero(~is_usual):
            shown[i] = _far_text(int(seconds[i]))
        texts = pa.array(shown, pa.string())
    return pc.if_else(is_valid, texts, pa.scalar(None, pa.string()))


def _far_text(seconds: int) -> str:
    cycles = (seconds - _YEAR_0_S) // _CYCLE_S
    near = np.datetime64(seconds - cycles * _CYCLE_S, "s").astype(str)
    year = int(near[:4]) + cycles * 400
    return f"{'-' if year < 0 else '+'}{abs(year):04}{near[4:].replace('T', ' ')}"
