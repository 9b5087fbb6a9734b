"""ServedModel: one loaded pipeline as the server has it: its handle, its merger, its example."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, Dict, List, Mapping, Optional, Protocol, Tuple

import pyarrow as pa

from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import OptionError
from dai_spark.host.cgroup import cpus_here
from dai_spark.local.lease import Limits
from dai_spark.local.scorer_handle import Scorer
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import Description, ScoringPlan
from dai_spark.plan.ranges import seconds, whole_number
from dai_spark.registry.origin import ModelOrigin
from dai_spark.row_formats.json_rows import table_of_records
from dai_spark.row_formats.json_schema import example_rows
from dai_spark.schema.prediction import PredictionShape
from dai_spark.serving.call_notes import CallNotes
from dai_spark.serving.merger import Merger
from dai_spark.serving.score_call import ScoreCall

__all__ = ["CALL_OPTIONS", "MergeSettings", "ServedModel", "n_scorers_here"]

# Fields of `ScoringOptions` that a request may name.
CALL_OPTIONS = (
    *("contributions", "fast_approx", "intervals", "labels", "margin"),
    *("nan", "on_cast", "probabilities", "threshold", "apply_data_recipes"),
)
# Ways to ask that are remembered; clients have few of them.
_MOST_WAYS = 256


@dataclass(frozen=True)
class MergeSettings:
    """How calls are given to scorers.

    Attributes
    ----------
    n_scorers, max_waiting, max_batch_rows, merges
        See `Merger`.
    timeout_s : float or None
        How long a call may take whose client names no deadline; None for as long as it takes.

    Raises
    ------
    OptionError
        A value that cannot be meant.
    """

    n_scorers: int
    max_waiting: int = 1000
    max_batch_rows: int = 10_000
    merges: bool = True
    timeout_s: Optional[float] = None

    def __post_init__(self) -> None:
        if self.timeout_s is not None:
            seconds("timeout_s", self.timeout_s)
        whole_number("max_scorers", self.n_scorers, 1, 10_000)
        whole_number("max_waiting", self.max_waiting, 0, 1_000_000)
        whole_number("max_batch_rows", self.max_batch_rows, 1, 1 << 31)


def n_scorers_here() -> int:
    """As many scorers as this process has CPUs, by its affinity and its control group's quota."""
    return cpus_here().n_cpus


class _Split(Protocol):
    async def score(self, first: "ServedModel", call: ScoreCall) -> pa.Table: ...


class _Shadow(Protocol):
    def look(self, call: ScoreCall, answered: pa.Table) -> None: ...

    def give_up(self) -> None: ...


