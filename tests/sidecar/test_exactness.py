"""Drawn tables through the sidecar, held against the pipeline's own scores: equal, or refused.

Draws types, values, nulls, batches and batch sizes.  What the pipeline's own process is given is
made from the drawn values by this file, and by nothing of dai_spark: floats with NaN, texts with
None, as pandas would have read them.
"""

import contextlib
from collections import Counter

import pandas as pd
import pyarrow as pa
import pytest
from drawn_tables import ANY, FINITE, tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dai_spark.client.connection import Connection
from dai_spark.client.score import score_batches
from dai_spark.errors import ColumnError


@pytest.fixture
def check(plan, shared_executor, export, own_scorer):
    """A function that draws so many tables for a kind of pipeline and compares each."""
    executor = shared_executor

    def run(n_cases, **words):
        path = export(**words)
        made = plan(path)
        with Connection(made, executor) as connection:
            made = made.with_description(connection.describe())
        floats = FINITE if words.get("model") == "xgboost" else ANY
        seen = Counter()

        @settings(
            max_examples=n_cases,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(tables(made.wanted(), floats), st.sampled_from([1, 7, 1000]))
        def compare(table, batch_rows):
            pieces, pandas, why = table
            chosen = plan(path, batch_rows=batch_rows).with_description(made.described)
            found, errors = [], []
            with contextlib.suppress(ColumnError):
                for scored in score_batches(chosen, pieces, executor):
                    errors.append(scored.error)
                    found.append(scored.answer)
                if why is None:
                    assert errors == [None] * len(errors)
                    answer = pa.Table.from_batches(found).to_pandas()
                    if len(pandas):
                        expected = own.score(pandas)
                        pd.testing.assert_frame_equal(answer, expected, check_exact=True)
                    assert len(answer) == len(pandas)
                    seen["equal"] += 1
                    seen["rows"] += len(pandas)
                    return
                # Never a score for a value that did not fit.
                assert all(isinstance(error, ColumnError) for error in errors if error)
                assert any(errors)
                seen.update(["refused", why])
                return
            assert why is not None
            seen.update(["refused", why])

        with own_scorer(path) as own:
            compare()
        return seen

    return run


KINDS = [
    {"kind": "binomial"},
    {"kind": "multinomial", "model": "xgboost"},
    {"kind": "regression"},
]


def test_drawn_tables_have_the_pipelines_own_scores(check):
    """Equal bits for each table that fits, one documented refusal for each that does not."""
    seen = check(75, kind="binomial")
    assert seen["equal"] > 30
    assert seen["refused"] > 5


@pytest.mark.long
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("words", KINDS, ids=lambda words: words["kind"])
def test_thousands_of_drawn_tables_have_the_pipelines_own_scores(check, words):
    """The same, until the odd combinations have come up."""
    seen = check(1500, **words)
    print(words["kind"], dict(seen.most_common()))
    assert seen["equal"] > 600
    assert seen["refused"] > 50
