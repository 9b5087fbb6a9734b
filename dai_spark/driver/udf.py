"""score_udf: the scorer as a function of columns, in Python and in SQL."""

import dataclasses
import os
from functools import cached_property
from typing import TYPE_CHECKING, Any, Callable, Optional, Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.client.udf_bodies import arrow_udf_body, pandas_udf_body
from dai_spark.driver.group_shuffle import needs_groups, refuse_groups
from dai_spark.driver.metrics_sum import MetricsSum
from dai_spark.driver.off_disk import off_disk
from dai_spark.driver.open_request import open_request
from dai_spark.driver.prepare import prepare
from dai_spark.driver.progress.messages import log_message
from dai_spark.driver.schema import prediction_type, quoted
from dai_spark.driver.session import active
from dai_spark.errors import ColumnError, OptionError
from dai_spark.metrics import ScoringMetrics
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import ScoringPlan
from dai_spark.plan.request import ScoringRequest
from dai_spark.plan.spark_versions import has_arrow_udfs
from dai_spark.schema.prediction import PredictionShape

if TYPE_CHECKING:
    from pyspark.sql import Column, SparkSession
    from pyspark.sql.types import StructType
    from typing_extensions import Unpack

    from dai_spark.plan.option_arguments import OptionArguments

__all__ = ["ScoreUdf", "score_udf"]


def score_udf(
    pipeline: Union[str, "os.PathLike[str]", ScoringPipeline],
    env: Union[str, "os.PathLike[str]", PackedEnvironment, None] = None,
    *,
    spark: "Optional[SparkSession]" = None,
    license: Optional[str] = None,
    license_file: Optional[str] = None,
    options: Optional[ScoringOptions] = None,
    on_message: Optional[Callable[[str], None]] = None,
    metrics: Optional[MetricsSum] = None,
    **overrides: "Unpack[OptionArguments]",
) -> "ScoreUdf":
    """Make a function of columns that scores them with a Driverless AI scoring pipeline.

    Runs on the driver and starts nothing; it looks at the files and refuses what cannot work.
    The first call of what it returns (or its registration in SQL) ships pipeline and environment
    and runs one probe task, unless the answer is remembered.

    Parameters
    ----------
    pipeline : str, Path or ScoringPipeline
        The exported ``scorer.zip``, or the folder it was unpacked to; as text also the URI of a
        zip that Spark's file systems read, or a model of MLflow's, ``models:/NAME@ALIAS``,
        ``models:/NAME/VERSION``, ``models:/m-ID`` or ``runs:/RUN/PATH``, looked up now and once.
    env : str, Path or PackedEnvironment, optional
        A packed archive (it is shipped; as text also any URI that Spark's file systems read), an
        absolute folder that is on every executor, or the name of an archive that
        ``--archives x.tar.gz#name`` shipped.  Left out, the one that a model was logged with,
        else what the session's setting ``spark.dai_spark.env`` names, else the driver's
        environment variable ``DAI_SPARK_ENV``.
    spark : SparkSession, optional
        Classic or Connect.  By default the one that is open in this process; where several of
        Connect's are, give the one whose DataFrames are scored.
    license : str, optional
        The licence's text.
    license_file : str, optional
        Its path, or any URI that Spark reads.  Without either, Driverless AI's own variables and
        file are looked at, on the driver and then on the executors.
    options : ScoringOptions, optional
    on_message : callable, optional
        Is given a line for each step; by default the logger ``dai_spark`` is.
    metrics : MetricsSum, optional
        Sums what tasks report, for several faces in one; by default the function has its own.
    **overrides
        Fields of `ScoringOptions` by keyword, laid over `options`.

    Returns
    -------
    ScoreUdf

    Raises
    ------
    OptionError, PipelineError, ModelRegistryError, PackedEnvironmentError, LicenseError

    Examples
    --------
    >>> score = score_udf("scorer.zip", env="dai-1.10.tar.gz")          # doctest: +SKIP
    >>> df.withColumn("prediction", score())                            # doctest: +SKIP
    >>> spark.udf.register("score", score)                              # doctest: +SKIP
    >>> spark.sql("SELECT score(struct(*)) AS prediction FROM t")       # doctest: +SKIP
    """
    session = active(spark)
    on_message = on_message or log_message
    request = open_request(
        session,
        pipeline,
        env,
        license=license,
        license_file=license_file,
        options=options,
        overrides=overrides,
        on_message=on_message,
    )
    return ScoreUdf(session, request, on_message, metrics)


