"""score_dataframe: a DataFrame in, its kept columns and the prediction out."""

import os
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Sequence, Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.client.read_files.task_files import TaskFiles
from dai_spark.client.udf_bodies import map_body
from dai_spark.driver.file_reader.reading import check_way, choose_reading
from dai_spark.driver.group_shuffle import depends_on_rows, grouped, needs_groups
from dai_spark.driver.metrics_sum import MetricsSum
from dai_spark.driver.off_disk import off_disk
from dai_spark.driver.open_request import open_request
from dai_spark.driver.prepare import prepare
from dai_spark.driver.progress.messages import log_message
from dai_spark.driver.row_facts.rows_measure import RowsMeasure
from dai_spark.driver.schema import arrow_types, prediction_type, quoted
from dai_spark.errors import ColumnError, shortened
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import ScoringPlan
from dai_spark.schema.columns import check_columns, check_groups, check_once, parsed_columns
from dai_spark.schema.prediction import PredictionShape

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from typing_extensions import Unpack

    from dai_spark.plan.option_arguments import OptionArguments

__all__ = ["Body", "MaybeFiles", "check_table", "mapped_frame", "score_dataframe", "scored_frame"]

MaybeFiles = Optional[TaskFiles]
Body = Callable[..., Any]


def score_dataframe(
    df: "DataFrame",
    pipeline: Union[str, "os.PathLike[str]", ScoringPipeline],
    env: Union[str, "os.PathLike[str]", PackedEnvironment, None] = None,
    *,
    keep: Optional[Sequence[str]] = None,
    prediction: str = "prediction",
    license: Optional[str] = None,
    license_file: Optional[str] = None,
    options: Optional[ScoringOptions] = None,
    on_message: Optional[Callable[[str], None]] = None,
    metrics: Optional[MetricsSum] = None,
    read: str = "auto",
    **overrides: "Unpack[OptionArguments]",
) -> "DataFrame":
    """Score a DataFrame with a Driverless AI scoring pipeline.

    Runs on the driver: checks everything that can be checked before a task starts (files, licence,
    every column's presence and type), and returns a DataFrame that scores when an action runs.
    Each row is then scored once, whatever is filtered or sorted behind it.

    Parameters
    ----------
    df : DataFrame
        Its columns are matched by name; only the pipeline's and the kept ones are read.
    pipeline, env
        See `score_udf`.
    keep : sequence of str, optional
        Columns to carry through, in this order.  By default all of `df`.
    prediction : str, default "prediction"
        Name of the struct column.
    license, license_file, options, on_message
        See `score_udf`.
    metrics : MetricsSum, optional
        Sums what tasks report: ``MetricsSum(spark)``, whose `metrics()` is read after an action.
    read : {"auto", "spark", "files"}, default "auto"
        Who reads the rows.  ``"files"``: the tasks themselves, as Arrow, which spares Spark's rows
        and their conversion; only for a DataFrame that is a plain scan of Parquet files, and for
        what the file system, types and settings allow.  ``"auto"``: so where all of this is proved
        before a task starts, else Spark; `on_message` is told which, and why.  The files are those
        of the moment of this call.
    **overrides
        Fields of `ScoringOptions` by keyword, laid over `options`.

    Returns
    -------
    DataFrame
        The kept columns, then the struct column, row for row and in order within partitions.

    Raises
    ------
    ColumnError
        Names every missing and every uncastable column at once.
    OptionError, PipelineError, PackedEnvironmentError, LicenseError, SidecarError, ScoringError
    """
    on_message = on_message or log_message
    check_way(read)
    request = open_request(
        df.sparkSession,
        pipeline,
        env,
        license=license,
        license_file=license_file,
        options=options,
        overrides=overrides,
        on_message=on_message,
    )
    plan = prepare(df.sparkSession, request, on_message)
    return scored_frame(df, plan, keep, prediction, on_message, metrics=metrics, read=read)


def check_table(
    df: "DataFrame", plan: ScoringPlan, where: str, on_message: Callable[[str], None]
) -> None:
    """Check a table's columns against the pipeline's, on the driver.

    Raises
    ------
    ColumnError
        Names every offender at once.
    """
    types = arrow_types(df.schema)
    check_columns(types, plan.wanted(), where, plan.options.on_cast)
    parsed = parsed_columns(types, plan.wanted())
    if parsed:
        on_message(f"columns of text are read as numbers: {', '.join(parsed)}")


def check_case(df: "DataFrame", read: Sequence[str], where: str) -> None:
    """Refuse names that differ in case only, which Spark does not tell apart by default.

    Raises
    ------
    ColumnError
    """
    if df.sparkSession.conf.get("spark.sql.caseSensitive", "false") == "true":
        return
    lower: Dict[str, List[str]] = {}
    for name in df.columns:
        lower.setdefault(name.lower(), []).append(name)
    alike = [
        names for names in lower.values() if len(names) > 1 and not set(read).isdisjoint(names)
    ]
    if alike:
        shown = "; ".join(" and ".join(names) for names in alike)
        raise ColumnError(
            f"{where} has columns that Spark does not tell apart, {shown}; set "
            "spark.sql.caseSensitive to true, or rename one of them."
        )


