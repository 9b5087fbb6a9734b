"""Row groups as a task reads them: batches as Spark would cut them, and never a whole row group."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dai_spark.client.read_files import row_groups
from dai_spark.client.read_files.footers import FileColumn, ReadSettings, look_at_files
from dai_spark.client.read_files.task_files import FileRange, TaskColumn, TaskFiles, packed_tasks
from dai_spark.client.read_files.unproved import Unproved
from dai_spark.errors import SourceFileError

SETTINGS = ReadSettings(False, "CORRECTED", "CORRECTED", False)


@pytest.fixture
def read(tmp_path):
    """A function that writes tables into files and reads these as one task: its batches."""

    def run(tables, batch_rows=1000, **words):
        paths = [tmp_path / f"{i}.parquet" for i in range(len(tables))]
        for path, table in zip(paths, tables):
            pq.write_table(table, path, **words)
        schema = tables[0].schema
        kinds = {pa.int64(): "bigint", pa.string(): "string"}
        columns = [FileColumn(field.name, kinds[field.type]) for field in schema]
        facts = look_at_files([str(path) for path in paths], columns, SETTINGS)
        ranges = [
            FileRange(*(f.path, f.n_bytes, f.changed_ns, f.footer, 0, len(f.row_groups), ()))
            for f in facts
        ]
        named = tuple(TaskColumn(name, None) for name in schema.names)
        files = TaskFiles(named, False, batch_rows, True, packed_tasks([ranges]))
        kind = pa.struct([(f"c{i}", field.type) for i, field in enumerate(schema)])
        asked = pa.RecordBatch.from_arrays(
            [pa.array([0]), pa.array([None], kind)], names=["task", "row"]
        )
        return list(row_groups.batches_of_files(files, schema.names, iter([asked])))

    return run


def test_small_files_fill_a_batch_together(read):
    """A pipeline pays for each batch, however few rows it has; the rows keep their order."""
    tables = [pa.table({"x": range(i * 30, i * 30 + 30)}) for i in range(10)]
    batches = read(tables, batch_rows=100, row_group_size=7)
    assert [batch.num_rows for batch in batches] == [100, 100, 100]
    assert pa.Table.from_batches(batches)["x"].to_pylist() == list(range(300))


def test_long_texts_come_in_smaller_batches(read, monkeypatch):
    """As many rows as fit, so that memory does not depend on how long texts are."""
    monkeypatch.setattr(row_groups, "_BATCH_BYTES", 100_000)
    texts = pa.table({"x": range(100), "text": [f"{i:010}" * 1000 for i in range(100)]})
    batches = read([texts], use_dictionary=False, compression="none")
    assert max(batch.nbytes for batch in batches) < 250_000
    assert pa.Table.from_batches(batches) == texts


def test_a_pyarrow_that_is_too_old_leaves_reading_to_spark(read, monkeypatch):
    """On the driver; one on an executor is told with what to do."""
    table = pa.table({"x": range(10)})
    read([table])
    monkeypatch.setattr(pa, "__version__", "4.0.0")
    with pytest.raises(Unproved, match=r"pyarrow 4\.0\.0 is here, and that wants 11 or later"):
        read([table])
    files = TaskFiles((), False, 1000, True, packed_tasks([[]]))
    with pytest.raises(SourceFileError, match=r"since pyarrow 4\.0\.0 is here.*read='spark'"):
        list(row_groups.batches_of_files(files, [], iter([])))


def test_a_file_that_is_replaced_while_it_is_read_is_read_to_its_end(read, monkeypatch, tmp_path):
    """Its rows are those of one file: who overwrites a table removes files, and changes none."""
    one = pa.table({"x": range(1000)})
    path = tmp_path / "0.parquet"
    opened = row_groups._check_same

    def replaced(files, one, file):
        opened(files, one, file)
        pq.write_table(pa.table({"x": [7]}), tmp_path / "other")
        (tmp_path / "other").replace(path)

    monkeypatch.setattr(row_groups, "_check_same", replaced)
    assert pa.Table.from_batches(read([one])) == one


@pytest.mark.parametrize(("version", "is_buffered"), [("23.0.1", False), ("24.0.0", True)])
def test_no_buffer_where_arrow_writes_behind_it(read, monkeypatch, version, is_buffered):
    """Values were others with 17 and 18, and a worker crashed (apache/arrow#48311)."""
    asked = []
    made = pq.ParquetFile

    def opened(*words, **named):
        asked.append(named.get("buffer_size"))
        return made(*words, **named)

    monkeypatch.setattr(pa, "__version__", version)
    monkeypatch.setattr(row_groups.pq, "ParquetFile", opened)
    table = pa.table({"x": range(10)})
    assert pa.Table.from_batches(read([table])) == table
    buffers = [size for size in asked if size is not None]
    assert [size > 0 for size in buffers] == [is_buffered]


def test_many_columns_share_the_room_for_buffers():
    """A megabyte for each of thousands of columns would be gigabytes."""
    assert row_groups._buffer_bytes(20) == 1 << 20
    assert 5000 * row_groups._buffer_bytes(5000) < 100 << 20
