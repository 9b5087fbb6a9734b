"""Where versions of Spark differ and what is done about it: no other file asks for a version.

Each function and name here tells the reason, and with which oldest Spark it can go.
"""

import importlib
from typing import Any, Callable, Tuple

__all__ = [
    "MAP_NODES",
    "PANDAS_CONVERSIONS",
    "follow_progress",
    "has_arrow_udfs",
    "is_of_pipeline_function",
    "quiet_failed_queries",
    "spark_version",
]


def spark_version(spark: Any) -> Tuple[int, int]:
    """Major and minor version of the Spark that runs the tasks.

    Over Connect that is the server's, whatever the client is.  In the function of a dataset of a
    declarative pipeline a server may not be asked; it is the client's own version there, since
    ``spark-pipelines`` starts both.  Can go with the last difference.
    """
    try:
        version = spark.version
    except Exception as error:
        if not is_of_pipeline_function(error):
            raise
        version = importlib.import_module("pyspark").__version__
    major, minor = version.split(".")[:2]
    return int(major), int(minor)


def is_of_pipeline_function(error: BaseException) -> bool:
    """Whether Spark refused to ask a server in the function of a dataset.

    Declarative pipelines came with Spark 4.1.  Can go when they can be asked there.
    """
    return "ATTEMPT_ANALYSIS_IN_PIPELINE_QUERY_FUNCTION" in str(error)


def has_arrow_udfs(spark: Any) -> bool:
    """Whether there are UDFs of Arrow columns, which need no way through pandas.

    They came with Spark 4.1.  Can go when 4.1 is the oldest.
    """
    return spark_version(spark) >= (4, 1)


def quiet_failed_queries() -> None:
    """Turn off PySpark's own record of queries that failed.

    Spark 4.0 and later log tens of kilobytes for each; 3.5 has no such logger.  The import need not
    be guarded when 4.0 is the oldest; only then this can go back to where it is called.
    """
    try:
        logger = importlib.import_module("pyspark.logger")
    except ImportError:
        return
    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        logger.PySparkLogger.getLogger(name).disabled = True


def follow_progress(spark: Any, handler: Callable[..., None]) -> bool:
    """Have Spark Connect call `handler` with the progress of its queries.

    Handlers came with Spark 4.0; without them nothing is shown.  Can go when 4.0 is the oldest.

    Returns
    -------
    bool
        Whether it does.
    """
    if not hasattr(spark, "registerProgressHandler"):
        return False
    spark.registerProgressHandler(handler)
    return True


# The plan's node in which `mapInArrow` calls Python: 3.5 has the second name, 4.0 and later the
# first.  The second can go when 4.0 is the oldest.
MAP_NODES = ("MapInArrow", "PythonMapInArrow")

# Where Spark's worker converts what it sends to a pandas UDF, as module, class, method, and whether
# it is given a whole batch: a column in 3.5 to 4.1, a batch in 4.2 and later.  The first can go
# when 4.2 is the oldest.
PANDAS_CONVERSIONS = (
    ("pyspark.sql.pandas.serializers", "ArrowStreamPandasUDFSerializer", "arrow_to_pandas", False),
    ("pyspark.sql.conversion", "ArrowBatchTransformer", "to_pandas", True),
)
