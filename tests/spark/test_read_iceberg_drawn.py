"""Drawn Iceberg tables with drawn pasts, read by Spark and by tasks: equal bits, or Spark reads."""

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
from pyspark.errors import IllegalArgumentException
from pyspark.sql import functions as F

WANTED = {f"n{i}": SimpleNamespace(is_number=True) for i in range(4)}
WANTED.update({f"t{i}": SimpleNamespace(is_number=False) for i in range(4)})
PROMOTED = {"int": "bigint", "float": "double", "decimal(9,2)": "decimal(20,2)"}
# What happens to a table between two writes, and to which of its columns.
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["rename", "swap", "again", "promote", "partition", "bucket", "delete"]),
        st.integers(0, 20),
    ),
    max_size=3,
)
WRITTEN = st.fixed_dictionaries(
    {
        "format-version": st.sampled_from(["1", "2", "3"]),
        "write.parquet.compression-codec": st.sampled_from(["zstd", "gzip", "snappy"]),
        "write.parquet.row-group-size-bytes": st.sampled_from(["100", "100000000"]),
        "write.parquet.dict-size-bytes": st.sampled_from(["64", "1000000"]),
        "write.spark.fanout.enabled": st.just("true"),
    }
)


class DrawnTable:
    """An Iceberg table that changes between the pieces that are written into it."""

    def __init__(self, spark, name, first, words):
        self.spark, self.name, self._numbers = spark, name, itertools.count()
        writer = spark.createDataFrame([], first.schema).writeTo(name).using("iceberg")
        for key, value in words.items():
            writer = writer.tableProperty(key, value)
        writer.create()
        self.append(first)

    @property
    def columns(self):
        return self.spark.table(self.name).dtypes

    def append(self, rows):
        """Write rows by place, as text that is cast to what the columns are by now."""
        pairs = zip(rows.columns, self.columns)
        typed = [F.col(old).cast("string").try_cast(kind).alias(new) for old, (new, kind) in pairs]
        rows.select(*typed).writeTo(self.name).append()

    def change(self, how, where):
        """Do one thing to a column; what Iceberg does not allow is left out."""
        columns = self.columns
        name, kind = columns[where % len(columns)]
        other, _ = columns[(where + 1) % len(columns)]
        new, table = f"new{next(self._numbers)}", f"ALTER TABLE {self.name}"
        texts = {
            "rename": [f"{table} RENAME COLUMN {name} TO {new}"],
            "swap": [
                f"{table} RENAME COLUMN {name} TO {new}",
                f"{table} RENAME COLUMN {other} TO {name}",
                f"{table} RENAME COLUMN {new} TO {other}",
            ],
            "again": [f"{table} DROP COLUMN {name}", f"{table} ADD COLUMN {name} {kind}"],
            "promote": [f"{table} ALTER COLUMN {name} TYPE {PROMOTED.get(kind, kind)}"],
            "partition": [f"{table} ADD PARTITION FIELD {name}"],
            "bucket": [f"{table} ADD PARTITION FIELD bucket(2, {name})"],
            "delete": [f"DELETE FROM {self.name} WHERE {name} IS NULL"],
        }[how]
        try:
            for text in texts:
                self.spark.sql(text)
        except Exception:  # noqa: BLE001 - a column that parts the table, a type that cannot
            return f"{how} refused"
        return how


def is_readable(frame):
    """Whether Iceberg reads it: not an old schema in which a partition's name is another column's.

    By its own error, whoever asks: a column parts the table and had another one's name then.
    """
    try:
        frame.collect()
    except IllegalArgumentException as error:
        assert "Cannot create identity partition sourced from different field" in str(error)
        return False
    return True


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
        @given(tables(WANTED, ANY), WRITTEN, st.lists(CHANGES, min_size=4, max_size=4))
        def drawn(drawn_table, words, changes):
            pieces, _, _ = drawn_table
            number = next(numbers)
            frames = []
            for i, piece in enumerate(pieces):
                # Spark has no type for a column of no type.
                typed = [n for n in piece.schema.names if piece.schema.field(n).type != pa.null()]
                path = str(tmp_path / f"{number}-{i}.parquet")
                pq.write_table(pa.Table.from_batches([piece]).select(typed), path)
                frames.append(spark.read.parquet(path))
            name = f"ice.db.drawn_{tmp_path.name}_{number}".replace("-", "_")
            table = DrawnTable(spark, name, frames[0], words)
            for frame, what in zip(frames[1:], changes):
                for how, where in what:
                    seen[table.change(how, where)] += 1
                table.append(frame)
            read_where_proved(spark.table(name), seen)
            versions = spark.sql(f"SELECT snapshot_id FROM {name}.snapshots").collect()
            first = spark.sql(f"SELECT * FROM {name} VERSION AS OF {versions[0][0]}")
            if is_readable(first):
                read_where_proved(first, seen)
            spark.sql(f"DROP TABLE {name} PURGE")

        drawn()
        return seen

    return run


def test_drawn_iceberg_tables_are_read_alike(compare):
    """A few of them."""
    seen = compare(2)
    assert seen["files"] > 4 * seen["spark"]


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_many_drawn_iceberg_tables_are_read_alike(compare):
    """Until the odd combinations have come up."""
    seen = compare(30)
    print(dict(seen))
    assert seen["rows"] > 200
    assert seen["files"] > 4 * seen["spark"]
    for how in ("rename", "swap", "again", "promote", "partition", "bucket", "delete"):
        assert seen[how]
