"""A handle's scores: the pipeline's own, for each kind of table, each option, each kind of call."""

import asyncio
import shutil
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pandas.testing import assert_frame_equal

from dai_spark import ScoringPipeline, open_scorer, score_pandas
from dai_spark.client.connection import Connection
from dai_spark.errors import ColumnError, OptionError
from dai_spark.metrics import ScoringMetrics


@pytest.fixture(scope="module")
def scorer(export, packed_environment, license_text):
    """One handle for all tests of this file."""
    with open_scorer(export(), packed_environment, license=license_text, max_scorers=2) as scorer:
        yield scorer


@pytest.fixture(scope="module")
def rows(flights):
    """Three hundred flights with an index that is not their place."""
    frame = flights.head(300)
    return frame.set_axis(range(900, 1200), axis=0)


@pytest.fixture(scope="module")
def own(own_scorer, export, rows):
    """The pipeline's own scores of them."""
    with own_scorer(export()) as own:
        return own.score(rows.reset_index(drop=True))


class Streamed:
    """What Polars and DuckDB offer of a table, and no more."""

    def __init__(self, table):
        self._table = table

    def __arrow_c_stream__(self, requested_schema=None):
        return self._table.__arrow_c_stream__(requested_schema)


class Exported:
    """One batch, by the other half of Arrow's interface."""

    def __init__(self, batch):
        self._batch = batch

    def __arrow_c_array__(self, requested_schema=None):
        return self._batch.__arrow_c_array__(requested_schema)


@pytest.fixture
def connections(monkeypatch):
    """How many connections are opened, and descriptions asked for, from now on."""
    counts = {"opened": 0, "described": 0}
    opening, describing = Connection.__init__, Connection.describe

    def opened(self, plan, executor):
        counts["opened"] += 1
        opening(self, plan, executor)

    def described(self):
        counts["described"] += 1
        return describing(self)

    monkeypatch.setattr(Connection, "__init__", opened)
    monkeypatch.setattr(Connection, "describe", described)
    return counts


# -- tables ------------------------------------------------------------------------------------


def test_a_frame_is_scored_as_the_pipeline_does_it_and_keeps_its_index(scorer, rows, own):
    """Pandas in, pandas out, bit for bit, whatever the order of its columns."""
    turned = rows[list(reversed(rows.columns))].assign(extra="x")
    found = scorer.score(turned)
    assert list(found.index) == list(rows.index)
    assert_frame_equal(found.reset_index(drop=True), own, check_exact=True)


def test_whatever_speaks_arrow_is_answered_by_a_table(scorer, rows, own):
    """A Table, a RecordBatch, a reader, and objects that only export Arrow's C interface."""
    table = pa.Table.from_pandas(rows, preserve_index=False)
    (batch,) = table.to_batches()
    chunked = pa.concat_tables([table.slice(0, 7), table.slice(7)])
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(max_chunksize=90))
    for given in (table, batch, chunked, reader, Streamed(table), Exported(batch)):
        found = scorer.score(given)
        assert isinstance(found, pa.Table)
        assert_frame_equal(found.to_pandas(), own, check_exact=True)


def test_text_of_other_arrow_types_is_text(scorer, rows, own):
    """What Polars exports: string views; what others do: large strings and dictionaries."""
    table = pa.Table.from_pandas(rows, preserve_index=False)
    texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
    for kind in (pa.string_view(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())):
        turned = table
        for name in texts:
            i = turned.schema.get_field_index(name)
            column = pa.chunked_array([c.cast(kind) for c in table[name].chunks], kind)
            turned = turned.set_column(i, name, column)
        assert_frame_equal(scorer.score(turned).to_pandas(), own, check_exact=True)


def test_no_rows_give_no_rows_with_all_columns(scorer, rows, connections):
    """Of each kind, and no scorer is asked."""
    table = pa.Table.from_pandas(rows.head(0), preserve_index=False)
    schema = table.schema
    whole = scorer.score(pa.Table.from_pandas(rows, preserve_index=False), labels=True)
    before = scorer.metrics()
    assert scorer.score(rows.head(0)).dtypes.to_dict() == {
        "late.no": np.dtype("float32"),
        "late.yes": np.dtype("float32"),
    }
    for given in (table, schema.empty_table(), pa.RecordBatchReader.from_batches(schema, [])):
        found = scorer.score(given, labels=True)
        assert found.num_rows == 0
        assert found.schema == whole.schema
    assert scorer.metrics() == before


