"""Tensors as JSON and as JSON with raw bytes behind it: a request's, and those of its answer."""

import json
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import pyarrow as pa

from dai_spark.errors import RequestError, UnreadableRowsError
from dai_spark.row_formats.prediction_texts import json_texts
from dai_spark.row_formats.refused_cells import RefusedCells, shown
from dai_spark.serving.tensors import Tensor, numpy_type, raw_bytes

__all__ = ["json_of_tensors", "tensors_of_json"]

_WHERE = "The request"
_SIZE = "binary_data_size"
_BYTES = "BYTES"


def tensors_of_json(inputs: Any, behind: bytes = b"") -> List[Tensor]:
    """Read the inputs of a request.

    Parameters
    ----------
    inputs : list of dict
        Of `dai_spark.row_formats.strict_json.json_value`.  A null of ``data`` is a missing value,
        which the protocol has no word for.
    behind : bytes
        What stands behind the JSON: the raw bytes of the tensors that say ``binary_data_size``.

    Raises
    ------
    RequestError, ColumnError
        An input is not of the protocol, or a value not of its tensor's type: names tensor and row.
    """
    if not isinstance(inputs, list):
        raise RequestError('The request has no list of tensors ("inputs").')
    found, at = [], 0
    refused = RefusedCells(_WHERE)
    for given in inputs:
        tensor = _tensor(given)
        size = (given.get("parameters") or {}).get(_SIZE)
        if size is None:
            values: Any = _values(tensor, given.get("data"), refused)
        else:
            if type(size) is not int or size < 0 or at + size > len(behind):
                raise RequestError(
                    f"The tensor {tensor.name} has {_SIZE} {shown(size)}, and {len(behind) - at} "
                    "bytes are there behind the JSON."
                )
            values, at = behind[at : at + size], at + size
        found.append(Tensor(tensor.name, tensor.datatype, tensor.shape, values))
    if at != len(behind):
        raise RequestError(
            f"The request has {len(behind)} bytes behind its JSON, and its tensors say {at}."
        )
    refused.check()
    return found


def _tensor(given: Any) -> Tensor:
    if not isinstance(given, Mapping):
        raise RequestError(f"The request has {shown(given)} in place of a tensor.")
    name, datatype, shape = (given.get(word) for word in ("name", "datatype", "shape"))
    if not isinstance(name, str) or not isinstance(datatype, str):
        raise RequestError(f"A tensor has no name or no datatype: {shown(dict(given))}.")
    if not isinstance(shape, list) or not all(type(n) is int for n in shape):
        raise RequestError(f"The tensor {name} has the shape {shown(shape)}, which is no list.")
    if not isinstance(given.get("parameters") or {}, Mapping):
        raise RequestError(f"The tensor {name} has parameters that are no object.")
    return Tensor(name, datatype, tuple(shape), None)


def _values(tensor: Tensor, data: Any, refused: RefusedCells) -> pa.Array:
    """A tensor's values, each of its type as it stands: nothing is cut, rounded or read of text."""
    if not isinstance(data, list):
        raise UnreadableRowsError(f"The tensor {tensor.name} has no list of values (data).")
    # Of shape [n, 1] they may stand in lists of their own.
    flat = [value[0] if isinstance(value, list) and len(value) == 1 else value for value in data]
    kind = None if tensor.datatype == _BYTES else numpy_type(tensor)
    kept: List[Any] = []
    for row, value in enumerate(flat):
        why = None if value is None else _fault(value, kind)
        if why is not None:
            refused.add(row, tensor.name, f"{shown(value)} ({why})")
        kept.append(None if why is not None else value)
    if kind is None:
        return pa.array(kept, pa.string())
    if kind.kind == "f":
        floats = [None if value is None else float(value) for value in kept]
        mask = np.array([value is None for value in floats], dtype=bool)
        values = np.array([0.0 if value is None else value for value in floats], "f8")
        return pa.array(values.astype(kind), mask=mask)
    return pa.array(kept, pa.from_numpy_dtype(kind))


def _fault(value: Any, kind: Any) -> Optional[str]:
    if kind is None:
        if not isinstance(value, str):
            return "the tensor is of BYTES, which JSON has as texts"
        try:
            value.encode()
        except UnicodeEncodeError:
            return "it has half of a surrogate pair, which no UTF-8 holds"
        return None
    if kind.kind == "b":
        return None if isinstance(value, bool) else "the tensor is of BOOL"
    if type(value) is int:
        return _whole_fault(value, kind)
    if type(value) is float and kind.kind == "f":
        with np.errstate(over="ignore"):
            is_there = bool(np.isfinite(kind.type(value)))
        return None if is_there else "it is beyond the tensor's type"
    return f"the tensor is of {_told(kind)}"


def _whole_fault(value: int, kind: Any) -> Optional[str]:
    if kind.kind == "f":
        try:
            is_exact = int(kind.type(value)) == value
        except (OverflowError, ValueError):
            is_exact = False
        return None if is_exact else f"{_told(kind)} would round it"
    limits = np.iinfo(kind)
    is_there = int(limits.min) <= value <= int(limits.max)
    return None if is_there else f"it is beyond {_told(kind)}"


def _told(kind: Any) -> str:
    return f"{ {'f': 'FP', 'i': 'INT', 'u': 'UINT'}[kind.kind] }{8 * kind.itemsize}"


def json_of_tensors(tensors: Sequence[Tensor], is_raw: Mapping[str, bool]) -> Tuple[str, bytes]:
    """The outputs of an answer as JSON, and the raw bytes behind it.

    Parameters
    ----------
    tensors : sequence of Tensor
        Of `dai_spark.serving.tensors.tensors_of_table`.
    is_raw : mapping of str to bool
        By name, which of them are raw bytes; all others are numbers and texts of JSON, NaN is null.

    Returns
    -------
    (str, bytes)
    """
    told, behind = [], []
    for tensor in tensors:
        head: Dict[str, Any] = {
            "name": tensor.name,
            "datatype": tensor.datatype,
            "shape": list(tensor.shape),
        }
        if is_raw.get(tensor.name, False):
            data = raw_bytes(tensor)
            behind.append(data)
            told.append(json.dumps({**head, "parameters": {_SIZE: len(data)}}))
        else:
            told.append(f'{json.dumps(head)[:-1]}, "data": [{",".join(_texts(tensor))}]}}')
    return f"[{','.join(told)}]", b"".join(behind)


def _texts(tensor: Tensor) -> List[str]:
    if tensor.datatype == _BYTES:
        return [json.dumps(data.decode()) for data in tensor.values]
    texts: List[str] = json_texts(pa.chunked_array([pa.array(tensor.values)])).to_pylist()
    return texts
