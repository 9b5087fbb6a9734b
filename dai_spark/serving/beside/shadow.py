"""Shadow: a second pipeline scores what the first one has answered, and is compared with it."""

import asyncio
import logging
from dataclasses import dataclass, field
from typing import Any, Dict, Iterator, Set, Tuple

import numpy as np
import pyarrow as pa

from dai_spark.errors import DaiSparkError
from dai_spark.serving.beside.split import check_columns
from dai_spark.serving.score_call import ScoreCall
from dai_spark.serving.served_model import ServedModel

__all__ = ["Shadow", "ShadowCounts"]

_LOG = logging.getLogger("dai_spark.shadow")
# Calls that wait for the shadow; further ones are passed over.
_MOST_WAITING = 64


@dataclass(eq=False)
class ShadowCounts:
    """What was compared, for all models of a server.

    Attributes
    ----------
    n_rows : dict of str to int
        By what became of them.
    largest : dict of str to float
        Absolute differences by column of the prediction, since both pipelines are loaded.
    """

    n_rows: Dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(("equal", "different", "failed", "passed_over"), 0)
    )
    largest: Dict[str, float] = field(default_factory=dict)

    def collect(self) -> Iterator[Any]:
        """Metrics, for ``prometheus_client.CollectorRegistry.register``."""
        from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

        rows = CounterMetricFamily(
            "dai_spark_shadow_rows",
            "Rows by how the shadow's prediction compares with the answer.",
            labels=["outcome"],
        )
        for outcome, n_rows in self.n_rows.items():
            rows.add_metric([outcome], n_rows)
        yield rows
        largest = GaugeMetricFamily(
            "dai_spark_shadow_largest_difference",
            "Largest absolute difference between the shadow's prediction and the answer.",
            labels=["prediction"],
        )
        for name, value in self.largest.items():
            largest.add_metric([name], value)
        yield largest


class Shadow:
    """Scores calls behind their answers; nobody waits for it, and its faults are its own.

    Parameters
    ----------
    first, second : ServedModel
        `second` is closed with the shadow.
    counts : ShadowCounts

    Raises
    ------
    OptionError
        `second` wants columns that clients do not send.
    """

    def __init__(self, first: ServedModel, second: ServedModel, counts: ShadowCounts) -> None:
        check_columns("--shadow", first, second)
        self.second = second
        self._first_digest = first.digest
        self._counts = counts
        self._counts.largest.clear()
        self._tasks: Set[asyncio.Task[None]] = set()

    def look(self, call: ScoreCall, answered: pa.Table) -> None:
        """Compare a call that was answered, some time.

        Parameters
        ----------
        call : ScoreCall
        answered : pyarrow.Table
            What its client gets.
        """
        if len(self._tasks) >= _MOST_WAITING:
            self._counts.n_rows["passed_over"] += answered.num_rows
            return
        task = asyncio.get_running_loop().create_task(self._compare(call, answered))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _compare(self, call: ScoreCall, answered: pa.Table) -> None:
        n_rows = answered.num_rows
        try:
            mine = ScoreCall(call.table, call.options, call.request_id)
            scored = await self.second.score_alone(mine)
            loop = asyncio.get_running_loop()
            n_different, largest = await loop.run_in_executor(None, difference, answered, scored)
        except asyncio.CancelledError:
            self._counts.n_rows["passed_over"] += n_rows
            raise
        except Exception as error:  # noqa: BLE001 - the answer is given already
            self._counts.n_rows["failed"] += n_rows
            # A sentence may name values of rows.
            name = type(error).__name__
            _LOG.warning("The shadow failed on request %s: %s", call.request_id, name)
            if not isinstance(error, DaiSparkError):
                _LOG.exception("The shadow failed.")
            return
        self._counts.n_rows["different"] += n_different
        self._counts.n_rows["equal"] += n_rows - n_different
        for name, value in largest.items():
            self._counts.largest[name] = max(value, self._counts.largest.get(name, 0.0))
        if n_different:
            _LOG.info(
                "Request %s: the shadow %s differs from %s in %s of %s rows, at most by %s",
                call.request_id,
                self.second.digest[:12],
                self._first_digest[:12],
                n_different,
                n_rows,
                ", ".join(f"{value:.3g} ({name})" for name, value in largest.items()),
            )

    def give_up(self) -> None:
        """Pass over what waits, and end the scorers: a server's end does not wait for them."""
        for task in list(self._tasks):
            task.cancel()
        self.second.abort()


def difference(answered: pa.Table, scored: pa.Table) -> Tuple[int, Dict[str, float]]:
    """How many rows differ in a bit of a column that both have, and the largest difference.

    Two values that are missing, or not a number, are equal.

    Parameters
    ----------
    answered, scored : pyarrow.Table
        Of the same rows.
    """
    differs = np.zeros(answered.num_rows, dtype=bool)
    largest: Dict[str, float] = {}
    for name in answered.column_names:
        if name not in scored.column_names:
            continue
        ours, theirs = (table.column(name).to_pandas().to_numpy() for table in (answered, scored))
        if ours.dtype.kind in "fiu" and theirs.dtype.kind in "fiu":
            is_other = ~((ours == theirs) | ((ours != ours) & (theirs != theirs)))
            with np.errstate(invalid="ignore"):
                apart = np.abs(ours.astype(float) - theirs.astype(float))
            # One of both is no number.
            apart[np.isnan(apart)] = np.inf
            largest[name] = float(apart[is_other].max()) if is_other.any() else 0.0
        else:
            is_other = np.array([a != b for a, b in zip(ours.tolist(), theirs.tolist())], bool)
        differs |= is_other
    return int(differs.sum()), largest
