"""What MLflow's tools give as rows, as a frame with each value as it was given."""

from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Sequence

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import ColumnError
from dai_spark.row_formats.csv_rows import csv_columns, read_csv

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CSV", "csv_frame", "frame_of", "objects_frame"]

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
    """Read CSV by what the pipeline wants; see `dai_spark.row_formats.csv_rows`.

    Parameters
    ----------
    text : str
    wanted : mapping of str to PipelineColumn
        Columns of the export, of which the pipeline may use fewer.

    Raises
    ------
    ColumnError
        A field of a column of numbers is none: names columns and rows; or the text is no CSV.
    """
    # Half of a surrogate pair becomes bytes that are no UTF-8, which are refused by their row.
    data = text.encode("utf-8", "surrogatepass")
    names = csv_columns(data)
    there = {name: column for name, column in wanted.items() if name in names}
    others = [name for name in dict.fromkeys(names) if name not in there]
    table = read_csv(data, there, others)
    columns: Dict[str, Any] = {name: table.column(name).to_pylist() for name in table.column_names}
    return objects_frame(columns)


def _is_column(value: Any) -> bool:
    return isinstance(value, (list, tuple)) or (
        hasattr(value, "__len__")
        and not isinstance(value, (str, bytes, Mapping))
        and getattr(value, "ndim", 1) > 0
    )
