"""Score big Spark tables with H2O Driverless AI Python scoring pipelines.

>>> from dai_spark import score_udf                                     # doctest: +SKIP
>>> score = score_udf("scorer.zip", env="dai-1.10.tar.gz")              # doctest: +SKIP
>>> df.withColumn("prediction", score())                                # doctest: +SKIP

Public are the names of this module, and those of `dai_spark.errors`, `dai_spark.environments`,
`dai_spark.files`, `dai_spark.mlflow` and `dai_spark.testing`; every other module is private and may
move.

::

    errors        every error that is raised on purpose, in one tree
    environments  packed environments: built, collected, checked
    files         files by URI, through the session's own file systems
    metrics       what scoring took

    cli/          dai-spark, a file for each group of commands
    table_job/    a source table scored into a target table
    driver/       what runs beside the SparkSession
    mlflow/       pipelines as MLflow models
    local/        the same scoring with no Spark
    envbuild/     builds and checks packed environments
    testing/      stand-ins for exports, for tests

    client/       what runs in a Python worker, or in any process that wants scores
    sidecar/      what runs in the pipeline's own Python
    unpack/       archives to folders of this host
    schema/       what a row meets: columns, casts, predictions
    plan/         what is asked, and what is decided of it
    registry/     a pipeline that was logged with MLflow, and what it says of itself
    artifacts/    what a user brings: pipeline, environment, licence
    host/         this machine: folders, locks, files

Importing this package starts nothing and imports neither Spark nor pandas.
"""

from typing import TYPE_CHECKING, Any

from dai_spark._version import __version__ as __version__

__all__ = [
    "MetricsSum",
    "PackedEnvironment",
    "Report",
    "ScoreUdf",
    "Scorer",
    "ScoringMetrics",
    "ScoringOptions",
    "ScoringPipeline",
    "ScoringTransformer",
    "open_scorer",
    "score_dataframe",
    "score_pandas",
    "score_table",
    "score_udf",
    "show_progress",
]

if TYPE_CHECKING:
    from dai_spark.artifacts.environment import PackedEnvironment
    from dai_spark.artifacts.pipeline import ScoringPipeline
    from dai_spark.driver.dataframe import score_dataframe
    from dai_spark.driver.metrics_sum import MetricsSum
    from dai_spark.driver.progress.show import show_progress
    from dai_spark.driver.transformer import ScoringTransformer
    from dai_spark.driver.udf import ScoreUdf, score_udf
    from dai_spark.local.open_scorer import open_scorer
    from dai_spark.local.pandas_call import score_pandas
    from dai_spark.local.scorer_handle import Scorer
    from dai_spark.metrics import ScoringMetrics
    from dai_spark.plan.options import ScoringOptions
    from dai_spark.table_job.report.report import Report
    from dai_spark.table_job.score_table import score_table

_HOMES = {
    "MetricsSum": "dai_spark.driver.metrics_sum",
    "PackedEnvironment": "dai_spark.artifacts.environment",
    "Report": "dai_spark.table_job.report.report",
    "ScoreUdf": "dai_spark.driver.udf",
    "Scorer": "dai_spark.local.scorer_handle",
    "ScoringMetrics": "dai_spark.metrics",
    "ScoringOptions": "dai_spark.plan.options",
    "ScoringPipeline": "dai_spark.artifacts.pipeline",
    "ScoringTransformer": "dai_spark.driver.transformer",
    "open_scorer": "dai_spark.local.open_scorer",
    "score_dataframe": "dai_spark.driver.dataframe",
    "score_pandas": "dai_spark.local.pandas_call",
    "score_table": "dai_spark.table_job.score_table",
    "score_udf": "dai_spark.driver.udf",
    "show_progress": "dai_spark.driver.progress.show",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dai_spark' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> "list[str]":
    return sorted([*globals(), *__all__])
