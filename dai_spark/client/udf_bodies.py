"""The functions that Spark calls in its Python workers: one body for each kind of face.

Spark pickles these nested functions by value, and dai_spark's modules by name (it travels as a
py-file).  So they import what they need when they run, and hold nothing but the plan.
"""

from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, Mapping, Optional, Sequence

from dai_spark.client.read_files.task_files import TaskFiles
from dai_spark.errors import ColumnError, DaiSparkError
from dai_spark.metrics import ScoringMetrics
from dai_spark.plan.plan import ScoringPlan

if TYPE_CHECKING:
    import pyarrow as pa

    from dai_spark.client.spark_hooks.measuring import Measuring

__all__ = ["arrow_udf_body", "isolating_body", "map_body", "pandas_udf_body", "probe_body"]

# Takes a task's metrics, once; None where Spark has no way to bring them to the driver.
Report = Optional[Callable[[ScoringMetrics], None]]

_CALL_BY_NAME = (
    "In SQL the scoring function takes one struct, so that columns go by name: "
    "SELECT score(struct(*)) FROM table. Positions would give wrong scores without an error."
)
_CONVERTED = (
    "This Spark makes pandas frames of the columns in a way that dai_spark does not know, and "
    "there integers with nulls and old times are no longer what the table holds. Give "
    "udf_type='arrow' (Spark 4.1 or later), or use score_dataframe."
)


def arrow_udf_body(plan: ScoringPlan, report: Report = None) -> Callable[..., Any]:
    """Body of an Arrow UDF in iterator form: struct arrays in, struct arrays out.

    Spark reads the kind of UDF from the annotations, so they are classes here and not text.
    """
    import pyarrow as pa

    def score(columns: Iterator[pa.Array]) -> Iterator[pa.Array]:
        from dai_spark.client.score import score_batches
        from dai_spark.client.spark_hooks.worker_task import worker_task
        from dai_spark.client.udf_bodies import batch_of_struct

        with worker_task() as flush:
            for scored in score_batches(plan, map(batch_of_struct, columns), report=report):
                yield scored.prediction()
                flush()

    score.__name__ = plan.function_name
    return score


def pandas_udf_body(plan: ScoringPlan, report: Report = None) -> Callable[..., Any]:
    """Body of a pandas UDF in iterator form: Arrow columns in, frames out.

    Spark reads the kind of UDF from the annotations; see `arrow_columns` for what really comes.
    """
    import pandas as pd

    def score(columns: Iterator[pd.DataFrame]) -> Iterator[pd.DataFrame]:
        from dai_spark.client.score import score_batches
        from dai_spark.client.spark_hooks.arrow_columns import arrow_columns
        from dai_spark.client.spark_hooks.worker_task import worker_task
        from dai_spark.client.udf_bodies import batch_of_pandas_column, frame_of_prediction

        with worker_task() as flush:
            batches = map(batch_of_pandas_column, arrow_columns(columns))
            for scored in score_batches(plan, batches, report=report):
                if scored.error is not None:
                    raise scored.error
                yield frame_of_prediction(scored.answer)
                flush()

    score.__name__ = plan.function_name
    return score


