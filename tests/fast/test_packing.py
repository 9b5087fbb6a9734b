"""Row groups to tasks: as many and as large as Spark's own settings say, each row group once."""

import pickle

from hypothesis import given
from hypothesis import strategies as st

from dai_spark.client.read_files.file_types import ALIKE
from dai_spark.client.read_files.footers import FileFacts
from dai_spark.client.read_files.task_files import TaskColumn, TaskFiles, packed_tasks
from dai_spark.driver.file_reader.packing import packed
from dai_spark.driver.file_reader.spark_settings import SplitSettings

SETTINGS = SplitSettings(128 << 20, 4 << 20, 2, None)


def file(name, sizes, n_bytes=None, rows=10):
    """A file with row groups of these sizes."""
    groups = tuple((rows, size) for size in sizes)
    return FileFacts(name, n_bytes or sum(sizes), 7, "ab", groups), ()


def read(tasks):
    """What every task reads, as names and row groups."""
    return [[(one.path, one.first, one.end) for one in task] for task in tasks]


def test_small_files_are_read_together():
    """What opening a file costs counts, so that a task gets no thousand of them."""
    files = [file(f"f{i}", [1 << 20]) for i in range(100)]
    # 100 x (1 + 4) MB over two cores are more than 128 MB a task: 26 files of 5 MB each.
    sizes = [len(task) for task in packed(files, SETTINGS)]
    assert sum(sizes) == 100
    assert max(sizes) == 26


def test_a_large_file_is_cut_between_row_groups():
    """At most 128 MB a task, and a row group that has more stays whole."""
    one = file("f", [64 << 20, 64 << 20, 300 << 20, 10 << 20])
    assert read(packed([one], SETTINGS)) == [[("f", 2, 3)], [("f", 0, 2)], [("f", 3, 4)]]


def test_few_bytes_are_spread_over_all_cores():
    """The default size is only the most: tasks are as many as cores where files allow it."""
    one = file("f", [8 << 20] * 4)
    assert len(packed([one], SETTINGS)) == 2
    assert len(packed([one], SETTINGS._replace(least_tasks=4))) == 4


def test_a_limit_of_tasks_counts():
    """`spark.sql.files.maxPartitionNum` makes larger ones."""
    files = [file(f"f{i}", [128 << 20]) for i in range(10)]
    assert len(packed(files, SETTINGS)) == 10
    assert len(packed(files, SETTINGS._replace(most_tasks=3))) <= 4


def test_files_without_rows_are_in_no_task():
    """No row groups, or empty ones."""
    assert packed([file("a", []), file("b", [0], n_bytes=10, rows=0)], SETTINGS) == []
    assert packed([], SETTINGS) == []


@given(
    st.lists(st.lists(st.integers(0, 1 << 28), max_size=5), max_size=20),
    st.integers(1, 64),
    st.none() | st.integers(1, 5),
)
def test_each_row_group_is_read_once(sizes, least, most):
    """Whatever the sizes."""
    files = [file(f"f{i}", one, n_bytes=sum(one) + 1) for i, one in enumerate(sizes)]
    tasks = packed(files, SETTINGS._replace(least_tasks=least, most_tasks=most))
    found = sorted(
        (one.path, group) for task in tasks for one in task for group in range(one.first, one.end)
    )
    assert found == sorted(
        (f"f{i}", group) for i, one in enumerate(sizes) for group in range(len(one))
    )
    assert all(tasks)


def test_what_a_task_reads_comes_back_as_it_was():
    """Names with any sign, values of partitions, each task its own."""
    odd = FileFacts('a\n"\u00e9\ud800', 10, 2**62, "ab", ((1, 5), (1, 5)))
    tasks = packed(
        [(odd, (None, "x", 1, 1.5, True))], SETTINGS._replace(most_bytes=5, open_bytes=1)
    )
    assert len(tasks) == 2
    columns = (TaskColumn("x", None),)
    files = TaskFiles(columns, False, 10_000, True, packed_tasks(tasks))
    files = pickle.loads(pickle.dumps(files))
    assert [files.ranges(i) for i in range(2)] == tasks


def test_the_table_of_types_names_no_pair_twice():
    """Each row of it can be looked up."""
    rows = [(row.kind, row.physical, row.logical) for row in ALIKE]
    assert len(set(rows)) == len(rows)