def test_columns_that_do_not_fit_are_named_all_at_once(scorer, rows):
    """By one error, for a frame and for a table, before anything is scored."""
    lacking = rows.drop(columns=["month", "carrier"]).assign(distance="far")
    before = scorer.metrics()
    for given in (lacking, pa.Table.from_pandas(lacking)):
        with pytest.raises(ColumnError, match=r"lacks carrier, month .*distance \(the pipeline"):
            scorer.score(given)
    mixed = rows.assign(carrier=[1, "a"] * 150, origin=[b"a", 2.5] * 150)
    with pytest.raises(ColumnError, match=r"not of one type.* origin \(.*; carrier \("):
        scorer.score(mixed)
    table = pa.Table.from_pandas(rows, preserve_index=False)
    twice = table.append_column("month", table["day"])
    with pytest.raises(ColumnError, match="several columns of one name, month,"):
        scorer.score(twice)
    with pytest.raises(ColumnError, match="several columns of one name, month,"):
        scorer.score(pd.concat([rows, rows[["month"]]], axis=1))
    assert scorer.metrics() == before


@pytest.mark.parametrize("given", [{"a": [1]}, [1, 2], None, "rows.csv", pa.array([1, 2])])
def test_what_is_no_table_is_refused(scorer, given):
    """With what can be given instead."""
    with pytest.raises(OptionError, match=r"cannot be given as|holds no rows with named columns"):
        scorer.score(given)


def test_a_large_table_is_cut_and_comes_back_in_order(scorer, flights):
    """In pieces of `batch_rows`, by one scorer, and equal to its scores at once."""
    table = pa.Table.from_pandas(flights.head(5000), preserve_index=False)
    whole = scorer.score(table)
    before = scorer.metrics()
    found = scorer.score(table, batch_rows=700)
    after = scorer.metrics()
    assert found == whole
    assert after.n_batches - before.n_batches == 8
    assert after.n_rows - before.n_rows == 5000
    assert after.n_tasks - before.n_tasks == 1


def test_groups_are_scored_whole_and_rows_keep_their_places(scorer, flights):
    """Frame and table alike: as many batches as groups, and each row has its own score."""
    frame = flights.sample(400, random_state=3)
    plain = scorer.score(frame)
    table = pa.Table.from_pandas(frame, preserve_index=False)
    for given in (frame, table):
        before = scorer.metrics().n_batches
        found = scorer.score(given, group_by="origin", order_by=["month", "day"])
        assert scorer.metrics().n_batches - before == frame["origin"].nunique()
        if isinstance(found, pa.Table):
            found = found.to_pandas().set_axis(frame.index, axis=0)
        assert_frame_equal(found, plain, check_exact=True)


# -- options -----------------------------------------------------------------------------------


def test_each_call_has_its_own_options(scorer, rows, own, own_scores, export):
    """They reach the pipeline by the connection, and the next call has none of them."""
    frame = rows.reset_index(drop=True)
    margin = own_scores(export(), frame, output_margin=True)
    assert_frame_equal(scorer.score(frame, margin=True), margin, check_exact=True)
    contributions = own_scores(export(), frame, pred_contribs=True, pred_contribs_original=True)
    found = scorer.score(frame, contributions="original")
    assert_frame_equal(found, contributions, check_exact=True)
    labelled = scorer.score(frame, labels=True, threshold=0.25)
    assert list(labelled["label"] == "yes") == list(own["late.yes"] >= 0.25)
    assert_frame_equal(scorer.score(frame), own, check_exact=True)


def test_a_way_to_ask_is_described_once(scorer, rows, connections):
    """Whatever else a call asks for: only what changes the pipeline's answer is news."""
    for words in ({}, {"batch_rows": 100}, {"nan": "bad"}):
        scorer.score(rows, margin=True, fast_approx=False, apply_data_recipes=True, **words)
    assert connections["described"] == 1
    asked = scorer.describe(margin=True, apply_data_recipes=True)
    assert len(asked.output) == scorer.score(rows, margin=True).shape[1]
    assert connections["described"] == 1


