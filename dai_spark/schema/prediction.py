"""PredictionShape: the columns of a prediction, made of the pipeline's own answer as asked."""

from typing import Optional, Sequence, Tuple

import numpy as np
import pyarrow as pa

from dai_spark.errors import OptionError, ScoringError, SidecarError, shortened
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import Description, ScoringPlan
from dai_spark.schema.exact_cast import InexactError, exact_cast

__all__ = ["LABEL", "PROBABILITIES", "PredictionShape", "answer_schema", "check_answer"]

# Names of what we add to a pipeline's answer.  Those of a classification hold a dot.
LABEL = "label"
PROBABILITIES = "probabilities"

# The types that a pipeline's answer may have, by the names that DESCRIPTION uses.
_ANSWER_TYPES = {
    "float": pa.float32(),
    "double": pa.float64(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "bool": pa.bool_(),
    "string": pa.string(),
}
_INTERVAL = (".lower", ".upper")
_DEFAULT_THRESHOLD = 0.5
# Of a value that an error names.
_VALUE_CHARS = 100


class PredictionShape:
    """The shape of a prediction: which columns a row gets, and their types.

    Made on the driver, to tell Spark the type, and in each task.

    Parameters
    ----------
    described : Description
        With the options that travel, so that its output is the answer's.
    options : ScoringOptions

    Attributes
    ----------
    schema : pyarrow.Schema
        Of a prediction: the pipeline's own columns in its order, or a map of them; then the
        label.

    Raises
    ------
    OptionError
        The pipeline's answer has not what the options ask for.
    """

    def __init__(self, described: Description, options: ScoringOptions) -> None:
        self._answer = answer_schema(described.output)
        self._labels = _labels_of_columns(described, options)
        self._threshold = options.threshold
        self._has_label = options.labels
        self._is_map = options.probabilities == "map"
        if self._labels is None and (self._has_label or self._is_map):
            asked = "labels=True" if self._has_label else "probabilities='map'"
            raise OptionError(
                f"{asked} wants class probabilities, and this pipeline answers "
                f"{shortened(self._answer.names)}; leave the option out."
            )
        if self._threshold is not None and len(self._labels or ()) != 2:
            raise OptionError(
                f"threshold={self._threshold:g} is for two classes, and this pipeline has "
                f"{len(self._labels or ())}; leave it out, and the most probable class is the "
                "label."
            )
        if not self._answer.names:
            raise ScoringError("The pipeline answers no columns; its export is damaged.")
        target = self._answer.names[0]
        limits = [target + ending for ending in _INTERVAL]
        has_interval = described.labels is None and self._answer.names[1:] == limits
        if options.intervals and not has_interval:
            raise OptionError(
                f"intervals=True wants prediction intervals, and this pipeline answers "
                f"{shortened(self._answer.names)}; train the experiment with them, or leave the "
                "option out."
            )
        self._kept = list(range(len(self._answer)))
        if has_interval and options.intervals is False:
            self._kept = [0]
        fields = [self._answer.field(i) for i in self._kept]
        if self._is_map:
            fields = [pa.field(PROBABILITIES, pa.map_(pa.string(), self._answer.types[0]))]
        if self._has_label:
            fields.append(pa.field(LABEL, pa.string()))
        self.schema = pa.schema(fields)

    @classmethod
    def of(cls, plan: ScoringPlan) -> "PredictionShape":
        """The shape that a plan asks for; a plan that is not described yet is refused.

        Raises
        ------
        OptionError, SidecarError
        """
        if plan.described is None:
            raise SidecarError("The pipeline was not described yet; what it answers is not known.")
        return cls(plan.described, plan.options)

    def of_answer(self, answer: pa.RecordBatch) -> pa.RecordBatch:
        """The prediction for an answer that `check_answer` let through, row for row."""
        arrays = [answer.column(i) for i in self._kept]
        if self._is_map:
            arrays = [self._map(answer)]
        if self._has_label:
            arrays.append(self._label(answer))
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def nulls(self, n_rows: int) -> pa.RecordBatch:
        """The prediction of rows that have none."""
        arrays = [pa.nulls(n_rows, kind) for kind in self.schema.types]
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)

    def _map(self, answer: pa.RecordBatch) -> pa.MapArray:
        assert self._labels is not None
        n_labels, n_rows = len(self._labels), answer.num_rows
        places = np.tile(np.arange(n_labels, dtype="int32"), n_rows)
        keys = pa.array(self._labels, pa.string()).take(pa.array(places))
        columns = [column.to_numpy(zero_copy_only=False) for column in answer.columns]
        values = np.stack(columns, axis=1).reshape(-1) if n_rows else np.zeros(0)
        offsets = np.arange(n_rows + 1, dtype="int32") * n_labels
        items = pa.array(values, self._answer.types[0], from_pandas=False)
        return pa.MapArray.from_arrays(pa.array(offsets), keys, items)

    def _label(self, answer: pa.RecordBatch) -> pa.StringArray:
        assert self._labels is not None
        columns = [column.to_numpy(zero_copy_only=False) for column in answer.columns]
        values = np.stack(columns, axis=1)
        if len(self._labels) == 2:
            threshold = _DEFAULT_THRESHOLD if self._threshold is None else self._threshold
            chosen = (values[:, 1] >= threshold).astype("int64")
        else:
            # The first of classes that are equally probable.
            chosen = np.argmax(values, axis=1) if len(values) else np.zeros(0, dtype="int64")
        nothing = np.isnan(values).any(axis=1)
        return pa.array(self._labels, pa.string()).take(pa.array(chosen, mask=nothing))


