"""Calls that wait together are one batch, and each gets what it would have got alone."""

import asyncio

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dai_spark.errors import DeadlineError, ScorerBusyError, ScoringError, SidecarDiedError
from dai_spark.plan.options import ScoringOptions
from dai_spark.serving.merger import Merger
from dai_spark.serving.score_call import ScoreCall

PLAIN, MARGIN = ScoringOptions(), ScoringOptions(margin=True)


class Pipeline:
    """Doubles x, or triples it for margins; refuses a batch with a negative x; counts batches."""

    def __init__(self, pauses=(), dies=()):
        self.batches, self.n_now, self.n_most = [], 0, 0
        self._pauses, self._dies = list(pauses), set(dies)

    async def score(self, table, options, limit_s):
        x = table.column("x").to_pylist()
        self.batches.append(x)
        self.n_now += 1
        self.n_most = max(self.n_most, self.n_now)
        number = len(self.batches)
        try:
            for _ in range(self._pauses.pop() if self._pauses else 1):
                await asyncio.sleep(0)
        finally:
            self.n_now -= 1
        if number in self._dies:
            raise SidecarDiedError("killed")
        if any(value < 0 for value in x):
            raise ScoringError("x is below 0")
        return pa.table({"y": [value * (3 if options.margin else 2) for value in x]})


def call(*x, options=PLAIN, deadline=None):
    return ScoreCall(pa.table({"x": list(x)}), options, "", deadline)


def merger(pipeline, **words):
    words = {"n_scorers": 2, "max_waiting": 1000, "max_batch_rows": 50, "merges": True, **words}
    return Merger(pipeline.score, **words)


CALLS = st.lists(
    st.tuples(
        st.lists(st.integers(-1, 20), min_size=1, max_size=4),
        st.booleans(),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=25,
)


@given(CALLS, st.lists(st.integers(0, 4)), st.sets(st.integers(1, 12)), st.booleans())
def test_each_call_gets_what_it_gets_alone(calls, pauses, dies, merges):
    """Whatever waits with it, is refused, is cancelled, or is killed once."""

    async def run():
        pipeline = Pipeline(pauses, dies)
        made = merger(pipeline, merges=merges)

        async def client(x, is_margin, wait, is_gone):
            for _ in range(wait):
                await asyncio.sleep(0)
            task = asyncio.ensure_future(
                made.score(call(*x, options=MARGIN if is_margin else PLAIN))
            )
            if is_gone:
                await asyncio.sleep(0)
                task.cancel()
            return (await asyncio.gather(task, return_exceptions=True))[0]

        found = await asyncio.gather(*(client(*one) for one in calls))
        await made.drain()
        assert pipeline.n_most <= 2
        assert (made.n_waiting, made.n_busy) == (0, 0)
        return found, pipeline

    found, pipeline = asyncio.run(run())
    assert all(merges or len(batch) <= 4 for batch in pipeline.batches)
    for (x, is_margin, _, is_gone), answer in zip(calls, found):
        if is_gone and isinstance(answer, asyncio.CancelledError):
            continue
        if isinstance(answer, SidecarDiedError):
            # Killed alone, and killed again when it was tried once more.
            assert len(dies) > 1
        elif min(x) < 0:
            assert isinstance(answer, ScoringError)
        else:
            assert answer.column("y").to_pylist() == [v * (3 if is_margin else 2) for v in x]


def test_what_waits_is_one_batch_and_the_first_does_not_wait():
    """Two scorers take the first two calls at once; the other ten are merged behind them."""

    async def run():
        pipeline = Pipeline()
        made = merger(pipeline)
        await asyncio.gather(*(made.score(call(i)) for i in range(12)))
        return pipeline.batches, made.counts

    batches, counts = asyncio.run(run())
    assert batches == [[0], [1], [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]]
    assert (counts.n_batches, counts.n_merged_calls) == (3, 10)


def test_a_bad_row_fails_its_own_call_alone():
    """The batch is halved until the call is known: a few batches more, and not one a call."""

    async def run():
        pipeline = Pipeline()
        made = merger(pipeline)
        answers = await asyncio.gather(
            *(made.score(call(-1 if i == 20 else i)) for i in range(34)), return_exceptions=True
        )
        return answers, pipeline.batches

    answers, batches = asyncio.run(run())
    failed = [i for i, answer in enumerate(answers) if isinstance(answer, Exception)]
    assert failed == [20]
    assert len(batches) < 16


def test_a_killed_scorer_costs_nobody_an_answer():
    """Its batch is scored again; what is killed alone twice has failed."""

    async def run(dies):
        made = merger(Pipeline(dies=dies), n_scorers=1)
        return await asyncio.gather(made.score(call(1)), return_exceptions=True)

    (answer,) = asyncio.run(run({1}))
    assert answer.column("y").to_pylist() == [2]
    (answer,) = asyncio.run(run({1, 2}))
    assert isinstance(answer, SidecarDiedError)


def test_calls_beyond_the_limit_are_refused_and_late_ones_are_not_scored():
    """A full queue, a deadline that is over, a client that has gone."""

    async def run():
        pipeline = Pipeline(pauses=[50])
        made = merger(pipeline, n_scorers=1, max_waiting=2)
        first = asyncio.ensure_future(made.score(call(1)))
        gone = asyncio.ensure_future(made.score(call(2)))
        await asyncio.sleep(0)
        with pytest.raises(DeadlineError, match="deadline of the call came"):
            await made.score(call(3, deadline=0.0))
        waits = asyncio.ensure_future(made.score(call(4)))
        await asyncio.sleep(0)
        with pytest.raises(ScorerBusyError, match="--max-waiting 2"):
            await made.score(call(5))
        gone.cancel()
        answers = [(await task).column("y").to_pylist() for task in (first, waits)]
        return answers, pipeline.batches, made.counts.n_dropped

    assert asyncio.run(run()) == ([[2], [8]], [[1], [4]], 2)


def test_other_columns_and_other_options_are_other_batches():
    """Only what one call of the pipeline could have had is merged."""

    async def run():
        pipeline = Pipeline()
        made = merger(pipeline, n_scorers=1, max_batch_rows=3)
        other = ScoreCall(pa.table({"x": [9.0]}), PLAIN)
        await asyncio.gather(
            made.score(call(0)),
            made.score(call(1)),
            made.score(call(2, options=MARGIN)),
            made.score(call(3)),
            made.score(other),
            made.score(call(4, 5)),
        )
        return pipeline.batches

    batches = asyncio.run(run())
    assert batches == [[0], [1, 3], [2], [9.0], [4, 5]]
