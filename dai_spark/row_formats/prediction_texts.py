"""A prediction's values as texts of JSON: numbers as the shortest that give the same bits."""

import json
from typing import Any, List

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["few_json_texts", "json_texts"]


def json_texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Each value of a column as JSON.

    A float32 has as many digits as give its bits back when they are read as a float32, a float64
    as many as a float64 wants.  What is no finite number is null, which JSON has no other word for.

    Parameters
    ----------
    column : pyarrow.ChunkedArray
        Of a prediction, or of a column that is carried through.
    """
    kind = column.type
    if pa.types.is_floating(kind):
        texts = _floats(column)
    elif pa.types.is_integer(kind):
        texts = column.cast(pa.string())
    elif pa.types.is_boolean(kind):
        texts = pc.if_else(column, "true", "false")
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        texts = _texts(column)
    else:
        texts = pa.chunked_array([pa.array(_others(column), pa.string())])
    return texts.fill_null("null")


def few_json_texts(column: pa.ChunkedArray) -> List[str]:
    """As `json_texts`, for a few rows: a call of Arrow costs more than these."""
    if not pa.types.is_floating(column.type):
        return [str(text) for text in json_texts(column).to_pylist()]
    # numpy's text of a float32 is the shortest that gives its bits; those of nan and inf have an n.
    texts = map(str, column.to_numpy(zero_copy_only=False))
    return ["null" if "n" in text else text for text in texts]


def _floats(column: pa.ChunkedArray) -> pa.ChunkedArray:
    texts = pc.if_else(pc.is_finite(column), column.cast(pa.string()), pa.scalar(None, pa.string()))
    # A reader without types takes 1 for a whole number, and 1.0 for a float.
    is_whole = pc.match_substring_regex(texts, "^-?[0-9]+$")
    if pc.any(is_whole).as_py():
        texts = pc.if_else(is_whole, pc.binary_join_element_wise(texts, ".0", ""), texts)
    return texts


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    # Labels are few, and kept columns may be many different ones.
    coded = column.combine_chunks()
    if isinstance(coded, pa.ChunkedArray):
        coded = pa.concat_arrays(coded.chunks) if coded.num_chunks else pa.array([], column.type)
    coded = coded.dictionary_encode()
    words = [json.dumps(text) for text in coded.dictionary.to_pylist()]
    return pa.chunked_array([pa.array(words, pa.string()).take(coded.indices)])


def _others(column: pa.ChunkedArray) -> List[Any]:
    """Maps of probabilities as objects, and what else a kept column may hold as its text."""
    if pa.types.is_map(column.type):
        value_kind = column.type.item_type
        found: List[Any] = []
        for row in column.to_pylist():
            if row is None:
                found.append(None)
                continue
            values = json_texts(pa.chunked_array([pa.array([v for _, v in row], value_kind)]))
            pairs = zip((json.dumps(str(key)) for key, _ in row), values.to_pylist())
            found.append("{" + ",".join(f"{key}:{value}" for key, value in pairs) + "}")
        return found
    return [None if value is None else json.dumps(str(value)) for value in column.to_pylist()]
