"""Packing: row groups to tasks, by Spark's own rule for the sizes of tasks.

Spark cuts files where bytes say so and a row group then belongs to the piece that has its middle,
so that some of its tasks read nothing.  Here a piece is one or more whole row groups.
"""

from typing import List, NamedTuple, Sequence, Tuple

from dai_spark.client.read_files.footers import FileFacts
from dai_spark.client.read_files.task_files import FileRange
from dai_spark.driver.file_reader.spark_settings import SplitSettings

__all__ = ["packed"]


class _Piece(NamedTuple):
    n_bytes: int
    read: FileRange


def packed(
    files: Sequence[Tuple[FileFacts, Tuple[object, ...]]], settings: SplitSettings
) -> List[List[FileRange]]:
    """Return what each task reads; files without rows are in none.

    Parameters
    ----------
    files : sequence of (FileFacts, tuple)
        With the values of their partition's columns.
    settings : SplitSettings
    """
    total = sum(facts.n_bytes + settings.open_bytes for facts, _ in files)
    per_core = total // max(settings.least_tasks, 1)
    most = min(settings.most_bytes, max(settings.open_bytes, per_core))
    tasks = _packed(files, most, settings.open_bytes)
    if settings.most_tasks is not None and len(tasks) > settings.most_tasks:
        tasks = _packed(files, -(-total // settings.most_tasks), settings.open_bytes)
    return tasks


def _packed(
    files: Sequence[Tuple[FileFacts, Tuple[object, ...]]], most_bytes: int, open_bytes: int
) -> List[List[FileRange]]:
    pieces = [piece for facts, values in files for piece in _pieces(facts, values, most_bytes)]
    # The largest first, and equal ones in their order, as Spark does.
    pieces.sort(key=lambda piece: -piece.n_bytes)
    tasks: List[List[FileRange]] = []
    n_bytes = 0
    for piece in pieces:
        if not tasks or n_bytes + piece.n_bytes > most_bytes:
            tasks.append([])
            n_bytes = 0
        tasks[-1].append(piece.read)
        n_bytes += piece.n_bytes + open_bytes
    return tasks


def _pieces(facts: FileFacts, values: Tuple[object, ...], most_bytes: int) -> List[_Piece]:
    """Row groups that stand beside each other, together as large as a task may be."""
    unpacked = sum(size for _, size in facts.row_groups)
    found: List[_Piece] = []
    first, n_bytes = 0, 0
    for i, (_, size) in enumerate(facts.row_groups):
        # Of the file's bytes so much as of what it is unpacked.
        own = facts.n_bytes * size // unpacked if unpacked else 0
        if i > first and n_bytes + own > most_bytes:
            found.append(_Piece(n_bytes, _range(facts, values, first, i)))
            first, n_bytes = i, 0
        n_bytes += own
    if any(n_rows for n_rows, _ in facts.row_groups):
        found.append(_Piece(n_bytes, _range(facts, values, first, len(facts.row_groups))))
    return found


def _range(facts: FileFacts, values: Tuple[object, ...], first: int, end: int) -> FileRange:
    return FileRange(
        facts.path, facts.n_bytes, facts.changed_ns, facts.footer, first, end, tuple(values)
    )
