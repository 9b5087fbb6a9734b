"""What MLflow's tools give as rows, as a frame with each value as it was given."""

import contextlib
import io
import math
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Sequence

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import ColumnError, first_line

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CSV", "csv_frame", "frame_of", "objects_frame"]

# What `pandas.read_csv` takes as missing, and as true or false.
_MISSING = frozenset(
    (
        *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND"),
        *("1.#QNAN", "<NA>", "N/A", "NA", "NULL", "NaN", "None", "n/a", "nan", "null"),
    )
)
_FLAGS = {"True": 1, "TRUE": 1, "true": 1, "False": 0, "FALSE": 0, "false": 0}
# Where a frame that was read of CSV keeps the text: pandas has guessed what it holds.
CSV = "dai_spark.csv"


def frame_of(given: Any, wanted: Mapping[str, PipelineColumn]) -> Any:
    """Rows as a frame, or as they are where a handle takes them so.

    Parameters
    ----------
    given : pandas.DataFrame, Series, dict, list, numpy.ndarray, or whatever speaks Arrow
        A dict of columns or of one row's values, or a list of dicts, one a row.
    wanted : mapping of str to PipelineColumn

    Raises
    ------
    ColumnError
        Rows without names of columns, or columns of several lengths.
    """
    import pandas as pd

    if isinstance(given, pd.DataFrame):
        return csv_frame(given.attrs[CSV], wanted) if CSV in given.attrs else given
    if hasattr(given, "__arrow_c_stream__") or hasattr(given, "__arrow_c_array__"):
        return given
    if isinstance(given, pd.Series):
        return given.to_frame()
    if isinstance(given, Mapping):
        is_one_row = not any(_is_column(value) for value in given.values())
        columns = {str(n): [v] if is_one_row else list(v) for n, v in given.items()}
        return objects_frame(columns)
    if isinstance(given, (list, tuple)) and all(isinstance(row, Mapping) for row in given):
        return records_frame(given)
    raise ColumnError(
        f"Rows were given as {type(given).__name__} without names of columns, and a pipeline reads "
        "its columns by name; give a DataFrame, a dict of columns, or a list of dicts."
    )


def records_frame(rows: Sequence[Mapping[str, Any]]) -> "pd.DataFrame":
    """Rows that are dicts as a frame; what a row does not name is missing in it."""
    names = dict.fromkeys(str(name) for row in rows for name in row)
    return objects_frame({name: [row.get(name) for row in rows] for name in names})


def objects_frame(columns: Mapping[str, List[Any]], index: Any = None) -> "pd.DataFrame":
    """Columns of Python's own values as a frame of objects.

    pandas would make floats of integers among which one is missing, and other integers of those
    beyond 2^53.

    Raises
    ------
    ColumnError
    """
    import pandas as pd

    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {n}" for name, n in list(lengths.items())[:20])
        raise ColumnError(f"The columns have several numbers of rows: {told}.")
    found: Dict[str, Any] = {
        name: pd.Series(values, index=index, dtype=object) for name, values in columns.items()
    }
    return pd.DataFrame(found, index=index if not found else None)


def csv_frame(text: str, wanted: Mapping[str, PipelineColumn]) -> "pd.DataFrame":
    """Read CSV by what the pipeline wants: its text columns as they stand, numbers as numbers.

    An empty field is missing, in a column of numbers also each of pandas' words for it.

    Raises
    ------
    ColumnError
        A field of a column of numbers is none: names column and row; or the text is no CSV.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False, na_values=[""])
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeError) as error:
        raise ColumnError(
            f"The rows cannot be read as CSV with names of columns ({first_line(error)})."
        ) from None
    for name, column in wanted.items():
        if name not in frame.columns:
            continue
        if column.is_number:
            frame[name] = _numbers(name, frame[name])
        elif not column.is_known:
            with contextlib.suppress(ColumnError):
                frame[name] = _numbers(name, frame[name])
    return frame


def _numbers(name: str, texts: "pd.Series[Any]") -> "pd.Series[Any]":
    import pandas as pd

    values: List[Any] = []
    for row, text in enumerate(texts):
        if not isinstance(text, str) or text.strip() in _MISSING:
            values.append(None)
            continue
        try:
            values.append(_number(text))
        except ValueError:
            raise ColumnError(
                f"Column {name} of the CSV holds {text[:100]!r} in row {row}, which is no number, "
                "and the pipeline wants numbers there."
            ) from None
    return pd.Series(values, index=texts.index, dtype=object)


def _number(text: str) -> Any:
    """A number as exact as it is written: one that no float holds is refused later, not rounded."""
    text = text.strip()
    if text in _FLAGS:
        return _FLAGS[text]
    if "_" in text:
        raise ValueError(text)
    try:
        return int(text)
    except ValueError:
        found = float(text)
    if math.isinf(found) and text.lstrip("+-").lower() not in ("inf", "infinity"):
        raise ValueError(text)
    return found


def _is_column(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (
        hasattr(value, "__len__")
        and not isinstance(value, (str, bytes, Mapping))
        and getattr(value, "ndim", 1) > 0
    )
