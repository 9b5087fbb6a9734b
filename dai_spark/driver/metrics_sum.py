"""MetricsSum: the metrics of all tasks that have ended, on the driver."""

from typing import Any, Callable, Optional

from dai_spark.client.spark_hooks.accumulator import MetricsAccumulator
from dai_spark.driver.session import is_connect
from dai_spark.metrics import ScoringMetrics

__all__ = ["MetricsSum"]


class MetricsSum:
    """Sums up what tasks report.

    Lives on the driver.  Spark adds a task's metrics when the task succeeds; a stage that Spark
    runs again (a lost executor, a plan that is evaluated twice) is counted again, since its rows
    were scored again.

    Parameters
    ----------
    spark : SparkSession
        Classic: Spark Connect has no accumulators, so over it there is nothing to add with.
    """

    def __init__(self, spark: Any) -> None:
        self._sum = None
        if not is_connect(spark):
            self._sum = spark.sparkContext.accumulator(ScoringMetrics(), MetricsAccumulator())

    @property
    def report(self) -> Optional[Callable[[ScoringMetrics], None]]:
        """What a task calls with its metrics; None over Connect."""
        return None if self._sum is None else self._sum.add

    def metrics(self) -> Optional[ScoringMetrics]:
        """The sum over the tasks that have ended; None over Connect.

        Spark counts the tasks that it runs again anew.
        """
        return None if self._sum is None else self._sum.value
