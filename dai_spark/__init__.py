"""Score big Spark tables with H2O Driverless AI Python scoring pipelines.

>>> from dai_spark import score_udf                                     # doctest: +SKIP
>>> score = score_udf("scorer.zip", env="dai-1.10.tar.gz")              # doctest: +SKIP
>>> df.withColumn("prediction", score())                                # doctest: +SKIP

Importing this package starts nothing and imports neither Spark nor pandas.
"""

from typing import TYPE_CHECKING, Any

from dai_spark._version import __version__ as __version__

__all__ = [
    "PackedEnvironment",
    "ScoringOptions",
    "ScoringPipeline",
    "score_dataframe",
    "score_pandas",
    "score_table",
    "score_udf",
]

if TYPE_CHECKING:
    from dai_spark.artifacts.environment import PackedEnvironment
    from dai_spark.artifacts.pipeline import ScoringPipeline
    from dai_spark.driver.dataframe import score_dataframe
    from dai_spark.driver.udf import score_udf
    from dai_spark.local import score_pandas
    from dai_spark.plan.options import ScoringOptions
    from dai_spark.table_job.run import score_table

_HOMES = {
    "PackedEnvironment": "dai_spark.artifacts.environment",
    "ScoringOptions": "dai_spark.plan.options",
    "ScoringPipeline": "dai_spark.artifacts.pipeline",
    "score_dataframe": "dai_spark.driver.dataframe",
    "score_pandas": "dai_spark.local",
    "score_table": "dai_spark.table_job.run",
    "score_udf": "dai_spark.driver.udf",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dai_spark' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> "list[str]":
    return sorted([*globals(), *__all__])
