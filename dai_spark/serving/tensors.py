"""Tensors of the Open Inference Protocol as a table of the pipeline's columns, and back.

A tensor is a column, of shape [n] or [n, 1], with the type that it says.  There is no null in the
protocol: NaN of a float is a missing value, and a tensor of BOOL called ``COLUMN.is_null`` beside a
column says of each row whether its value is missing.
"""

import struct
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import OptionError, UnreadableRowsError, shortened
from dai_spark.row_formats.refused_cells import RefusedCells
from dai_spark.schema.columns import check_columns, check_once

__all__ = [
    "IS_NULL",
    "Tensor",
    "datatype_of",
    "numpy_type",
    "raw_bytes",
    "table_of_tensors",
    "tensors_of_table",
]

IS_NULL = ".is_null"
_NUMPY: Dict[str, Any] = {
    "BOOL": np.dtype("?"),
    **{f"INT{8 * n}": np.dtype(f"<i{n}") for n in (1, 2, 4, 8)},
    **{f"UINT{8 * n}": np.dtype(f"<u{n}") for n in (1, 2, 4, 8)},
    **{f"FP{8 * n}": np.dtype(f"<f{n}") for n in (2, 4, 8)},
}
_BYTES = "BYTES"
_WHERE = "The request"


@dataclass(frozen=True)
class Tensor:
    """One column as the protocol has it.

    Attributes
    ----------
    name, datatype : str
    shape : tuple of int
    values : sequence, bytes or pyarrow.Array
        Numbers, booleans, or bytes of texts; or all of them as the protocol's raw bytes; or as a
        column that has its type already.
    """

    name: str
    datatype: str
    shape: Sequence[int]
    values: Any


def table_of_tensors(
    tensors: Sequence[Tensor], wanted: Mapping[str, PipelineColumn], keep: Sequence[str] = ()
) -> pa.Table:
    """Tensors as a table of the pipeline's columns; others are passed over.

    Parameters
    ----------
    tensors : sequence of Tensor
    wanted : mapping of str to PipelineColumn
    keep : sequence of str
        Further tensors to read.

    Raises
    ------
    ColumnError
        A column is missing or of a type that the pipeline cannot be given, a tensor is not of its
        shape, or a text is no UTF-8: names column and row.
    """
    names = [tensor.name for tensor in tensors]
    read = list(dict.fromkeys([*wanted, *keep]))
    check_once(read, names, _WHERE)
    by_name = {tensor.name: tensor for tensor in tensors}
    there = [name for name in read if name in by_name]
    lengths = {name: _length(by_name[name]) for name in there}
    if len(set(lengths.values())) > 1:
        told = shortened([f"{name} {n}" for name, n in lengths.items()])
        raise UnreadableRowsError(f"{_WHERE} has tensors of several numbers of rows: {told}.")
    refused = RefusedCells(_WHERE)
    columns = {}
    for name in there:
        column = _column(by_name[name], lengths[name], refused)
        mask = by_name.get(name + IS_NULL)
        if mask is not None and name + IS_NULL not in wanted:
            column = _masked(column, mask, lengths[name])
        columns[name] = column
    refused.check()
    types = {name: column.type for name, column in columns.items()}
    others = {name: pa.null() for name in names if name not in types}
    check_columns({**others, **types}, wanted, _WHERE)
    for name in keep:
        check_columns({**others, **types}, {name: PipelineColumn(name, "unknown")}, _WHERE)
    return pa.table({name: columns[name] for name in read})


def _length(tensor: Tensor) -> int:
    shape = [int(n) for n in tensor.shape]
    if len(shape) not in (1, 2) or (len(shape) == 2 and shape[1] != 1) or shape[0] < 0:
        raise UnreadableRowsError(
            f"{_WHERE} has the tensor {tensor.name} of shape {shape}; a column has the shape [n] "
            "or [n, 1]."
        )
    return shape[0]


def _column(tensor: Tensor, n_rows: int, refused: RefusedCells) -> pa.Array:
    if isinstance(tensor.values, pa.Array):
        if len(tensor.values) != n_rows:
            raise _wrong_length(tensor, f"{len(tensor.values)} values")
        return tensor.values
    if tensor.datatype == _BYTES:
        return _texts(tensor, n_rows, refused)
    kind = numpy_type(tensor)
    if isinstance(tensor.values, (bytes, memoryview)):
        if len(tensor.values) != n_rows * kind.itemsize:
            raise _wrong_length(tensor, f"{len(tensor.values)} bytes")
        return pa.array(np.frombuffer(tensor.values, kind))
    if len(tensor.values) != n_rows:
        raise _wrong_length(tensor, f"{len(tensor.values)} values")
    return pa.array(np.asarray(tensor.values, kind))


