"""Files to the executors: whole, once a session, found there through SparkFiles.

Spark unpacks any file that ends in .tar, .tgz or .tar.gz into the executor's working directory,
which is on `sys.path`, and unpacks an archive once for each executor.  So a file travels under its
digest, with an ending that Spark leaves alone, and is unpacked by `dai_spark.unpack.folders`.
"""

import os
import shutil
from pathlib import Path
from typing import Any, Callable, Set, Tuple

from dai_spark.driver.session import identity, is_connect, is_local
from dai_spark.driver.spark_errors.telling import told
from dai_spark.errors import ShippingError
from dai_spark.host.atomic_file import replacing
from dai_spark.host.cache_folder import cache_folder, private_folder
from dai_spark.host.package_zip import package_zip
from dai_spark.plan.plan import ShippedFile

__all__ = ["ship_file", "ship_package"]

# What each session has been given.  Spark itself would take the file again (classic) or refuse it
# (Connect: ARTIFACT_ALREADY_EXISTS where the bytes differ).
_shipped: Set[Tuple[str, str]] = set()


def ship_file(
    spark: Any, path: Path, digest: str, ending: str, what: str, on_message: Callable[[str], None]
) -> ShippedFile:
    """Bring one file to all executors, present and future, of a session.

    Runs on the driver.  In local mode nothing travels: the executor is this process's JVM.

    Parameters
    ----------
    spark : SparkSession
        Classic or Connect; it may have been started long ago.
    path : Path
        A file of this host.
    digest : str
        SHA-256 of its bytes; executors check it.
    ending : str
        Ending of the name that it travels under; none that Spark unpacks.
    what : str
        What the user calls it, for progress and errors.
    on_message : callable
        Is told what is being done.
    """
    if is_local(spark):
        return ShippedFile("path", str(path), digest, what)
    name = f"{digest[:32]}.{ending}"
    if (identity(spark), name) not in _shipped:
        size_mb = path.stat().st_size / 1e6
        on_message(f"shipping {what} ({size_mb:,.1f} MB) to the executors")
        _add(spark, _named(path, name), is_package=False, what=what)
        _shipped.add((identity(spark), name))
    return ShippedFile("spark", name, digest, what)


def ship_package(spark: Any) -> None:
    """Bring dai_spark itself to the executors, as a py-file; it need not be installed there."""
    path = package_zip()
    if (identity(spark), path.name) not in _shipped:
        _add(spark, path, is_package=True, what="the package dai_spark")
        _shipped.add((identity(spark), path.name))


def _named(path: Path, name: str) -> Path:
    """The file under the name that it is to travel by.

    A hard link, or a copy where there can be none: Spark follows a symbolic link and ships the file
    under the name that it leads to.  It stays, since executors that start later fetch it as well.
    """
    named = private_folder(cache_folder() / "ship") / name
    with replacing(named) as beside:
        try:
            os.link(path.resolve(), beside)
        except OSError:
            shutil.copyfile(path, beside)
    return named


def _add(spark: Any, path: Path, *, is_package: bool, what: str) -> None:
    try:
        if is_connect(spark):
            spark.addArtifacts(str(path), pyfile=is_package, file=not is_package)
        elif is_package:
            spark.sparkContext.addPyFile(str(path))
        else:
            spark.sparkContext.addFile(str(path))
    except Exception as error:
        raise told(error, f"Spark did not take {what} ({path})", ShippingError) from error
