"""HadoopFile: a file in any of Hadoop's file systems, on classic Spark, by the JVM's classes."""

import contextlib
import copy
import uuid
from pathlib import Path
from typing import Any, Iterator, List, Tuple

from dai_spark.driver.session import java_class
from dai_spark.errors import ShippingError

__all__ = ["HadoopFile"]

# Stores where a file appears as a whole when it is closed, and where renaming is copying.
_WHOLE_WHEN_CLOSED = ("s3a", "s3", "s3n", "gs")


class HadoopFile:
    """A file or folder that the session's Hadoop configuration leads to, whatever its file system.

    Runs on the driver.  Raises whatever py4j raises: see `dai_spark.driver.filesystem.file_errors`.

    Parameters
    ----------
    spark : SparkSession
        Classic.
    uri : str
    """

    def __init__(self, spark: Any, uri: str) -> None:
        self._uri = uri
        self._gateway = spark.sparkContext._gateway
        self._jvm = spark.sparkContext._jvm
        self._path = self._class("Path")(uri)
        # With what `spark.conf` says of file systems, as Spark's own readers have it.
        self._configuration = spark._jsparkSession.sessionState().newHadoopConf()
        self._files = self._path.getFileSystem(self._configuration)

    def near(self, uri: str) -> "HadoopFile":
        """Another file or folder of the same file system, by the same settings.

        Parameters
        ----------
        uri : str
            Of the same scheme and host.
        """
        other = copy.copy(self)
        other._uri, other._path = uri, self._class("Path")(uri)
        return other

    @property
    def uri(self) -> str:
        """Its whole URI, with the scheme that the session's settings complete a path by."""
        return str(self._files.makeQualified(self._path).toString())

    @property
    def path(self) -> str:
        """Its path within its file system, with nothing escaped."""
        return str(self._files.makeQualified(self._path).toUri().getPath())

    @property
    def parent(self) -> str:
        """The path of the folder above."""
        return str(self._path.getParent().toString())

    @property
    def name(self) -> str:
        """The last part of its path."""
        return str(self._path.getName())

    def exists(self) -> bool:
        """Whether a file or a folder is there."""
        return bool(self._files.exists(self._path))

    def entries(self) -> List[Tuple[str, bool]]:
        """Return what is in the folder, hidden ones too: URIs, and whether each is a folder."""
        found = self._files.listStatus(self._path)
        return [(str(one.getPath().toString()), bool(one.isDirectory())) for one in found]

    def make_folder(self) -> None:
        """Make it as a folder, with those above, unless it is there."""
        self._files.mkdirs(self._path)

    def delete(self) -> None:
        """Delete it with all that is in it; nothing happens where it is not there."""
        self._files.delete(self._path, True)

    def rename_to(self, other: "HadoopFile") -> bool:
        """Rename a file or a folder; whether the file system did.

        Parameters
        ----------
        other : HadoopFile
            Must not exist.
        """
        return bool(self._files.rename(self._path, other._path))

    def free_bytes(self) -> int:
        """Return the room that its file system has left."""
        return int(self._files.getStatus(self._path).getRemaining())

    def check_writable(self) -> None:
        """Raise where the file system says that this user may not write to it."""
        self._files.access(self._path, self._class("permission.FsAction").WRITE)

    def look(self) -> Tuple[int, int]:
        """Return its length in bytes and its time of change in milliseconds since 1970."""
        status = self._files.getFileStatus(self._path)
        if status.isDirectory():
            raise ShippingError(f"{self._uri} is a folder, where a file is expected.")
        return int(status.getLen()), int(status.getModificationTime())

    def read(self) -> bytes:
        """Return its content; through memory twice, so for small files."""
        stream = self._files.open(self._path)
        try:
            tools = java_class(self._jvm, "org.apache.commons.io.IOUtils")
            return bytes(tools.toByteArray(stream))
        finally:
            stream.close()

    def copy_to(self, path: Path) -> None:
        """Stream it to a file of this host, within the JVM."""
        to = self._class("Path")(path.as_uri())
        # Without the checksum file that Hadoop's own local file system puts beside each file.
        use_raw = True
        self._files.copyToLocalFile(False, self._path, to, use_raw)

    def create(self, content: bytes) -> bool:
        """Make a file of this content, unless one is there; whether this call made it.

        One of two callers at a moment wins on HDFS; on object stores, which have no such promise,
        the later one does.

        Parameters
        ----------
        content : bytes
        """
        try:
            stream = self._files.create(self._path, False)
        except Exception as error:
            if "FileAlreadyExists" in str(error) or "already exists" in str(error):
                return False
            raise
        try:
            stream.write(bytearray(content))
        finally:
            stream.close()
        return True

    def write(self, content: bytes) -> None:
        """Put a file of this content in its place; a reader sees the old one or the new one."""
        if self._files.getScheme() in _WHOLE_WHEN_CLOSED:
            with self._created(self._path) as stream:
                stream.write(content)
            return
        self._files.mkdirs(self._path.getParent())
        name = f".{self._path.getName()}.{uuid.uuid4().hex[:8]}"
        aside = self._class("Path")(self._path.getParent(), name)
        try:
            with self._created(aside) as stream:
                stream.write(content)
            self._put_in_place(aside)
        except BaseException:
            with contextlib.suppress(Exception):
                self._files.delete(aside, False)
            raise

    def _class(self, name: str) -> Any:
        return java_class(self._jvm, f"org.apache.hadoop.fs.{name}")

    @contextlib.contextmanager
    def _created(self, path: Any) -> Iterator[Any]:
        stream = self._files.create(path, True)
        try:
            yield stream
        finally:
            stream.close()

    def _put_in_place(self, aside: Any) -> None:
        """Rename over what is there: `FileSystem` refuses that, `FileContext` does it at once."""
        rename = self._class("Options").Rename
        options = self._gateway.new_array(rename, 1)
        options[0] = rename.OVERWRITE
        try:
            contexts = self._class("FileContext")
            context = contexts.getFileContext(self._files.getUri(), self._configuration)
        except Exception as error:
            if "UnsupportedFileSystem" not in str(error):
                raise
            # A store that Hadoop knows by the older interface alone: a moment without the file.
            self._files.delete(self._path, False)
            if not self._files.rename(aside, self._path):
                raise ShippingError(f"{self._uri} cannot be replaced.") from None
            return
        context.rename(aside, self._path, options)
