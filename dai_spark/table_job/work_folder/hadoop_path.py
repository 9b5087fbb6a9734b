"""HadoopPath: files and folders of the file system that a table lies on.

What Spark's writers cannot do (make a file exclusively, rename a folder) is done here, with the
session's own settings, so whatever the session can write to, this can too.
"""

import copy
import json
import os
import uuid
from pathlib import Path
from typing import Any, Callable, Dict, List, Optional, TypeVar

from dai_spark.driver.filesystem.hadoop_file import HadoopFile
from dai_spark.driver.session import is_connect
from dai_spark.driver.spark_errors.telling import in_full, said_by
from dai_spark.errors import TableJobError

__all__ = ["HadoopPath", "is_hidden"]

_T = TypeVar("_T")


def is_hidden(name: str) -> bool:
    """Whether Spark's readers of files pass by a file or folder of this name.

    Their rule (``HadoopFSUtils.shouldFilterOutPathName``): a partition's folder is seen, also where
    its column begins with an underscore.

    Parameters
    ----------
    name : str
    """
    return (
        name.startswith(".")
        or (name.startswith("_") and "=" not in name)
        or name.endswith("._COPYING_")
    )


class HadoopPath:
    """A path on any file system that the session's Hadoop settings reach, as `pathlib` has it.

    Lives on the driver of a classic session.  It adds to `HadoopFile` what the table job wants: the
    job's errors, and on this machine's own disk the guarantees that Hadoop's local file system
    lacks.

    Parameters
    ----------
    spark : SparkSession
        Classic: Spark Connect has no gateway to the JVM.
    path : str
        A path of the default file system, or a URI.

    Raises
    ------
    TableJobError
        Spark reaches no file system for the path.
    """

    def __init__(self, spark: Any, path: str) -> None:
        self._spark = spark
        try:
            self._file = HadoopFile(spark, path)
        except Exception as error:  # noqa: BLE001 - whatever the JVM raises comes as one class
            raise TableJobError(
                f"Spark reaches no file system for {path} ({said_by(error)}); add the jars of its "
                "scheme, or give another path."
            ) from None
        self.path = self._file.uri

    @classmethod
    def of(cls, spark: Any, path: str) -> "Optional[HadoopPath]":
        """The path; None over Spark Connect, whose client reaches no file system but its own.

        Parameters
        ----------
        spark : SparkSession
        path : str
        """
        return None if is_connect(spark) else cls(spark, path)

    def __truediv__(self, name: str) -> "HadoopPath":
        return self._near(f"{self.path.rstrip('/')}/{name}")

    @property
    def parent(self) -> "HadoopPath":
        """The folder above."""
        return self._near(self._file.parent)

    def _near(self, path: str) -> "HadoopPath":
        # A file system is not asked for anew: Hadoop copies all its settings for that.
        other = copy.copy(self)
        other._file = self._file.near(path)
        other.path = other._file.uri
        return other

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self._file.name

    def exists(self) -> bool:
        """Whether a file or folder is there."""
        return self._file.exists()

    def make(self) -> "HadoopPath":
        """Make it as a folder, with those above, unless it is there.

        Raises
        ------
        TableJobError
        """
        self._tried("made", self._file.make_folder)
        return self

    def names(self) -> List[str]:
        """Names of what is in it, hidden ones too; empty where it is not there."""
        if not self.exists():
            return []
        return sorted(path.rstrip("/").rpartition("/")[2] for path, _ in self._file.entries())

    def folders(self) -> List[str]:
        """Names of the folders in it that Spark's readers see; empty where it is not there."""
        if not self.exists():
            return []
        found = [
            path.rstrip("/").rpartition("/")[2] for path, is_one in self._file.entries() if is_one
        ]
        return sorted(name for name in found if not is_hidden(name))

    def files(self) -> List[str]:
        """Paths of all files below it, relative to it; hidden ones are left out, as Spark does."""
        found = []
        prefix = len(self.path.rstrip("/")) + 1
        for path, is_folder in self._file.entries():
            name = path[prefix:]
            if is_hidden(name):
                continue
            if is_folder:
                found += [f"{name}/{below}" for below in HadoopPath(self._spark, path).files()]
            else:
                found.append(name)
        return found

    def remove(self) -> None:
        """Remove it with all that is in it; nothing happens where it is not there.

        Raises
        ------
        TableJobError
        """
        self._tried("removed", self._file.delete)

    def rename_to(self, other: "HadoopPath") -> None:
        """Rename it, a file or a folder.

        Parameters
        ----------
        other : HadoopPath
            Must not exist.

        Raises
        ------
        TableJobError
            The file system did not: Hadoop's own answer is nothing but "false".
        """
        if not self._tried("renamed", lambda: self._file.rename_to(other._file)):
            raise TableJobError(
                f"{self.path} could not be renamed to {other.path}; look whether the target may be "
                "written by this user, and run the job again: it goes on where it stopped."
            )

    def create(self, text: str) -> bool:
        """Make it as a file, unless it is there; whether this call made it.

        One of two callers at a moment wins on local disks and on HDFS; on object stores, which
        have no such promise, the later one does.

        Parameters
        ----------
        text : str
            Its content.

        Raises
        ------
        TableJobError
        """
        local = self._local()
        if local is None:
            return self._tried("made", lambda: self._file.create(text.encode("utf-8")))
        # Hadoop looks and then makes, between which another process may do so.
        try:
            number = os.open(local, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        except OSError as error:
            raise self._not("made", error) from None
        with os.fdopen(number, "w", encoding="utf-8") as stream:
            stream.write(text)
        return True

    def write(self, text: str) -> None:
        """Write it as a file, in place of one that is there: a reader sees the old one or this.

        Parameters
        ----------
        text : str
            Its content.

        Raises
        ------
        TableJobError
        """
        local = self._local()
        if local is None:
            self._tried("written", lambda: self._file.write(text.encode("utf-8")))
            return
        aside = local.with_name(f".{local.name}.{uuid.uuid4().hex}")
        try:
            local.parent.mkdir(parents=True, exist_ok=True)
            aside.write_text(text, encoding="utf-8")
            aside.replace(local)
        except OSError as error:
            raise self._not("written", error) from None

    def read(self) -> Optional[str]:
        """Its text as a file; None where it is not there.

        Raises
        ------
        TableJobError
        """
        local = self._local()
        try:
            content = self._file.read() if local is None else local.read_bytes()
        except FileNotFoundError:
            return None
        except Exception as error:  # noqa: BLE001 - py4j has one class for all
            if local is None and "FileNotFound" in str(error):
                return None
            raise self._not("read", error) from None
        return content.decode("utf-8", errors="replace")

    def read_json(self) -> Optional[Dict[str, Any]]:
        """Its object as a JSON file; None where it is not there, or not whole.

        Raises
        ------
        TableJobError
        """
        text = self.read()
        try:
            found = json.loads(text) if text else None
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def room(self) -> str:
        """Free bytes of its file system, in words.

        Raises
        ------
        TableJobError
            This user may not write here.
        """
        there = self
        while not there.exists():
            there = there.parent
        self._tried("written to", there._file.check_writable)
        free_gb = there._file.free_bytes() / 1e9
        return f"{free_gb:,.0f} GB free where rows are staged ({self.path})"

    def _local(self) -> Optional[Path]:
        """Its path where it lies on this machine's own disk, as the gateway's JVM does.

        Hadoop keeps a checksum beside a local file and renames the two one after the other, so a
        process that reads at that moment finds that they do not fit.
        """
        return Path(self._file.path) if self.path.startswith("file:") else None

    def _tried(self, what: str, action: Callable[[], _T]) -> _T:
        try:
            return action()
        except Exception as error:  # noqa: BLE001 - py4j has one class for all
            raise self._not(what, error) from None

    def _not(self, what: str, error: BaseException) -> TableJobError:
        return TableJobError(f"{self.path} could not be {what}: {said_by(error)}.", in_full(error))
