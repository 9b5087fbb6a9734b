"""What gRPC's protocols want of the server's core: a model that scores a table."""

from typing import Any, Callable, Mapping, Optional, Protocol

import pyarrow as pa

from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import ScoringPlan

__all__ = ["GetModel", "Model"]


class Model(Protocol):
    """A loaded pipeline that scores calls of several protocols."""

    @property
    def name(self) -> str:
        """What clients call it."""

    @property
    def digest(self) -> str:
        """Of the pipeline that scores."""

    @property
    def plan(self) -> ScoringPlan:
        """Described."""

    @property
    def options(self) -> ScoringOptions:
        """Of a call that names none."""

    def options_for(self, words: Mapping[str, Any]) -> ScoringOptions:
        """Of a call that names some."""

    async def score(
        self,
        table: pa.Table,
        options: ScoringOptions,
        timeout_s: Optional[float],
        request_id: str,
    ) -> pa.Table:
        """The prediction of each row, in their order."""


# The model that is served now, None while there is none that is ready.
GetModel = Callable[[], Optional[Model]]
