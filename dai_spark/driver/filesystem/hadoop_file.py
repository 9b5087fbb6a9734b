"""HadoopFile: a file in any of Hadoop's file systems, on classic Spark, by the JVM's classes."""

import contextlib
import uuid
from pathlib import Path
from typing import Any, Iterator, Tuple

from dai_spark.errors import ShippingError

__all__ = ["HadoopFile"]

# Stores where a file appears as a whole when it is closed, and where renaming is copying.
_WHOLE_WHEN_CLOSED = ("s3a", "s3", "s3n", "gs")


class HadoopFile:
    """A file that the session's Hadoop configuration leads to, whatever its file system.

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
        self._fs = self._jvm.org.apache.hadoop.fs
        self._path = self._fs.Path(uri)
        # With what `spark.conf` says of file systems, as Spark's own readers have it.
        self._configuration = spark._jsparkSession.sessionState().newHadoopConf()
        self._files = self._path.getFileSystem(self._configuration)

    def exists(self) -> bool:
        """Whether a file or a folder is there."""
        return bool(self._files.exists(self._path))

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
            return bytes(self._jvm.org.apache.commons.io.IOUtils.toByteArray(stream))
        finally:
            stream.close()

    def copy_to(self, path: Path) -> None:
        """Stream it to a file of this host, within the JVM."""
        to = self._fs.Path(path.as_uri())
        # Without the checksum file that Hadoop's own local file system puts beside each file.
        use_raw = True
        self._files.copyToLocalFile(False, self._path, to, use_raw)

    def write(self, content: bytes) -> None:
        """Put a file of this content in its place; a reader sees the old one or the new one."""
        if self._files.getScheme() in _WHOLE_WHEN_CLOSED:
            with self._created(self._path) as stream:
                stream.write(content)
            return
        self._files.mkdirs(self._path.getParent())
        name = f".{self._path.getName()}.{uuid.uuid4().hex[:8]}"
        aside = self._fs.Path(self._path.getParent(), name)
        try:
            with self._created(aside) as stream:
                stream.write(content)
            self._put_in_place(aside)
        except BaseException:
            with contextlib.suppress(Exception):
                self._files.delete(aside, False)
            raise

    @contextlib.contextmanager
    def _created(self, path: Any) -> Iterator[Any]:
        stream = self._files.create(path, True)
        try:
            yield stream
        finally:
            stream.close()

    def _put_in_place(self, aside: Any) -> None:
        """Rename over what is there: `FileSystem` refuses that, `FileContext` does it at once."""
        rename = self._fs.Options.Rename
        options = self._gateway.new_array(rename, 1)
        options[0] = rename.OVERWRITE
        try:
            context = self._fs.FileContext.getFileContext(self._files.getUri(), self._configuration)
        except Exception as error:
            if "UnsupportedFileSystem" not in str(error):
                raise
            # A store that Hadoop knows by the older interface alone: a moment without the file.
            self._files.delete(self._path, False)
            if not self._files.rename(aside, self._path):
                raise ShippingError(f"{self._uri} cannot be replaced.") from None
            return
        context.rename(aside, self._path, options)
