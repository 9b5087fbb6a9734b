"""One column of a prediction, for tools that want no more: what ``output=`` names."""

import difflib
from typing import TYPE_CHECKING, Any, Dict, Optional, Sequence

import pyarrow as pa

from dai_spark.errors import OptionError, shortened
from dai_spark.schema.prediction import LABEL

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PROBABILITY", "output_field", "output_options", "picked_column"]

# The probability of the positive class of two, of the most probable class of more.
PROBABILITY = "probability"


def output_options(output: Optional[str]) -> Dict[str, Any]:
    """The options that an output needs, beside those that were asked for."""
    return {"labels": True} if output == LABEL else {}


def output_field(output: str, schema: pa.Schema, labels: Optional[Sequence[str]]) -> pa.Field:
    """Name and type of the column that an output answers.

    Parameters
    ----------
    output : str
        ``"label"``, ``"probability"``, or the name of a column of the prediction.
    schema : pyarrow.Schema
        Of the prediction.
    labels : sequence of str or None
        The pipeline's classes.

    Raises
    ------
    OptionError
        The prediction has no such column.
    """
    if output == PROBABILITY and PROBABILITY not in schema.names:
        names = _of_classes(schema, labels)
        return pa.field(PROBABILITY, schema.field(names[0]).type)
    if output not in schema.names:
        near = difflib.get_close_matches(output, schema.names, n=1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise OptionError(
            f"output={output!r} is no column of this prediction, which has "
            f"{shortened(schema.names)}.{meant}"
        )
    return schema.field(output)


def picked_column(
    output: str, frame: "pd.DataFrame", schema: pa.Schema, labels: Optional[Sequence[str]]
) -> "pd.Series[Any]":
    """The column of a prediction that an output names; see `output_field`."""
    field = output_field(output, schema, labels)
    if output != PROBABILITY or PROBABILITY in schema.names:
        picked: pd.Series[Any] = frame[field.name]
        return picked
    names = _of_classes(schema, labels)
    if len(names) == 2:
        return frame[names[1]].rename(PROBABILITY)
    # Null where a probability is, as the label.
    return frame[names].max(axis=1, skipna=False).rename(PROBABILITY)


def _of_classes(schema: pa.Schema, labels: Optional[Sequence[str]]) -> "list[str]":
    names = [name for name in schema.names if name != LABEL]
    is_of_classes = (
        labels is not None
        and len(labels) == len(names)
        and all(name.endswith(f".{label}") for name, label in zip(names, labels))
    )
    if not is_of_classes:
        raise OptionError(
            f"output='probability' wants class probabilities, and this prediction has "
            f"{shortened(schema.names)}; name one of these columns by output=."
        )
    return names
