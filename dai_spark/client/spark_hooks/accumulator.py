"""Metrics from tasks to the driver, by the accumulators of classic Spark."""

from pyspark.accumulators import AccumulatorParam

from dai_spark.metrics import ScoringMetrics

__all__ = ["MetricsAccumulator"]


class MetricsAccumulator(AccumulatorParam[ScoringMetrics]):
    """How Spark adds metrics up.

    Lies here because tasks unpickle it: a task's accumulator names the class of its parameter.
    """

    def zero(self, value: ScoringMetrics) -> ScoringMetrics:
        """No metrics at all."""
        return ScoringMetrics()

    def addInPlace(  # noqa: N802 - the name that Spark asks for
        self, value1: ScoringMetrics, value2: ScoringMetrics
    ) -> ScoringMetrics:
        """The metrics of both."""
        return value1 + value2
