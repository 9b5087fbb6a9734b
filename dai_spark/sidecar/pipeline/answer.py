"""A pipeline's answer, whatever it is, as a frame with a row for each row that it was given."""

from collections import Counter
from typing import Any, List, Optional

import numpy as np
import pandas as pd

# A longer name is no name; Spark's plans repeat each of them many times.
_NAME_BYTES = 10000
_N_NAMED = 5


def answer_frame(answer: Any, frame: pd.DataFrame, n_rows: int) -> pd.DataFrame:
    """Return the answer to a frame: a row for each of its rows, in their order.

    The frame had the index 0..n-1 when the pipeline got it.  So an answer whose index is these
    numbers in another order says itself which row is which, and is put in order.

    Parameters
    ----------
    answer : object
        What `score_batch` returned.
    frame : pandas.DataFrame
        What it was given, as it is now: a pipeline may have changed it.
    n_rows : int
        What the frame had when it was given.

    Raises
    ------
    TypeError, ValueError
        No table, other rows than those of the frame, no columns, or names that are no names.
    """
    table = _table(answer)
    if len(table) != n_rows:
        raise ValueError("the pipeline answered {} rows for {}".format(len(table), n_rows))
    column_names(table.columns, "answered")
    order = _order(table.index, n_rows)
    if order is not None:
        return table.take(order)
    if not _is_range(frame.index, n_rows) and _is_permutation(_numbers(frame.index, n_rows)):
        # It sorted its input in place: its answer may be in the order of before or of after.
        raise ValueError(
            "the pipeline changed the order of the rows that it was given, and its answer does not "
            "tell which row is which; it must score a copy, or keep the index in its answer"
        )
    return table


def column_names(names: Any, what: str) -> List[str]:
    """Return names as texts, or raise where they cannot tell the columns of a table apart.

    Parameters
    ----------
    names : iterable
        Numbers and tuples are names too.
    what : str
        What the pipeline did to them, for the error: ``"answered"``.
    """
    if isinstance(names, (str, bytes)):
        raise TypeError("the pipeline {} a text in place of a list of columns".format(what))
    found = [str(name) for name in names]
    if not found:
        raise ValueError("the pipeline {} no columns".format(what))
    for name in found:
        try:
            n_bytes = len(name.encode("utf-8"))
        except UnicodeEncodeError:
            raise ValueError(
                "the pipeline {} a column whose name is not valid Unicode: {!a}".format(what, name)
            ) from None
        if n_bytes > _NAME_BYTES:
            raise ValueError(
                "the pipeline {} a column whose name has {} bytes".format(what, n_bytes)
            )
    if len(set(found)) < len(found):
        twice = sorted(name for name, n in Counter(found).items() if n > 1)
        raise ValueError("the pipeline {} columns of one name: {}".format(what, _some(twice)))
    return found


def _table(answer: Any) -> pd.DataFrame:
    if isinstance(answer, pd.DataFrame):
        return answer
    if hasattr(answer, "to_pandas"):
        answer = answer.to_pandas()
        return answer if isinstance(answer, pd.DataFrame) else pd.DataFrame(answer)
    if isinstance(answer, tuple):
        # Old versions of pandas read none.
        answer = list(answer)
    # What has an order: not a set, not an iterator that a row could be missing from.
    if isinstance(answer, (pd.Series, np.ndarray, list, dict)):
        return pd.DataFrame(answer)
    raise TypeError(
        "the pipeline answered {}, which is no table".format(
            "None" if answer is None else "a value of type {}".format(type(answer).__name__)
        )
    )


def _is_range(index: Any, n_rows: int) -> bool:
    return isinstance(index, pd.RangeIndex) and bool(index.equals(pd.RangeIndex(n_rows)))


def _is_permutation(order: Optional[Any]) -> bool:
    return order is not None and bool((order != np.arange(len(order))).any())


def _order(index: Any, n_rows: int) -> Optional[Any]:
    """Where the answer to each row lies; None where all are in their place."""
    if _is_range(index, n_rows):
        return None
    order = _numbers(index, n_rows)
    if order is None:
        raise ValueError(
            "the index of the pipeline's answer does not tell which row is which: it is {}, and "
            "the rows had 0 to {}; it must keep the index that it is given, or reset it".format(
                _some([repr(label) for label in index[: _N_NAMED + 1]]), n_rows - 1
            )
        )
    return order if _is_permutation(order) else None


def _numbers(index: Any, n_rows: int) -> Optional[Any]:
    """Where each of 0..n-1 lies in an index; None where it is no permutation of them."""
    if isinstance(index, pd.MultiIndex) or len(index) != n_rows:
        return None
    labels = np.asarray(index)
    if labels.dtype.kind == "O":
        if not all(isinstance(label, (int, float, np.number)) for label in labels):
            return None
        if any(isinstance(label, bool) for label in labels):
            return None
    elif labels.dtype.kind not in "iuf":
        return None
    wanted = np.arange(n_rows)
    # By value, so that 1.0 is 1; NaN is none of them.
    order = np.argsort(labels, kind="mergesort")
    return order if bool((labels[order] == wanted).all()) else None


def _some(names: List[str]) -> str:
    shown = ", ".join(name if len(name) < 100 else name[:100] + "..." for name in names[:_N_NAMED])
    return shown if len(names) <= _N_NAMED else shown + ", ..."