def check_sendable(df: "DataFrame", kept: Sequence[str], where: str) -> None:
    """Refuse kept columns of types that Spark does not bring to Python and back.

    Raises
    ------
    ColumnError
        Names every one of them.
    """
    types = arrow_types(df.schema)
    refused = [f"{name} ({types[name]})" for name in kept if isinstance(types[name], str)]
    if refused:
        raise ColumnError(
            f"{where} has columns of types that Spark does not bring to Python and back, "
            f"{shortened(refused)}; leave them out of keep= (--keep), or cast them to text or "
            "numbers."
        )


def scored_frame(
    df: "DataFrame",
    plan: ScoringPlan,
    keep: Optional[Sequence[str]],
    prediction: str,
    on_message: Callable[[str], None],
    where: str = "The DataFrame",
    metrics: Optional[MetricsSum] = None,
    read: str = "spark",
    measure: Optional[RowsMeasure] = None,
    on_reading: Optional[Callable[[str], None]] = None,
) -> "DataFrame":
    """Score a DataFrame by a plan that is described already; see `score_dataframe`."""
    report = metrics.report if metrics is not None else None
    measuring = measure.measuring if measure is not None else None

    def body(columns: Sequence[str], kept: Sequence[str], files: MaybeFiles) -> Body:
        return map_body(plan, columns, kept, prediction, report, files, measuring)

    added = {"prediction": prediction}
    return mapped_frame(df, plan, keep, added, body, on_message, where, read, on_reading)


def mapped_frame(
    df: "DataFrame",
    plan: ScoringPlan,
    keep: Optional[Sequence[str]],
    added: Mapping[str, str],
    body: Callable[[Sequence[str], Sequence[str], MaybeFiles], Body],
    on_message: Callable[[str], None],
    where: str,
    read: str = "spark",
    on_reading: Optional[Callable[[str], None]] = None,
) -> "DataFrame":
    """Run a body of mapInArrow over a DataFrame whose columns are checked before.

    Parameters
    ----------
    df, plan, keep
        See `scored_frame`.
    added : mapping of str to str
        Names of the columns behind the kept ones, by the arguments that name them:
        ``"prediction"``, then maybe ``"error"``.
    body : callable
        Makes the body, given the columns that are read, those of them that are kept, and the files
        where tasks read these.
    on_message, where
        See `scored_frame`.
    read
        See `score_dataframe`.
    on_reading : callable, optional
        Is told who reads the rows, and why.

    Raises
    ------
    ColumnError
        Columns that are missing, uncastable, or named as an added one.
    OptionError
        Tasks are to read files, and cannot.
    """
    from pyspark.sql import functions as F
    from pyspark.sql.types import StringType, StructField, StructType

    by, order = plan.options.group_by, plan.options.order_by
    kept = list(df.columns if keep is None else keep)
    columns = list(dict.fromkeys([*kept, *plan.wanted(), *by, *order]))
    check_once(columns, df.columns, where)
    check_table(df, plan, where, on_message)
    check_groups(plan.options, df.columns, where)
    needs_groups(plan, on_message)
    fields = {field.name: field for field in df.schema.fields}
    unknown = [name for name in kept if name not in fields]
    if unknown:
        raise ColumnError(
            f"{where} lacks columns that are to be kept: {', '.join(unknown)}; it has "
            f"{', '.join(list(fields)[:50])}."
        )
    check_sendable(df, kept, where)
    for argument, name in added.items():
        if name in kept:
            raise ColumnError(
                f"{where} has a column {name!r} itself; leave it out of keep=, or name the "
                f"{argument} otherwise ({argument}=)."
            )
    check_case(df, columns, where)
    types = {"prediction": prediction_type(PredictionShape.of(plan)), "error": StringType()}
    schema = StructType(
        [
            *[fields[name] for name in kept],
            *[StructField(name, types[argument]) for argument, name in added.items()],
        ]
    )
    # pyspark's mapInArrow resolves the columns by their bare names and so refuses dots and
    # backticks in them; they travel under plain ones and get their own back in the task.
    selected = df.select(*[F.col(quoted(name)).alias(f"c{i}") for i, name in enumerate(columns)])
    reading = choose_reading(selected, read, where, is_together=bool(by) or depends_on_rows(plan))
    if read != "spark":
        on_message(reading.why)
    if on_reading is not None:
        on_reading(reading.why)
    rows = reading.frame
    if by:
        plain = {name: f"c{i}" for i, name in enumerate(columns)}
        rows = grouped(rows, [plain[n] for n in by], [plain[n] for n in order])
    files = reading.files
    if files is not None and plan.options.batch_rows is not None:
        files = replace(files, batch_rows=plan.options.batch_rows)
    function, result = off_disk(df.sparkSession, plan, body(columns, kept, files), schema)
    return rows.mapInArrow(function, result)
