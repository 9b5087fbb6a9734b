"""as_ours: what Spark and Hadoop raise over a file, as one sentence of ours."""

import re
from contextlib import contextmanager
from typing import Any, Iterator

from dai_spark.driver.session import is_connect, java_class
from dai_spark.errors import DaiSparkError, OptionError, ShippingError, first_line
from dai_spark.host.uri import without_password

__all__ = ["as_ours"]

# Which jar knows a scheme, and is not among Spark's own.
_JARS = {
    "s3a": "org.apache.hadoop:hadoop-aws",
    "abfs": "org.apache.hadoop:hadoop-azure",
    "abfss": "org.apache.hadoop:hadoop-azure",
    "wasb": "org.apache.hadoop:hadoop-azure",
    "wasbs": "org.apache.hadoop:hadoop-azure",
    "adl": "org.apache.hadoop:hadoop-azure-datalake",
    "oss": "org.apache.hadoop:hadoop-aliyun",
    "gs": "com.google.cloud.bigdataoss:gcs-connector",
}
_NO_SCHEME = ("No FileSystem for scheme", "ClassNotFoundException: Class ")
_MISSING = (
    "FileNotFoundException",
    "NoSuchFileException",
    "PATH_NOT_FOUND",
    "Path does not exist",
    "File does not exist",
)
_DENIED = (
    "AccessControlException",
    "AccessDenied",
    "AccessDeniedException",
    "Permission denied",
    "PermissionError",
    "Forbidden",
    "PERMISSION_DENIED",
)
_UNREACHABLE = (
    "ConnectException",
    "UnknownHostException",
    "SocketTimeoutException",
    "NoRouteToHost",
    "ConnectTimeout",
    "UnknownHost",
)


@contextmanager
def as_ours(uri: str, doing: str, spark: Any) -> Iterator[None]:
    """Turn whatever is raised within the block into one sentence.

    Parameters
    ----------
    uri : str
        What it is about.
    doing : str
        ``"read"``, ``"fetch"`` or ``"write"``.
    spark : SparkSession
        A classic session knows which version of Hadoop a missing jar must have.

    Raises
    ------
    OptionError
        No file system of this Spark knows the URI's scheme.
    ShippingError
        All else.
    """
    uri = without_password(uri)
    try:
        yield
    except DaiSparkError:
        raise
    except FileNotFoundError:
        raise ShippingError(f"There is no file {uri}.") from None
    except OSError as error:
        raise ShippingError(
            f"{uri} cannot be {_past(doing)}: {error.strerror or error}."
        ) from error
    except Exception as error:
        raise _sentence(uri, doing, without_password(_text(error)), spark) from error


def _text(error: Exception) -> str:
    # py4j's own text begins with the call that failed; Java's class and message stand behind it.
    java = getattr(error, "java_exception", None)
    return str(java.toString()) if java is not None else str(error)


def _sentence(uri: str, doing: str, text: str, spark: Any) -> DaiSparkError:
    scheme = uri.partition(":")[0].lower()
    first = first_line(text)
    if any(words in text for words in _NO_SCHEME):
        return OptionError(_no_scheme(uri, scheme, spark), text)
    if any(words in text for words in _MISSING):
        return ShippingError(f"There is no file {uri}.", text)
    if any(words in text for words in _DENIED):
        return ShippingError(
            f"Spark may not {doing} {uri}: access is denied to the user or the credentials that "
            "this session has.",
            text,
        )
    if any(words in text for words in _UNREACHABLE):
        return ShippingError(
            f"The server of {uri} cannot be reached ({_last_clause(first)}); is its address right, "
            "and may this machine connect to it?",
            text,
        )
    return ShippingError(f"{uri} cannot be {_past(doing)}: {first}", text)


def _no_scheme(uri: str, scheme: str, spark: Any) -> str:
    if scheme == "s3":
        return f"Spark has no file system for s3: ({uri}); write s3a://, with the jar hadoop-aws."
    if scheme == "dbfs":
        return f"Spark has no file system for dbfs: ({uri}), which there is on Databricks alone."
    jar = _JARS.get(scheme)
    if jar is None:
        return f"Spark has no file system for {scheme}: ({uri}); is its jar missing, or a letter?"
    if jar.startswith("org.apache.hadoop:") and not is_connect(spark):
        info = java_class(spark.sparkContext._jvm, "org.apache.hadoop.util.VersionInfo")
        jar = f"{jar}:{info.getVersion()}"
    return (
        f"Spark has no file system for {scheme}: ({uri}), since its jar is missing; start Spark "
        f"with --packages {jar}."
    )


def _past(doing: str) -> str:
    return {"read": "read", "fetch": "fetched", "write": "written"}[doing]


def _last_clause(text: str) -> str:
    """What went wrong, without the addresses and the manual's URL that Hadoop puts around it."""
    return re.sub(r";?\s*For more details see:.*", "", text).rpartition("Exception: ")[2].strip()
