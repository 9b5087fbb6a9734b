"""Groups on the driver: rows brought together by Spark, and pipelines that want it found out."""

from typing import TYPE_CHECKING, Callable, Sequence

from dai_spark.errors import OptionError
from dai_spark.plan.plan import ScoringPlan

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

__all__ = ["depends_on_rows", "grouped", "needs_groups", "refuse_groups"]

_BY_GROUP = "give group_by=[...] (and order_by=[...]) to score_dataframe or the table job"


def grouped(frame: "DataFrame", by: Sequence[str], order: Sequence[str]) -> "DataFrame":
    """Bring each group's rows into one partition, one behind the other and in their order.

    Spark hashes and sorts by the columns' values, to which null is one as any other, and NaN.
    """
    from pyspark.sql import functions as F

    keys = [F.col(name) for name in by]
    return frame.repartition(*keys).sortWithinPartitions(*keys, *[F.col(name) for name in order])


def depends_on_rows(plan: ScoringPlan) -> bool:
    """Whether a row's score depends on which rows are scored with it.

    Parameters
    ----------
    plan : ScoringPlan
    """
    return _reads_target(plan) or (plan.described is not None and plan.described.depends_on_batch)


def needs_groups(plan: ScoringPlan, on_message: Callable[[str], None]) -> None:
    """Warn where scores depend on the other rows of a batch and nothing groups them."""
    if plan.options.group_by or plan.described is None:
        return
    if _reads_target(plan):
        on_message(
            f"warning: this pipeline reads its own target {plan.target}, as one with test-time "
            f"augmentation does, so a row's score depends on what else is in its batch; {_BY_GROUP}"
        )
    elif plan.described.depends_on_batch:
        on_message(
            "warning: rows of the pipeline's own example score otherwise alone than together, so "
            f"scores depend on how Spark cuts batches; {_BY_GROUP}"
        )


def refuse_groups(plan: ScoringPlan) -> None:
    """Refuse what a function of columns cannot do.

    Raises
    ------
    OptionError
        ``group_by``, or a pipeline that reads its own target.
    """
    reads_target = _reads_target(plan)
    if plan.options.group_by or reads_target:
        why = (
            f"this pipeline reads its own target {plan.target}, so it"
            if reads_target
            else "group_by"
        )
        raise OptionError(
            f"score_udf scores the batches that Spark makes, and {why} wants each group's rows "
            f"whole and in order; {_BY_GROUP}."
        )


def _reads_target(plan: ScoringPlan) -> bool:
    return plan.described is not None and plan.target in plan.described.columns