def numpy_type(tensor: Tensor) -> Any:
    """The type in numpy of a tensor that holds no texts.

    Raises
    ------
    UnreadableRowsError
        The protocol has no such type.
    """
    kind = _NUMPY.get(tensor.datatype)
    if kind is None:
        raise UnreadableRowsError(
            f"{_WHERE} has the tensor {tensor.name} of type {tensor.datatype}, which is none of "
            f"{', '.join([*_NUMPY, _BYTES])}."
        )
    return kind


def _texts(tensor: Tensor, n_rows: int, refused: RefusedCells) -> pa.Array:
    values = tensor.values
    if isinstance(values, (bytes, memoryview)):
        values = _split(tensor, bytes(values))
    if len(values) != n_rows:
        raise _wrong_length(tensor, f"{len(values)} values")
    try:
        return pa.array(values, pa.binary()).cast(pa.string())
    except pa.ArrowInvalid:
        for row, data in enumerate(values):
            try:
                data.decode()
            except UnicodeDecodeError:
                text = f"X'{data[:30].hex().upper()}' (it is no UTF-8)"
                refused.add(row, tensor.name, text)
        return pa.nulls(n_rows, pa.string())


def _split(tensor: Tensor, data: bytes) -> List[bytes]:
    """Texts that each have their length before them."""
    found, at = [], 0
    while at < len(data):
        if at + 4 > len(data):
            raise _wrong_length(tensor, "a text that is cut off")
        (length,) = struct.unpack_from("<I", data, at)
        if at + 4 + length > len(data):
            raise _wrong_length(tensor, "a text that is cut off")
        found.append(data[at + 4 : at + 4 + length])
        at += 4 + length
    return found


def _wrong_length(tensor: Tensor, found: str) -> UnreadableRowsError:
    return UnreadableRowsError(
        f"{_WHERE} has the tensor {tensor.name} of shape {list(tensor.shape)} and type "
        f"{tensor.datatype} with {found}."
    )


def _masked(column: pa.Array, mask: Tensor, n_rows: int) -> pa.Array:
    if mask.datatype != "BOOL" or _length(mask) != n_rows:
        raise UnreadableRowsError(
            f"{_WHERE} has the tensor {mask.name}, which is to be BOOL and of the shape of its "
            "column."
        )
    is_null = _column(mask, n_rows, RefusedCells(_WHERE))
    return pc.if_else(is_null, pa.scalar(None, column.type), column)


def datatype_of(kind: pa.DataType) -> str:
    """The protocol's name of a type of a prediction.

    Raises
    ------
    OptionError
        It has none.
    """
    for name, found in _NUMPY.items():
        if name != "BOOL" and kind == pa.from_numpy_dtype(found):
            return name
    if pa.types.is_boolean(kind):
        return "BOOL"
    if pa.types.is_string(kind):
        return _BYTES
    raise OptionError(
        f"A tensor cannot hold {kind}; leave probabilities='map' out, and each class has a tensor."
    )


def tensors_of_table(table: pa.Table, outputs: Optional[Sequence[str]] = None) -> List[Tensor]:
    """A prediction as tensors of shape [n, 1]; numpy arrays, or lists of bytes.

    A null of a text or an integer has a tensor ``NAME.is_null`` beside it, where there is one.

    Parameters
    ----------
    table : pyarrow.Table
    outputs : sequence of str, optional
        Those that are asked for; by default all.

    Raises
    ------
    OptionError
        One that the prediction does not have.
    """
    unknown = [name for name in outputs or () if name not in table.column_names]
    if unknown:
        raise OptionError(
            f"The prediction has no {shortened(unknown)}; it has {shortened(table.column_names)}."
        )
    found = []
    shape = (table.num_rows, 1)
    for name in outputs or table.column_names:
        column = table.column(name)
        datatype = datatype_of(column.type)
        if datatype == _BYTES:
            values: Any = [(text or "").encode() for text in column.to_pylist()]
        elif datatype.startswith("FP"):
            values = column.to_numpy()
        else:
            values = column.fill_null(False if datatype == "BOOL" else 0).to_numpy()
        found.append(Tensor(name, datatype, shape, values))
        if column.null_count and not datatype.startswith("FP"):
            found.append(Tensor(name + IS_NULL, "BOOL", shape, column.is_null().to_numpy()))
    return found


def raw_bytes(tensor: Tensor) -> bytes:
    """The values of a tensor as the protocol's raw bytes.

    Parameters
    ----------
    tensor : Tensor
    """
    if tensor.datatype == _BYTES:
        return b"".join(struct.pack("<I", len(data)) + data for data in tensor.values)
    return bytes(np.ascontiguousarray(tensor.values, _NUMPY[tensor.datatype]).tobytes())