@pytest.mark.parametrize(
    "words",
    [{"start_method": "spawn"}, {"env_vars": {"A": "b"}}, {"diagnose": True}, {"max_scorers": 1}],
)
def test_what_a_loaded_scorer_depends_on_cannot_change(scorer, rows, words):
    """One sentence says which option, and where it belongs."""
    with pytest.raises(OptionError, match=f"^{next(iter(words))} cannot change from call to call"):
        scorer.score(rows, **words)


def test_wrong_options_and_limits_are_refused(scorer, rows):
    """A misspelt name, a value that cannot be meant, a limit that is none."""
    with pytest.raises(OptionError, match="unknown option treshold"):
        scorer.score(rows, treshold=0.5)
    with pytest.raises(OptionError, match="exclude each other"):
        scorer.score(rows, margin=True, contributions=True)
    with pytest.raises(OptionError, match="timeout_s=0 must be a number of seconds, more than 0"):
        scorer.score(rows, timeout_s=0)


def test_a_handle_tells_what_the_pipeline_is_and_what_calls_took(scorer, rows, connections):
    """Without a connection where it is known; metrics are the sum over calls."""
    described = scorer.describe()
    assert described.output == (("late.no", "float"), ("late.yes", "float"))
    assert described.labels == ("no", "yes")
    assert "carrier" in described.columns
    assert connections["described"] == 0
    before = scorer.metrics()
    scorer.score(rows)
    took = scorer.metrics()
    assert isinstance(took, ScoringMetrics)
    assert (took.n_tasks, took.n_rows) == (before.n_tasks + 1, before.n_rows + 300)
    assert took.scoring_s > before.scoring_s
    assert took.peak_memory_bytes > 1 << 20


# -- asyncio -----------------------------------------------------------------------------------


def test_tasks_score_while_the_loop_goes_on(scorer, rows, own):
    """Many at once, in turn, with a loop that ticks all the while."""

    async def run():
        ticks = 0

        async def tick():
            nonlocal ticks
            while True:
                await asyncio.sleep(0.002)
                ticks += 1

        ticking = asyncio.create_task(tick())
        begun = time.monotonic()
        found = await asyncio.gather(*(scorer.score_async(rows) for _ in range(12)))
        took_s = time.monotonic() - begun
        ticking.cancel()
        return found, ticks, took_s

    found, ticks, took_s = asyncio.run(run())
    for one in found:
        assert_frame_equal(one.reset_index(drop=True), own, check_exact=True)
    assert ticks > took_s / 0.002 / 10


def test_an_error_reaches_the_task_that_awaits(scorer, rows):
    """Before a scorer is there, and behind it."""
    with pytest.raises(OptionError, match="unknown option"):
        asyncio.run(scorer.score_async(rows, colour="red"))
    with pytest.raises(ColumnError, match="lacks month"):
        asyncio.run(scorer.score_async(rows.drop(columns="month")))
    assert len(scorer.score(rows)) == 300


# -- score_pandas ------------------------------------------------------------------------------


def test_the_second_call_of_score_pandas_does_nothing_again(
    export, packed_environment, license_text, rows, own, connections, monkeypatch, tmp_path
):
    """Nothing is zipped, hashed, described, opened or forked; a zip that is replaced is seen."""
    path = tmp_path / "scorer.zip"
    shutil.copy(export(), path)

    def call(**words):
        found = score_pandas(rows, path, packed_environment.path, license=license_text, **words)
        return found.reset_index(drop=True)

    assert_frame_equal(call(), own, check_exact=True)
    opened = dict(connections)
    with monkeypatch.context() as patched:
        patched.setattr(ScoringPipeline, "__init__", _never)
        patched.setattr("dai_spark.artifacts.pipeline.slim_copy", _never)
        patched.setattr("dai_spark.host.digest.hashlib.sha256", _never)
        patched.setattr("dai_spark.local.kept_scorers.plan_here", _never)
        assert_frame_equal(call(), own, check_exact=True)
        assert list(call(labels=True).columns) == [*own.columns, "label"]
        assert connections == opened
    shutil.copy(export(kind="regression"), path)
    assert list(call().columns) == ["delay"]


def _never(*arguments, **words):
    raise AssertionError("what was done before is done again")
