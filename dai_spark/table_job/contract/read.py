"""read_contract: the file behind ``--contract``."""

from typing import Any, Optional

from dai_spark.driver.filesystem.uris import read_bytes
from dai_spark.table_job.contract.terms import Contract
from dai_spark.table_job.settings.toml_config import read_toml

__all__ = ["read_contract"]


def read_contract(spark: Any, path: Optional[str]) -> Optional[Contract]:
    """Read and check a contract; None where the job has none.

    Runs on the driver, before anything is scored.

    Parameters
    ----------
    spark : SparkSession
    path : str or None
        A local path, or a URI.

    Raises
    ------
    OptionError
        It cannot be read, is not TOML, or demands what cannot be meant.
    """
    if path is None:
        return None
    return Contract.of(path, read_toml(path, lambda uri: read_bytes(spark, uri), "contract"))
