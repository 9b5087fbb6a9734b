"""LogFile: one Parquet file of logged rows, which readers see when it is whole."""

import fcntl
import json
import os
import time
import uuid
from pathlib import Path
from typing import Any, Dict, List, Mapping

import pyarrow as pa
import pyarrow.parquet as pq

__all__ = ["METADATA", "LogFile", "remove_abandoned"]

# Of the schema of each file.
METADATA = b"dai_spark.log"
# A name that begins with a dot is passed over by Spark and its like.
_OPEN = ".open-"
# Row groups of a few rows would be larger than their values.
_GROUP_ROWS = 5_000


class LogFile:
    """A file that is written.  Its owner alone can read it.

    Until it is closed it has a name that readers pass over, and a lock that says that its server
    lives; a server that is killed loses this file, and the next one removes it.

    Parameters
    ----------
    folder : Path
        Is made where it is not there.
    schema : pyarrow.Schema
    about : mapping
        What holds for all rows, as JSON beside the schema.
    """

    def __init__(self, folder: Path, schema: pa.Schema, about: Mapping[str, Any]) -> None:
        for one in (folder.parent, folder):
            # Its mode is that of the last folder alone.
            one.mkdir(mode=0o700, parents=True, exist_ok=True)
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
        self.path = folder / f"{stamp}-{uuid.uuid4().hex[:12]}.parquet"
        self._aside = folder / f"{_OPEN}{self.path.name}"
        descriptor = os.open(self._aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._file = os.fdopen(descriptor, "wb")
        metadata: Dict[bytes, bytes] = {METADATA: json.dumps(about).encode()}
        self._schema = schema.with_metadata(metadata)
        self._writer = pq.ParquetWriter(self._file, self._schema, compression="zstd")
        self._pending: List[pa.Table] = []
        self._n_pending = 0
        self.n_rows = 0
        self.n_bytes = 0
        self.begun_s = time.monotonic()

    def write(self, table: pa.Table) -> None:
        """Add rows; they may stay in memory for a while.

        Parameters
        ----------
        table : pyarrow.Table
        """
        self._pending.append(table)
        self._n_pending += table.num_rows
        self.n_rows += table.num_rows
        self.n_bytes += table.nbytes
        if self._n_pending >= _GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._pending:
            whole = pa.concat_tables(self._pending).replace_schema_metadata(self._schema.metadata)
            self._pending, self._n_pending = [], 0
            self._writer.write_table(whole)

    def close(self) -> None:
        """Finish the file and give it its name.

        Raises
        ------
        OSError
            The disk is full; the file is not there then.
        """
        try:
            self._flush()
            self._writer.close()
            self._file.flush()
            os.fsync(self._file.fileno())
            self._aside.rename(self.path)
        finally:
            self.abandon()

    def abandon(self) -> None:
        """Leave nothing of a file that was not finished."""
        self._file.close()
        self._aside.unlink(missing_ok=True)


def remove_abandoned(folder: Path) -> int:
    """Remove files that killed servers did not finish; how many.

    Parameters
    ----------
    folder : Path
    """
    n_removed = 0
    for path in folder.rglob(f"{_OPEN}*.parquet"):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                n_removed += 1
        except OSError:
            # Somebody writes it, or has finished it in this moment.
            continue
    return n_removed
