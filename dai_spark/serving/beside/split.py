"""Split: a share of the rows, by the hash of a column, is answered by a second pipeline."""

import asyncio
import hashlib
from dataclasses import dataclass
from typing import Any, Iterator

import numpy as np
import pyarrow as pa

from dai_spark.errors import OptionError
from dai_spark.serving.score_call import ScoreCall
from dai_spark.serving.served_model import ServedModel

__all__ = ["Split", "SplitCounts", "SplitRule"]


@dataclass(frozen=True)
class SplitRule:
    """Which rows go to the second pipeline.

    Attributes
    ----------
    column : str
        Rows of one value of it go the same way, at all times and on all hosts.
    share : float
        Of its values, between 0 and 1.
    """

    column: str
    share: float

    @classmethod
    def of(cls, text: str) -> "SplitRule":
        """Read ``COLUMN:10%``.

        Raises
        ------
        OptionError
        """
        column, _, share = text.rpartition(":")
        try:
            percent = float(share[:-1]) if share.endswith("%") else -1.0
        except ValueError:
            percent = -1.0
        if not column or not 0 < percent < 100:
            raise OptionError(
                f"--split {text[:100]!r} is no column and share; write COLUMN:10%, with a share "
                "between 0% and 100%."
            )
        return cls(column, percent / 100)

    def is_second(self, column: pa.ChunkedArray) -> "np.ndarray[Any, np.dtype[np.bool_]]":
        """Of each value whether its row goes to the second pipeline; a missing one does not."""
        below = int(self.share * 2**64)
        known: dict[Any, bool] = {}
        found = np.zeros(len(column), dtype=bool)
        for i, value in enumerate(column.to_pylist()):
            is_second = known.get(value)
            if is_second is None:
                is_second = known[value] = value is not None and _hash(value) < below
            found[i] = is_second
        return found


def _hash(value: Any) -> int:
    # 7 and 7.0 are one value: clients and formats differ in which of them they send.
    text = repr(float(value)) if isinstance(value, (int, float)) else str(value)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


@dataclass(eq=False)
class SplitCounts:
    """Rows by the pipeline that answered them, for all models of a server."""

    n_first: int = 0
    n_second: int = 0

    def collect(self) -> Iterator[Any]:
        """Metrics, for ``prometheus_client.CollectorRegistry.register``."""
        from prometheus_client.core import CounterMetricFamily

        rows = CounterMetricFamily(
            "dai_spark_split_rows", "Rows by the pipeline that answered them.", labels=["pipeline"]
        )
        rows.add_metric(["first"], self.n_first)
        rows.add_metric(["second"], self.n_second)
        yield rows


class Split:
    """Answers each row by the pipeline that its column's value chooses.

    Parameters
    ----------
    rule : SplitRule
    first, second : ServedModel
        `second` is closed with the split.
    counts : SplitCounts

    Raises
    ------
    OptionError
        The two cannot stand for each other.
    """

    def __init__(
        self, rule: SplitRule, first: ServedModel, second: ServedModel, counts: SplitCounts
    ) -> None:
        self._rule = rule
        self._counts = counts
        self.second = second
        if rule.column not in first.columns:
            raise OptionError(
                f"--split: {rule.column!r} is no column that {first.name} uses; it uses "
                f"{', '.join(first.columns)}."
            )
        check_columns("--split", first, second)
        ours, theirs = first.shape().schema, second.shape().schema
        if ours != theirs:
            raise OptionError(
                f"--split: {second.name} answers {', '.join(theirs.names)}, and {first.name} "
                f"{', '.join(ours.names)}; clients must get the same columns of the same types."
            )

    async def score(self, first: ServedModel, call: ScoreCall) -> pa.Table:
        """Score a call's rows, each by its own pipeline.

        Parameters
        ----------
        first : ServedModel
        call : ScoreCall
        """
        table = call.table
        is_second = self._rule.is_second(table.column(self._rule.column))
        n_second = int(is_second.sum())
        if n_second == 0:
            scored, digest = await first.score_alone(call), first.digest
        elif n_second == table.num_rows:
            scored, digest = await self.second.score_alone(call), self.second.digest
        else:
            places = (np.flatnonzero(~is_second), np.flatnonzero(is_second))
            parts = await _all_or_none(
                model.score_alone(call.with_table(table.take(pa.array(rows))))
                for model, rows in zip((first, self.second), places)
            )
            back = np.argsort(np.concatenate(places), kind="stable")
            scored = pa.concat_tables(parts).take(pa.array(back))
            digest = f"{first.digest}, {self.second.digest}"
        if call.scope is not None:
            call.scope.digest = digest
        self._counts.n_first += table.num_rows - n_second
        self._counts.n_second += n_second
        return scored


async def _all_or_none(calls: Any) -> Any:
    """What all of them give; where one fails or is given up, the others are given up, too."""
    tasks = [asyncio.ensure_future(call) for call in calls]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()


def check_columns(flag: str, first: ServedModel, second: ServedModel) -> None:
    """Refuse a second pipeline that wants columns of which clients are not asked.

    Raises
    ------
    OptionError
    """
    missing = [name for name in second.columns if name not in first.columns]
    if missing:
        raise OptionError(
            f"{flag}: {second.name} uses {', '.join(missing)}, which {first.name} does not; "
            "clients send the columns of the first."
        )
    if first.digest == second.digest:
        raise OptionError(f"{flag}: both pipelines are the same one ({first.digest[:12]}).")