def map_body(
    plan: ScoringPlan,
    read: Sequence[str],
    keep: Sequence[str],
    prediction: str,
    report: Report = None,
    files: Optional[TaskFiles] = None,
    measuring: "Optional[Measuring]" = None,
) -> Callable[..., Any]:
    """Body of mapInArrow: the kept columns of every batch, then the prediction.

    Columns come by position and are named `read`, whatever Spark calls them; with `files` they come
    from these, and from Spark the numbers of the tasks that read them.
    """

    def score(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        from dai_spark.client.score import score_batches
        from dai_spark.client.spark_hooks.worker_task import worker_task
        from dai_spark.client.udf_bodies import rows_of, with_kept

        measured = None if measuring is None else measuring.begin()
        with worker_task() as flush:
            for scored in score_batches(plan, rows_of(read, batches, files), report=report):
                answer = scored.prediction()
                if measured is not None:
                    measured.add(scored.batch, answer)
                yield with_kept(keep, scored.batch, {prediction: answer})
                flush()
        if measuring is not None and measured is not None:
            measuring.end(measured)

    score.__name__ = plan.function_name
    return score


def isolating_body(
    plan: ScoringPlan,
    read: Sequence[str],
    keep: Sequence[str],
    prediction: str,
    report: Report = None,
    error: str = "error",
    max_bad_rows: Optional[int] = None,
    files: Optional[TaskFiles] = None,
    measuring: "Optional[Measuring]" = None,
) -> Callable[..., Any]:
    """Body of mapInArrow: kept columns, prediction, and a text that says why a row has none.

    See `map_body`, and `isolate_batches` for `max_bad_rows`.
    """

    def score(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        from dai_spark.client.isolate import isolate_batches
        from dai_spark.client.spark_hooks.worker_task import worker_task
        from dai_spark.client.udf_bodies import rows_of, with_kept

        measured = None if measuring is None else measuring.begin()
        rows = rows_of(read, batches, files)
        with worker_task() as flush:
            for found in isolate_batches(plan, rows, report=report, max_bad_rows=max_bad_rows):
                if measured is not None:
                    measured.add(found.batch, found.prediction, found.error)
                added = {prediction: found.prediction, error: found.error}
                yield with_kept(keep, found.batch, added)
                flush()
        if measuring is not None and measured is not None:
            measuring.end(measured)

    score.__name__ = plan.function_name
    return score


def rows_of(
    names: Sequence[str], batches: "Iterator[pa.RecordBatch]", files: Optional[TaskFiles] = None
) -> "Iterator[pa.RecordBatch]":
    """The batches with their columns, which come by position, under these names; or of files."""
    import pyarrow

    if files is not None:
        from dai_spark.client.read_files.row_groups import batches_of_files

        yield from batches_of_files(files, names, batches)
        return
    for batch in batches:
        yield pyarrow.RecordBatch.from_arrays(batch.columns, names=list(names))


def with_kept(
    keep: Sequence[str], batch: "pa.RecordBatch", added: "Mapping[str, pa.Array]"
) -> "pa.RecordBatch":
    """The kept columns of a batch, by name, and those that are added behind them."""
    import pyarrow

    kept = [batch.column(batch.schema.get_field_index(name)) for name in keep]
    return pyarrow.RecordBatch.from_arrays([*kept, *added.values()], names=[*keep, *added])


def probe_body(plan: ScoringPlan) -> Callable[..., Any]:
    """Body of the probe: starts the sidecar and answers one text, its description or an error."""

    def probe(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import json

        import pyarrow

        from dai_spark.client.udf_bodies import describe_here

        for _ in batches:
            text = json.dumps(describe_here(plan))
            yield pyarrow.RecordBatch.from_arrays([pyarrow.array([text])], names=["answer"])

    return probe


def describe_here(plan: ScoringPlan) -> Dict[str, Any]:
    """Describe the pipeline on this executor; an error of ours is an answer too.

    Raised, it would come back as text within Spark's own, after Spark's four attempts.
    """
    import dataclasses

    from dai_spark.client.connection import Connection
    from dai_spark.client.executor import current_executor

    try:
        executor = current_executor()
        with Connection(plan, executor) as connection:
            described = dataclasses.asdict(connection.describe())
            # In order, so that a scorer that had to load is kept for the first task.
            connection.finish()
        return {"described": described, "host": executor.host}
    except DaiSparkError as error:
        return {
            "error": type(error).__name__,
            "message": error.message,
            "details": error.details,
        }


def batch_of_struct(column: Any) -> "pa.RecordBatch":
    """The fields of a struct array as a record batch."""
    import pyarrow

    if isinstance(column, tuple) or not pyarrow.types.is_struct(column.type):
        raise ColumnError(_CALL_BY_NAME)
    # By iterating, which every pyarrow that Spark 3.5 allows knows.
    names = [field.name for field in column.type]
    if not names:
        raise ColumnError("The pipeline's columns are missing: the struct has no fields.")
    return pyarrow.RecordBatch.from_arrays(column.flatten(), names=names)


def frame_of_prediction(answer: Any) -> Any:
    """A prediction as a frame whose maps are dicts, as Spark takes them from a pandas UDF."""
    import pyarrow

    from dai_spark.schema.prediction_frame import prediction_frame

    frame: Any = prediction_frame(answer)
    for field in answer.schema:
        if pyarrow.types.is_map(field.type):
            frame[field.name] = [
                None if pairs is None else dict(pairs) for pairs in frame[field.name]
            ]
    return frame


def batch_of_pandas_column(column: Any) -> "pa.RecordBatch":
    """The struct that a pandas UDF is given, as a record batch.

    Raises
    ------
    ColumnError
        It is no struct; or Spark made a frame of it, in which a value is no longer what it was.
    """
    import pandas
    import pyarrow

    if isinstance(column, pyarrow.ChunkedArray):
        # It holds one batch, and has no chunk where that is empty and of an old pyarrow.
        column = column.combine_chunks()
        if isinstance(column, pyarrow.ChunkedArray):
            column = pyarrow.concat_arrays(column.chunks)
    if isinstance(column, pyarrow.Array):
        return batch_of_struct(column)
    if isinstance(column, pandas.DataFrame):
        raise ColumnError(_CONVERTED)
    raise ColumnError(_CALL_BY_NAME)
