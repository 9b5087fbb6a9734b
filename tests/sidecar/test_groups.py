"""Rows that depend on each other: groups whole, in order, and apart from each other."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dai_spark import score_pandas
from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.client.groups import whole_groups
from dai_spark.errors import ColumnError, OptionError
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import ScoringPlan, ShippedFile
from dai_spark.testing import weather_table

FILE = ShippedFile("path", "a", "d", "a")
BY = ["origin"]
ORDER = ["time_hour"]


def plan_of(**options):
    columns = (PipelineColumn("value", "float64"),)
    words = {"group_by": ("a", "b"), **options}
    return ScoringPlan(FILE, FILE, "bin/python", columns, None, ScoringOptions(**words))


KEYS = st.tuples(st.sampled_from([None, "x", "y"]), st.sampled_from([None, float("nan"), 0.0, 1.5]))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(KEYS, st.integers(1, 5)), max_size=8),
    st.lists(st.integers(0, 40)),
    st.booleans(),
)
def test_groups_are_whole_wherever_batches_are_cut(executor, drawn, cuts, empty):
    """Each run of equal keys is one batch, null and NaN being values like any other."""
    keys = [key for key, n in drawn for _ in range(n)]
    columns = {
        "a": pa.array([a for a, _ in keys], pa.string()),
        "b": pa.array([b for _, b in keys], pa.float64(), from_pandas=False),
        "value": pa.array(range(len(keys)), pa.float64()),
    }
    whole = pa.RecordBatch.from_pydict(columns)
    edges = sorted({0, len(keys), *(cut for cut in cuts if cut < len(keys))})
    batches = [whole.slice(a, b - a) for a, b in zip(edges, edges[1:])] or [whole]
    if empty:
        batches.insert(len(batches) // 2, whole.slice(0, 0))
    found = [(batch, row) for batch, row in whole_groups(plan_of(), batches, executor)]
    values = [v for batch, _ in found for v in batch.column(2).to_pylist()]
    assert values == list(range(len(keys)))
    same = [repr(key) for key in keys]
    expected = [i for i in range(len(keys)) if i == 0 or same[i] != same[i - 1]]
    assert [row for batch, row in found if batch.num_rows] == expected


def test_a_group_that_is_too_large_is_named(executor):
    """Before it takes the memory of a worker, with what to do."""
    rows = pa.RecordBatch.from_pydict({"a": ["x"] * 1000, "b": [1.5] * 1000, "value": [0.0] * 1000})
    with pytest.raises(ColumnError, match=r"The group a='x', b=1.5 in partition 3 .* more than 20"):
        list(whole_groups(plan_of(max_group_bytes=20_000), [rows] * 4, executor))


def test_a_group_whose_key_is_no_utf8_is_named_too(executor):
    """Spark's texts are bytes, and a sentence of any of them must be made."""
    key = pa.array([b"R\xc9"] * 9, pa.binary()).view(pa.string())
    rows = pa.RecordBatch.from_arrays(
        [key, pa.array([1.5] * 9), pa.array([0.0] * 9)], names=["a", "b", "value"]
    )
    with pytest.raises(ColumnError, match=r"The group a='R\\\\xc9', b=1.5 in partition 3"):
        list(whole_groups(plan_of(max_group_bytes=50), [rows], executor))


def test_a_group_with_more_kept_text_than_a_batch_holds_is_refused(executor):
    """Arrow would make two batches of it, and the rows of the second would be lost."""
    columns = {"a": ["x"], "b": [1.5], "value": [0.0], "kept": ["k" * 2_000_000]}
    rows = pa.RecordBatch.from_pydict(columns)
    with pytest.raises(ColumnError, match=r"a='x', b=1.5 .* 2,200,0[\d,]+ bytes in column kept"):
        list(whole_groups(plan_of(), [rows] * 1100, executor))


@pytest.fixture(scope="module")
def weather():
    """Three airports in March, hour by hour, the last two days of which are to be predicted."""
    table = weather_table()
    table = table[table["time_hour"].str.startswith("2013-03")].reset_index(drop=True)
    table.loc[table["time_hour"] >= "2013-03-30", "temp"] = np.nan
    return table.sample(frac=1, random_state=1)


@pytest.fixture
def score(packed_environment, license_file):
    def call(frame, path, **words):
        files = {"env": packed_environment, "license_file": str(license_file)}
        return score_pandas(frame, path, **files, **words)

    return call


def test_each_group_scores_as_alone_in_one_process(score, export, own_scores, weather):
    """The pipeline's own scores of each airport alone, whatever the order of the table's rows."""
    path = export(kind="timeseries")
    found = score(weather, path, group_by=BY, order_by=ORDER)
    assert list(found.index) == list(weather.index)
    for _, rows in weather.groupby("origin"):
        rows = rows.sort_values("time_hour")
        own = own_scores(path, rows.reset_index(drop=True))
        pd.testing.assert_frame_equal(
            found.loc[rows.index].reset_index(drop=True), own, check_exact=True
        )
    # And they are not what batches of any other make give.
    assert not found.equals(score(weather, path, batch_rows=100))


def test_what_depends_on_the_batch_is_found_out(plan, executor, export):
    """By the probe, from the export's own example; other kinds do not."""
    from dai_spark.client.connection import Connection

    found = {}
    for kind in ("timeseries", "binomial"):
        with Connection(plan(export(kind=kind)), executor) as connection:
            found[kind] = connection.describe().depends_on_batch
    assert found == {"timeseries": True, "binomial": False}


def test_groups_cannot_be_cut():
    """Options that contradict each other, by the options alone."""
    with pytest.raises(OptionError, match="batch_rows would cut groups"):
        ScoringOptions(group_by="a", batch_rows=5)
    with pytest.raises(OptionError, match="give group_by too"):
        ScoringOptions(order_by=["a"])
    assert ScoringOptions(group_by="a").group_by == ("a",)
