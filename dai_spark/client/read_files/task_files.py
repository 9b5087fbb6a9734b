"""TaskFiles: what each task of a job reads of which files, as it travels with the function."""

import json
import zlib
from dataclasses import dataclass
from typing import Any, List, NamedTuple, Sequence, Tuple

__all__ = ["FileRange", "TaskColumn", "TaskFiles", "packed_tasks"]


class FileRange(NamedTuple):
    """Row groups of one file that one task reads, one behind the other.

    Attributes
    ----------
    path : str
        Of the host that the task runs on.
    n_bytes, changed_ns, footer
        What the file is known by; see `FileFacts`.
    first, end : int
        Row groups from `first` on, without `end`.
    values : tuple of object
        Values of the partition columns, as JSON has them.
    """

    path: str
    n_bytes: int
    changed_ns: int
    footer: str
    first: int
    end: int
    values: Tuple[Any, ...]


class TaskColumn(NamedTuple):
    """Where a column of the table comes from.

    Attributes
    ----------
    name : str
        As the table's schema has it.
    partition : int or None
        The number of the partition column that it is; None for a column of the files.
    field_id : int or None
        Iceberg's number of it, by which it is found in a file; None where its name counts.
    """

    name: str
    partition: "int | None"
    field_id: "int | None" = None


@dataclass(frozen=True)
class TaskFiles:
    """All that tasks need to read a table's files.  Pickles; opens nothing.

    Attributes
    ----------
    columns : tuple of TaskColumn
        In the order in which batches have them.
    is_case_sensitive : bool
        Whether Spark tells names apart by case.
    batch_rows : int
        Rows of a batch, as Spark would send them.
    is_one_host : bool
        Whether driver and tasks are on one host, where a file has one time of change.
    tasks : bytes
        The ranges of every task, packed.
    """

    columns: Tuple[TaskColumn, ...]
    is_case_sensitive: bool
    batch_rows: int
    is_one_host: bool
    tasks: bytes

    def ranges(self, task: int) -> List[FileRange]:
        """What one task reads.

        Parameters
        ----------
        task : int
            Its number, from 0.
        """
        lines = zlib.decompress(self.tasks).split(b"\n")
        found = json.loads(lines[task])
        return [FileRange._make([*fields[:-1], tuple(fields[-1])]) for fields in found]


def packed_tasks(tasks: Sequence[Sequence[FileRange]]) -> bytes:
    """The ranges of all tasks, in few bytes: names of files are alike.

    Parameters
    ----------
    tasks : sequence of sequence of FileRange
    """
    # Without ensure_ascii=False: an escaped name has no line break, and no half surrogate pair.
    return zlib.compress("\n".join(map(json.dumps, tasks)).encode("ascii"), 1)
