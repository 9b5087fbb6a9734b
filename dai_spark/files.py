"""Files by URI, read and written through the file systems of the Spark session.

What `score_udf` and the table job read pipelines, environments and licences with, for files of your
own.  Runs on the driver.
"""

from dai_spark.driver.filesystem.uris import fetch, read_bytes, write_text

__all__ = ["fetch", "read_bytes", "write_text"]