class ServedModel:
    """A pipeline that is loaded and scores for all protocols.

    Lives in the server's process, and is used from its event loop.

    Parameters
    ----------
    name : str
        What clients call it.
    pipeline : ScoringPipeline
    scorer : Scorer
        Its handle, warm; the model closes it.
    options : ScoringOptions
        Of a call that names none.
    settings : MergeSettings
    origin : ModelOrigin or None
        Its version, where it comes from MLflow's registry.
    notes : CallNotes or None
        Is told of each call that was answered.

    Attributes
    ----------
    digest : str
        SHA-256 of the pipeline.
    columns : mapping of str to PipelineColumn
        Those that it uses, in its own order.
    split : Split or None
        Answers a share of the rows by another model.
    shadow : Shadow or None
        Compares answers with another model's.
    """

    def __init__(
        self,
        name: str,
        pipeline: ScoringPipeline,
        scorer: Scorer,
        options: ScoringOptions,
        settings: MergeSettings,
        origin: Optional[ModelOrigin] = None,
        notes: Optional[CallNotes] = None,
    ) -> None:
        self.name = name
        self.pipeline = pipeline
        self.origin = origin
        self._notes = notes
        self.digest = pipeline.digest
        self._scorer = scorer
        self.split: Optional[_Split] = None
        self.shadow: Optional[_Shadow] = None
        self._others: List[ServedModel] = []
        self._n_users = 0
        self._is_unused = asyncio.Event()
        self._is_unused.set()
        self._threads = ThreadPoolExecutor(settings.n_scorers, "dai_spark-score")
        self._timeout_s = settings.timeout_s
        self.options = options
        self.described: Description = scorer.describe_for(options)
        self._ways: Dict[Tuple[Any, ...], ScoringOptions] = {}
        self.plan: ScoringPlan = scorer.plan_for(options)
        self.columns: Mapping[str, PipelineColumn] = self.plan.wanted()
        self.merger = Merger(
            self._score,
            n_scorers=settings.n_scorers,
            max_waiting=settings.max_waiting,
            max_batch_rows=settings.max_batch_rows,
            merges=settings.merges and not self.described.depends_on_batch,
        )

    # -- scoring ---------------------------------------------------------------------------------

    def options_for(self, words: Mapping[str, Any]) -> ScoringOptions:
        """The options of a call that names some; one object for all calls that name the same.

        Raises
        ------
        OptionError
            No option of a call, or one that this pipeline cannot answer.
        """
        if not words:
            return self.options
        fixed = [name for name in words if name not in CALL_OPTIONS]
        if fixed:
            raise OptionError(
                f"{', '.join(map(repr, fixed))} is no option of a call; these are "
                f"{', '.join(CALL_OPTIONS)}."
            )
        # With types, since True and 1 are equal and do not mean the same.
        key = tuple((name, type(value), repr(value)) for name, value in sorted(words.items()))
        found = self._ways.get(key)
        if found is None:
            found = ScoringOptions.resolve(self.options, words)
            if len(self._ways) >= _MOST_WAYS:
                self._ways.clear()
            self._ways[key] = found
        return found

    async def score_call(self, call: ScoreCall) -> pa.Table:
        """Score a call's rows, by this model and those that stand beside it.

        A call without a deadline gets the server's own.
        """
        if call.deadline is None and self._timeout_s is not None:
            call = replace(call, deadline=time.monotonic() + self._timeout_s)
        if self.split is None:
            scored = await self.score_alone(call)
        else:
            scored = await self.split.score(self, call)
        if self.shadow is not None:
            self.shadow.look(call, scored)
        return scored

    async def score_alone(self, call: ScoreCall) -> pa.Table:
        """Score a call's rows, merged with others that wait; see `Merger.score`."""
        scored = await self.merger.score(call)
        scope = call.scope
        if scope is not None:
            scope.n_rows += call.table.num_rows
            scope.digest = self.digest
        if self._notes is not None:
            self._notes.note(
                name=self.name,
                digest=self.digest,
                columns=self.columns,
                rows=call.table,
                options=call.options,
                request_id=call.request_id,
                scored=scored,
            )
        return scored

    async def score(
        self,
        table: pa.Table,
        options: ScoringOptions,
        timeout_s: Optional[float],
        request_id: str,
    ) -> pa.Table:
        """Score a table of the pipeline's columns: the prediction of each row, in their order."""
        return await self.score_call(ScoreCall.within(table, options, request_id, timeout_s))

    async def _score(
        self, table: pa.Table, options: ScoringOptions, limit_s: Optional[float]
    ) -> pa.Table:
        # In threads that stay: to start one takes a tenth of what a light pipeline takes for a row.
        scored: pa.Table = await asyncio.get_running_loop().run_in_executor(
            self._threads, self._scorer.score_with, table, options, Limits(limit_s, None)
        )
        return scored

    # -- what it is ------------------------------------------------------------------------------

    def shape(self) -> PredictionShape:
        """Of a call that names no options."""
        return PredictionShape(self.described, self.options)

    async def prediction_schema(self, options: Optional[ScoringOptions] = None) -> pa.Schema:
        """Names and types of the columns of a prediction."""
        asked = options or self.options
        loop = asyncio.get_running_loop()
        # Asks a scorer where nobody has asked so before.
        described = await loop.run_in_executor(None, self._scorer.describe_for, asked)
        return PredictionShape(described, asked).schema

    def example(self) -> pa.Table:
        """One row of the export's own example."""
        return table_of_records(example_rows(self.columns.values(), 1), self.columns)

    # -- the end ---------------------------------------------------------------------------------

    def hold(self) -> None:
        """Keep it open for a request that may still bring rows; `release` ends that."""
        self._n_users += 1
        self._is_unused.clear()

    def release(self) -> None:
        """See `hold`."""
        self._n_users -= 1
        if not self._n_users:
            self._is_unused.set()

    def keep(self, other: "ServedModel") -> None:
        """Have another model end with this one."""
        self._others.append(other)

    def abort(self) -> None:
        """End the scorers at once; calls that go on fail."""
        for other in self._others:
            other.abort()
        threading.Thread(target=self._scorer.close, name="dai_spark-abort", daemon=True).start()

    async def close(self) -> None:
        """Answer the requests that are there, and end the scorers."""
        await self._is_unused.wait()
        if self.shadow is not None:
            self.shadow.give_up()
        await self.merger.drain()
        for other in self._others:
            await other.close()
        await asyncio.get_running_loop().run_in_executor(None, self._scorer.close)
        self._threads.shutdown(wait=False)
