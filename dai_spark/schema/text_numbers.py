"""Texts that are read as numbers, and those of them that are none, or would be another one."""

from typing import Any, Sequence, Tuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["MISSING_WORDS", "changed_numbers", "numbers_of_texts"]

# What Driverless AI reads as missing; the same list in the exports of all its versions.
MISSING_WORDS = (
    "",
    "?",
    "None",
    "nan",
    "NA",
    "N/A",
    "unknown",
    "inf",
    "-inf",
    "1.7976931348623157e+308",
    "-1.7976931348623157e+308",
)

# What float() of Python takes is more: 1_000, Infinity, digits of other scripts.
_NUMBER = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$"
# Digits beyond which a text may be another number as a float.
_MOST_DIGITS = 15


def numbers_of_texts(
    found: pa.Array, missing: Sequence[str] = MISSING_WORDS
) -> Tuple[pa.Array, Any]:
    """Read texts as numbers; blanks around one are passed over.

    Parameters
    ----------
    found : pyarrow.Array
        Of a text type.
    missing : sequence of str
        Words for a missing value.

    Returns
    -------
    (pyarrow.Array of float64, numpy.ndarray of bool)
        The nearest float of each, null where it is missing or no number; and which of them are no
        numbers.
    """
    texts = pc.utf8_trim_whitespace(found.cast(pa.string()))
    is_missing = pc.is_in(texts, value_set=pa.array(missing, pa.string()))
    texts = pc.if_else(is_missing, pa.scalar(None, pa.string()), texts)
    numbers = pc.if_else(
        pc.match_substring_regex(texts, _NUMBER), texts, pa.scalar(None, pa.string())
    )
    # The one form of them that Arrow does not read.
    numbers = pc.replace_substring_regex(numbers, r"^\+", "")
    try:
        sent = numbers.cast(pa.float64())
    except pa.ArrowInvalid:
        # One is too large for a double, or too small.
        values = (None if text is None else float(text) for text in numbers.to_pylist())
        sent = pa.array(values, pa.float64())
    sent = pc.if_else(pc.is_finite(sent), sent, pa.scalar(None, pa.float64()))
    misfits = pc.and_(sent.is_null(), texts.is_valid()).to_numpy(zero_copy_only=False)
    return sent, misfits


def changed_numbers(found: pa.Array, sent: pa.Array) -> Any:
    """Which numbers are others than their texts say: whole ones that no float is, tiny ones.

    A number with a point or an exponent means its nearest float, as in every program; one that is
    written without may be a key or an amount in cents, and means itself.

    Parameters
    ----------
    found : pyarrow.Array
        Texts.
    sent : pyarrow.Array of float64
        What `numbers_of_texts` made of them.

    Returns
    -------
    numpy.ndarray of bool
    """
    values = sent.fill_null(1.0).to_numpy(zero_copy_only=False)
    doubtful = (np.abs(values) >= 10.0**_MOST_DIGITS) | (values == 0)
    changed = np.zeros(len(values), dtype=bool)
    for i in np.flatnonzero(doubtful):
        text = found[int(i)].as_py().strip()
        if values[i] == 0:
            changed[i] = any(digit in "123456789" for digit in text.lower().partition("e")[0])
        elif text.lstrip("+-").isdigit():
            changed[i] = int(text) != int(values[i])
    return changed
