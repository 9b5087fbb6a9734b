"""Takes the pipeline's columns out of what the caller gave, in the types of training.

Types that differ do not raise: a warning is printed and the value is coerced, as DAI does.
"""

from typing import Any, Dict, List

import numpy as np
import pandas as pd

from . import noise

# Read as missing by `score(list)`.  The list is DAI's, the same in all versions.
MISSING_WORDS = frozenset(
    [
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
    ]
)


def _warn(name: str, found: str, wanted: str) -> None:
    noise.say(
        "WARNING: column %s came as %s, trained as %s; check the input data" % (name, found, wanted)
    )


def _number(name: str, values: Any) -> Any:
    # bool counts as a number for pandas, but is what an empty column may arrive as.
    if not pd.api.types.is_numeric_dtype(values) or values.dtype == bool:
        _warn(name, str(values.dtype), "float32")
        values = pd.to_numeric(values, errors="coerce")
    return values.astype(np.float32)


def _text(name: str, values: Any) -> Any:
    kind = pd.api.types.infer_dtype(values, skipna=True)
    values = values.astype(object)
    missing = values.isnull()
    if kind not in ("string", "empty"):
        _warn(name, kind, "object")
        values = values.where(missing, values.map(str))
    return values.where(~missing, None)


def take(frame: Any, names: List[str], dtypes: Dict[str, str]) -> Any:
    """Return a new pandas DataFrame with exactly these columns, in this order and of these types.

    Parameters
    ----------
    frame : pandas.DataFrame or datatable.Frame
        Its columns are found by name; others are ignored.  It is not changed.

    Raises
    ------
    KeyError
        Names the columns that are absent.
    """
    if not isinstance(frame, pd.DataFrame):
        frame = frame.to_pandas()
    absent = [name for name in names if name not in frame.columns]
    if absent:
        raise KeyError("%s not in the frame" % absent)
    taken = {}
    for name in names:
        values = frame[name].reset_index(drop=True)
        taken[name] = (_text if dtypes[name] == "object" else _number)(name, values)
    return pd.DataFrame(taken, columns=names)
