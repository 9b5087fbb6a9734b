"""PredictionShape: the columns of a prediction, made of the pipeline's own answer as asked."""

from typing import Optional, Sequence, Tuple

import numpy as np
import pyarrow as pa

from dai_spark.errors import OptionError, ScoringError, SidecarError, shortened
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import Description, ScoringPlan

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
    answer: pa.RecordBatch, expected: Optional[Sequence[Tuple[str, str]]], n_rows: int, rows: str
) -> pa.RecordBatch:
    """Hold a pipeline's answer against what it described, and return it in exactly those types.

    Raises
    ------
    ScoringError
        Another number of rows, or other columns than described.
    """
    if answer.num_rows != n_rows:
        raise ScoringError(f"The pipeline answered {answer.num_rows} rows for {rows}.")
    if expected is None:
        return answer
    schema = answer_schema(expected)
    if answer.schema.names != schema.names:
        raise ScoringError(
            f"The pipeline answered {shortened(answer.schema.names)} for {rows}, but said before "
            f"that it answers {shortened(schema.names)}."
        )
    if answer.schema.types == schema.types:
        return pa.RecordBatch.from_arrays(answer.columns, schema=schema)
    try:
        arrays = [a.cast(t) for a, t in zip(answer.columns, schema.types)]
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise ScoringError(
            f"The pipeline answered other types than it described for {rows}: {error}"
        ) from None
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def answer_schema(expected: Sequence[Tuple[str, str]]) -> pa.Schema:
    """The Arrow schema of a pipeline's answer, from what it described."""
    return pa.schema([pa.field(name, _ANSWER_TYPES[kind]) for name, kind in expected])
