"""The limit of how far predictions may move from the last run's."""

from typing import Mapping

from dai_spark.drift.distribution import Distribution
from dai_spark.drift.stability_index import psi_of_each
from dai_spark.errors import DriftError

__all__ = ["check_drift"]


def check_drift(
    earlier: Mapping[str, Distribution], later: Mapping[str, Distribution], limit: float
) -> None:
    """Refuse predictions that have moved further than `limit` from those of an earlier run.

    Parameters
    ----------
    earlier, later : mapping of str to Distribution
    limit : float

    Raises
    ------
    DriftError
        Names each of them with its index.
    """
    found = psi_of_each(earlier, later)
    moved = {name: value for name, value in found.items() if value is not None and value > limit}
    if moved:
        worst = sorted(moved.items(), key=lambda item: -item[1])
        named = ", ".join(f"{name} {value:.3f}" for name, value in worst)
        raise DriftError(
            f"Predictions have moved further from those of the last run than --fail-on-drift "
            f"{limit:g} allows (population stability index: {named}), so the target was left as "
            "it was; look at the report, then at the source or the pipeline, or allow more."
        )
