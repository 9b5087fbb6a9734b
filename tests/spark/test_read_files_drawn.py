"""Drawn tables read by Spark and by tasks themselves: equal bits, or Spark reads."""

import itertools
from collections import Counter
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from both_readings import read_where_proved
from drawn_tables import ANY, tables
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

# What the pipeline would want does not matter here: both halves of the drawn types come up.
WANTED = {f"n{i}": SimpleNamespace(is_number=True) for i in range(5)}
WANTED.update({f"t{i}": SimpleNamespace(is_number=False) for i in range(5)})
WRITTEN = st.fixed_dictionaries(
    {
        "version": st.sampled_from(["1.0", "2.4", "2.6"]),
        "compression": st.sampled_from(["none", "snappy", "gzip", "zstd"]),
        "use_dictionary": st.booleans(),
        "data_page_version": st.sampled_from(["1.0", "2.0"]),
        "row_group_size": st.sampled_from([3, 1000]),
        "store_schema": st.booleans(),
        "store_decimal_as_integer": st.booleans(),
        "data_page_size": st.sampled_from([16, 1 << 20]),
    }
)


@pytest.fixture
def compare(spark, tmp_path):
    """A function that draws so many tables and compares both ways of reading them."""
    seen = Counter()
    numbers = itertools.count()

    def run(n_cases):
        @settings(
            max_examples=n_cases,
            deadline=None,
            database=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        )
        @given(tables(WANTED, ANY), WRITTEN)
        def drawn(table, words):
            pieces, _, _ = table
            folder = tmp_path / str(next(numbers))
            folder.mkdir()
            for i, piece in enumerate(pieces):
                # Spark has no type for a column of no type.
                typed = [n for n in piece.schema.names if piece.schema.field(n).type != pa.null()]
                rows = pa.Table.from_batches([piece]).select(typed)
                pq.write_table(rows, folder / f"{i}.parquet", **words)
            read_where_proved(spark.read.parquet(str(folder)), seen)

        drawn()
        return seen

    return run


def test_drawn_tables_are_read_alike(compare):
    """A few of them."""
    seen = compare(2)
    assert seen["files"] > 4 * seen["spark"]


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_many_drawn_tables_are_read_alike(compare):
    """Until the odd combinations have come up."""
    seen = compare(200)
    print(dict(seen))
    assert seen["rows"] > 1000
    assert seen["files"] > 4 * seen["spark"]
