"""Folder: files and folders of the file system that a table lies on, by Spark's own Hadoop classes.

What Spark's writers cannot do (make a file exclusively, rename a folder) is done here, with the
session's own settings, so whatever the session can write to, this can too.
"""

import json
import os
import uuid
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from dai_spark.driver.filesystem.hadoop_file import HadoopFile
from dai_spark.driver.session import is_connect
from dai_spark.errors import TableJobError
from dai_spark.table_job.table_name import first_line

__all__ = ["Folder"]


class Folder:
    """A folder on any file system that the session's Hadoop settings reach.

    Lives on the driver of a classic session.

    Parameters
    ----------
    spark : SparkSession
        Classic: Spark Connect has no gateway to the JVM.
    path : str
        A path of the default file system, or a URI.
    """

    def __init__(self, spark: Any, path: str) -> None:
        self._spark = spark
        self._jvm = spark.sparkContext._jvm
        self._configuration = spark._jsparkSession.sessionState().newHadoopConf()
        self._path = self._jvm.org.apache.hadoop.fs.Path(path)
        try:
            self._system = self._path.getFileSystem(self._configuration)
        except Exception as error:  # noqa: BLE001 - whatever the JVM raises comes as one class
            raise TableJobError(
                f"Spark reaches no file system for {path} ({_cause(error)}); add the jars of its "
                "scheme, or give another path."
            ) from None
        self.path = str(self._system.makeQualified(self._path).toString())

    @classmethod
    def of(cls, spark: Any, path: str) -> "Optional[Folder]":
        """The folder; None over Spark Connect, whose client reaches no file system but its own."""
        return None if is_connect(spark) else cls(spark, path)

    def __truediv__(self, name: str) -> "Folder":
        return Folder(self._spark, f"{self.path.rstrip('/')}/{name}")

    @property
    def parent(self) -> "Folder":
        """The folder above."""
        return Folder(self._spark, str(self._path.getParent().toString()))

    @property
    def name(self) -> str:
        """The last part of the path."""
        return str(self._path.getName())

    def exists(self) -> bool:
        """Whether a file or folder is there."""
        return bool(self._system.exists(self._path))

    def make(self) -> "Folder":
        """Create it, with those above, unless it is there."""
        self._tried("made", lambda: self._system.mkdirs(self._path))
        return self

    def names(self) -> List[str]:
        """Names of what is in it, hidden ones too; empty where it is not there."""
        if not self.exists():
            return []
        return sorted(str(s.getPath().getName()) for s in self._system.listStatus(self._path))

    def files(self) -> List[str]:
        """Paths of all files below it, relative to it, hidden ones left out (as Spark does)."""
        found = []
        prefix = len(self.path.rstrip("/")) + 1
        for status in self._system.listStatus(self._path):
            path = str(status.getPath().toString())
            if status.getPath().getName().startswith(("_", ".")):
                continue
            if status.isDirectory():
                below = Folder(self._spark, path)
                found += [f"{path[prefix:]}/{name}" for name in below.files()]
            else:
                found.append(path[prefix:])
        return found

    def remove(self) -> None:
        """Remove it with all that is in it; nothing happens where it is not there."""
        self._tried("removed", lambda: self._system.delete(self._path, True))

    def rename_to(self, other: "Folder") -> None:
        """Rename it, a file or a folder; `other` must not exist.

        Raises
        ------
        TableJobError
            The file system did not: Hadoop's own answer is nothing but "false".
        """
        done = self._tried("renamed", lambda: self._system.rename(self._path, other._path))
        if not done:
            raise TableJobError(
                f"{self.path} could not be renamed to {other.path}; look whether the target may be "
                "written by this user, and run the job again: it goes on where it stopped."
            )

    def create(self, text: str) -> bool:
        """Make it as a file with that text, unless it is there; whether this call made it.

        One of two callers at a moment wins on local disks and on HDFS; on object stores, which
        have no such promise, the later one does.
        """
        here = self._here()
        if here is not None:
            # Hadoop looks and then makes, between which another process may do so.
            return self._create_here(here, text)
        try:
            stream = self._system.create(self._path, False)
        except Exception as error:  # noqa: BLE001
            if "FileAlreadyExists" in str(error) or "already exists" in str(error):
                return False
            raise self._not("made", error) from None
        try:
            stream.write(bytearray(text.encode("utf-8")))
        finally:
            stream.close()
        return True

    def _create_here(self, path: Path, text: str) -> bool:
        try:
            number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except FileExistsError:
            return False
        except OSError as error:
            raise self._not("made", error) from None
        with os.fdopen(number, "w", encoding="utf-8") as stream:
            stream.write(text)
        return True

    def write(self, text: str) -> None:
        """Write it as a file, in place of one that is there: a reader sees the old one or this."""
        here = self._here()
        if here is None:
            file = HadoopFile(self._spark, self.path)
            self._tried("written", lambda: file.write(text.encode("utf-8")))
        else:
            self._write_here(here, text)

    def _here(self) -> Optional[Path]:
        """Its path where it lies on this machine's own disk, as the gateway's JVM does.

        Hadoop keeps a checksum beside a local file and renames the two one after the other, so who
        reads at that moment finds that they do not fit.
        """
        if not self.path.startswith("file:"):
            return None
        return Path(str(self._path.toUri().getPath()))

    def _write_here(self, path: Path, text: str) -> None:
        aside = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_text(text, encoding="utf-8")
            aside.replace(path)
        except OSError as error:
            raise self._not("written", error) from None

    def read(self) -> Optional[str]:
        """Its text as a file; None where it is not there."""
        here = self._here()
        if here is not None:
            try:
                return here.read_text(encoding="utf-8")
            except FileNotFoundError:
                return None
            except OSError as error:
                raise self._not("read", error) from None
        try:
            stream = self._system.open(self._path)
        except Exception as error:  # noqa: BLE001
            if "FileNotFound" in str(error):
                return None
            raise self._not("read", error) from None
        try:
            charset = self._jvm.java.nio.charset.StandardCharsets.UTF_8
            return str(self._jvm.org.apache.commons.io.IOUtils.toString(stream, charset))
        except Exception as error:  # noqa: BLE001
            raise self._not("read", error) from None
        finally:
            stream.close()

    def read_json(self) -> Optional[Dict[str, Any]]:
        """Its object as a JSON file; None where it is not there, or not whole."""
        text = self.read()
        try:
            found = json.loads(text) if text else None
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def stamp(self) -> Optional[Tuple[int, int]]:
        """Length in bytes and time of change in milliseconds; None where it is not there."""
        try:
            status = self._system.getFileStatus(self._path)
        except Exception as error:  # noqa: BLE001
            if "FileNotFound" in str(error):
                return None
            raise self._not("read", error) from None
        return int(status.getLen()), int(status.getModificationTime())

    def room(self) -> str:
        """Free bytes of its file system, in words; says where this user may not write.

        Raises
        ------
        TableJobError
            This user may not write here.
        """
        there = self
        while not there.exists():
            there = there.parent
        action = self._jvm.org.apache.hadoop.fs.permission.FsAction.WRITE
        self._tried("written to", lambda: there._system.access(there._path, action))
        free_gb = there._system.getStatus(there._path).getRemaining() / 1e9
        return f"{free_gb:,.0f} GB free where rows are staged ({self.path})"

    def _tried(self, what: str, action: Any) -> Any:
        try:
            return action()
        except Exception as error:  # noqa: BLE001
            raise self._not(what, error) from None

    def _not(self, what: str, error: BaseException) -> TableJobError:
        return TableJobError(
            f"{self.path} could not be {what} ({_cause(error)}); look whether this user may write "
            "there, and whether the disk has room."
        )


def _cause(error: BaseException) -> str:
    """What the JVM's exception says, without py4j's own first line."""
    java = getattr(error, "java_exception", None)
    return str(java.toString()).partition("\n")[0] if java is not None else first_line(error)