class ScoreUdf:
    """The scorer as a function of columns; made by `score_udf`.

    Call it with nothing (the pipeline's own columns, found by name, and no others are sent), with
    one struct (by field name), or with columns in the order of `column_names`.  The result is a
    struct whose fields carry the pipeline's own output names.

    `spark.udf.register` takes it as it takes Spark's own UDFs.

    Parameters
    ----------
    spark : SparkSession
    request : ScoringRequest
    on_message : callable
        Is given a line for each step.
    metrics : MetricsSum, optional
        Sums what tasks report.
    """

    def __init__(
        self,
        spark: Any,
        request: ScoringRequest,
        on_message: Callable[[str], None],
        metrics: Optional[MetricsSum] = None,
    ) -> None:
        self._spark = spark
        self._request = request
        self._on_message = on_message
        self._sum = metrics or MetricsSum(spark)
        self.__name__ = "score"

    @cached_property
    def plan(self) -> ScoringPlan:
        """What tasks are given; the first use ships, and probes unless the answer is known."""
        plan = prepare(self._spark, self._request, self._on_message)
        refuse_groups(plan)
        needs_groups(plan, self._on_message)
        return plan

    @property
    def column_names(self) -> "tuple[str, ...]":
        """The columns that the pipeline uses, in its own order."""
        return tuple(self.plan.wanted())

    def metrics(self) -> Optional[ScoringMetrics]:
        """What scoring with this function has taken so far, summed over the tasks that have ended.

        Spark counts the tasks that it runs again anew.  Over Spark Connect, which brings nothing
        back from tasks, None; the sidecar's log has the same figures for each task.
        """
        return self._sum.metrics()

    def __call__(self, *columns: "Union[str, Column]") -> "Column":
        """Return the prediction as a column.

        Raises
        ------
        ColumnError
            Neither none, nor one struct, nor as many columns as the pipeline uses.
        """
        result: Column = self._udf(self._struct(columns))
        return result

    def _struct(self, columns: "tuple[Union[str, Column], ...]") -> "Column":
        from pyspark.sql import functions as F

        names = self.column_names
        if not columns:
            return F.struct(*[F.col(quoted(name)).alias(name) for name in names])
        if len(columns) == 1 and not isinstance(columns[0], str):
            # Field by field, so that Spark reads and sends only what the pipeline uses, and
            # names the first one that the struct lacks.
            whole = columns[0]
            return F.struct(*[whole.getField(name).alias(name) for name in names])
        if len(columns) != len(names):
            raise ColumnError(
                f"The pipeline uses {len(names)} columns ({', '.join(names[:20])}), and "
                f"{len(columns)} are given; give none, one struct, or these in this order."
            )
        given = [F.col(quoted(c)) if isinstance(c, str) else c for c in columns]
        return F.struct(*[column.alias(name) for column, name in zip(given, names)])

    # -- what spark.udf.register asks for ------------------------------------------------------

    @cached_property
    def _udf(self) -> Any:
        from pyspark.sql.pandas import functions

        # Its stubs know no Arrow UDFs before Spark 4.1, and no struct results of iterator UDFs.
        vectorized: Any = functions
        if self.udf_type == "arrow":
            made = vectorized.arrow_udf(*self._off_disk(arrow_udf_body))
        else:
            made = vectorized.pandas_udf(*self._off_disk(pandas_udf_body))
        # Spark evaluates a deterministic UDF once more for each filter or sort on its result.
        return made if self.deterministic else made.asNondeterministic()

    def _off_disk(self, body: Callable[..., Any]) -> "tuple[Callable[..., Any], Any]":
        function = body(self.plan, self._sum.report)
        return off_disk(self._spark, self.plan, function, self.returnType)

    @property
    def udf_type(self) -> str:
        """``"arrow"`` from Spark 4.1 on, else ``"pandas"``, where the options do not say.

        Raises
        ------
        OptionError
            Arrow is asked of a Spark that has no Arrow UDFs.
        """
        has_arrow = has_arrow_udfs(self._spark)
        chosen = self._request.options.udf_type
        if chosen == "arrow" and not has_arrow:
            raise OptionError(
                f"udf_type='arrow' needs Spark 4.1 or later, this is {self._spark.version}; "
                "leave it out."
            )
        return chosen or ("arrow" if has_arrow else "pandas")

    @property
    def func(self) -> Callable[..., Any]:
        """The function that Spark calls in its Python workers."""
        body: Callable[..., Any] = self._udf.func
        return body

    @cached_property
    def returnType(self) -> "StructType":  # noqa: N802 - the name that Spark asks for
        """The struct of a prediction."""
        return prediction_type(PredictionShape.of(self.plan))

    @property
    def evalType(self) -> int:  # noqa: N802 - the name that Spark asks for
        """Spark's number for the kind of UDF."""
        return int(self._udf.evalType)

    @property
    def deterministic(self) -> bool:
        """Whether Spark may evaluate it as often as it likes."""
        return self._request.options.deterministic

    def asNondeterministic(self) -> "ScoreUdf":  # noqa: N802 - the name that Spark asks for
        """Return this function; it is non-deterministic unless ``deterministic=True`` was given."""
        if not self.deterministic:
            return self
        options = ScoringOptions.resolve(self._request.options, {"deterministic": False})
        request = dataclasses.replace(self._request, options=options)
        return ScoreUdf(self._spark, request, self._on_message, self._sum)

    def __repr__(self) -> str:
        return f"<score_udf of {self._request.pipeline.path.name}>"
