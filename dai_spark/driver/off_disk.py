"""off_disk: a function and its result's type, so small that Spark writes them into no file."""

from typing import Any, Callable, Tuple

from dai_spark.driver.session import is_connect
from dai_spark.errors import OptionError
from dai_spark.plan.packed_function import packed_function, packed_type
from dai_spark.plan.plan import ScoringPlan

__all__ = ["off_disk"]

_THRESHOLD = "spark.broadcast.UDFCompressionThreshold"
# Packing costs a task some milliseconds, so what is far below the limit stays as it is.
_SMALL_SHARE = 0.25


def off_disk(
    spark: Any, plan: ScoringPlan, function: Callable[..., Any], result: Any
) -> Tuple[Callable[..., Any], Any]:
    """Return function and result type for Spark to pickle, small enough to stay in its memory.

    Runs on the driver, once for each function.  Classic Spark writes what pickles to more than
    `spark.broadcast.UDFCompressionThreshold` (1 MB) into a file of ``spark.local.dir``, on the
    driver and on the executors, as it is, unless ``spark.io.encryption.enabled`` is true.  Over
    Connect it goes to the server in a message and into no file.

    Parameters
    ----------
    spark : SparkSession
    plan : ScoringPlan
        The one in the function; without a licence there is nothing to keep.
    function : callable
        A body of `dai_spark.client.udf_bodies`.
    result : StructType or str

    Raises
    ------
    OptionError
        They are too large even when packed: some hundred thousand columns, or a lower setting.
    """
    if plan.license is None or is_connect(spark):
        return function, result
    context = spark.sparkContext
    # `getConf` is a copy, for which each setting is asked.
    if context._conf.get("spark.io.encryption.enabled", "false") == "true":
        return function, result
    limit_bytes = int(context._jvm.PythonUtils.getBroadcastThreshold(context._jsc))
    if _n_bytes(function, result) < limit_bytes * _SMALL_SHARE:
        return function, result
    function = packed_function(function)
    if not isinstance(result, str):
        result = packed_type(result)
    n_bytes = _n_bytes(function, result)
    if n_bytes >= limit_bytes:
        raise OptionError(
            f"What a task is sent has {n_bytes:,} bytes, with the licence in it, and Spark writes "
            f"what has more than {limit_bytes:,} to its disks ({_THRESHOLD}); raise that setting, "
            "set spark.io.encryption.enabled to true, or leave the licence out here and have it on "
            "the executors (DRIVERLESS_AI_LICENSE_FILE)."
        )
    return function, result


def _n_bytes(function: Callable[..., Any], result: Any) -> int:
    from pyspark import serializers

    # The way Spark does it, and with what Spark adds.
    serializer: Any = serializers.CloudPickleSerializer
    return len(serializer().dumps((function, result)))
