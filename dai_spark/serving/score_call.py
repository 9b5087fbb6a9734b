"""ScoreCall: what a protocol makes of a request, and what the server's core scores."""

import time
from dataclasses import dataclass, replace
from typing import Optional

import pyarrow as pa

from dai_spark.plan.options import ScoringOptions
from dai_spark.serving.watch.request_scope import RequestScope, current_scope

__all__ = ["ScoreCall"]


@dataclass(frozen=True)
class ScoreCall:
    """Rows to score for one client.

    Attributes
    ----------
    table : pyarrow.Table
        The pipeline's columns.
    options : ScoringOptions
    request_id : str
        What logs call it.
    deadline : float or None
        Of `time.monotonic`; the client does not wait longer.
    scope : RequestScope or None
        The request that it is of.
    """

    table: pa.Table
    options: ScoringOptions
    request_id: str = ""
    deadline: Optional[float] = None
    scope: Optional[RequestScope] = None

    @classmethod
    def within(
        cls, table: pa.Table, options: ScoringOptions, request_id: str, timeout_s: Optional[float]
    ) -> "ScoreCall":
        """A call whose client waits so many seconds from now."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        return cls(table, options, request_id, deadline, current_scope())

    def with_table(self, table: pa.Table) -> "ScoreCall":
        """The same call of other rows."""
        return replace(self, table=table)

    def left_s(self) -> Optional[float]:
        """Seconds until the deadline, not below 0; None without one."""
        return None if self.deadline is None else max(0.0, self.deadline - time.monotonic())