def _labels_of_columns(
    described: Description, options: ScoringOptions
) -> Optional[Tuple[str, ...]]:
    """The labels, where the answer has a probability for each of them, in their order."""
    names = [name for name, _ in described.output]
    labels = described.labels
    if labels is None or options.margin or options.contributions or len(labels) != len(names):
        return None
    if not all(name.endswith(f".{label}") for name, label in zip(names, labels)):
        return None
    kinds = {kind for _, kind in described.output}
    return labels if kinds in ({"float"}, {"double"}) else None


def check_answer(
    answer: pa.RecordBatch,
    expected: Optional[Sequence[Tuple[str, str]]],
    n_rows: int,
    rows: str,
    first_row: int = 0,
) -> pa.RecordBatch:
    """Hold a pipeline's answer against what it described, and return it in exactly those types.

    Columns are taken by name.  A value of another type is taken where it is the same in the one
    that was described; NaN of a float column is null in one of integers.

    Parameters
    ----------
    answer : pyarrow.RecordBatch
    expected : sequence of (str, str), optional
        Names and types that were described; by default none were.
    n_rows : int
    rows : str
        What errors call them: ``rows 0-9999 of partition 3``.
    first_row : int, default 0
        What errors call the first of them.

    Raises
    ------
    ScoringError
        Another number of rows, other columns than described, or a value that the described type
        does not hold: names column, row and both types.
    """
    if answer.num_rows != n_rows:
        raise ScoringError(f"The pipeline answered {answer.num_rows} rows for {rows}.")
    if expected is None:
        return answer
    schema = answer_schema(expected)
    names = answer.schema.names
    if names != schema.names:
        if sorted(names) != sorted(schema.names) or len(set(names)) < len(names):
            raise ScoringError(
                f"The pipeline answered {shortened(names)} for {rows}, but said before that it "
                f"answers {shortened(schema.names)}.",
                cause="The pipeline answered other columns than it described.",
            )
        places = [names.index(name) for name in schema.names]
        arrays = [answer.column(place) for place in places]
    else:
        arrays = answer.columns
    if [array.type for array in arrays] != schema.types:
        arrays = [_cast(array, field, rows, first_row) for array, field in zip(arrays, schema)]
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def _cast(array: pa.Array, field: pa.Field, rows: str, first_row: int) -> pa.Array:
    try:
        return exact_cast(array, field.type)
    except InexactError as error:
        value = repr(error.value)[:_VALUE_CHARS]
        raise ScoringError(
            f"The pipeline answered column {field.name!r} with {value} of type {array.type} for "
            f"row {first_row + error.row} (of {rows}), but described it as {field.type}, which "
            "does not hold that value; its answer must have one type for all batches.",
            cause=f"The pipeline answered {field.name!r} with {value} of type {array.type}, and "
            f"described it as {field.type}.",
        ) from None


def answer_schema(expected: Sequence[Tuple[str, str]]) -> pa.Schema:
    """The Arrow schema of a pipeline's answer, from what it described."""
    return pa.schema([pa.field(name, _ANSWER_TYPES[kind]) for name, kind in expected])
