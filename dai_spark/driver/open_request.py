"""open_request: what a caller of a face on Spark gave, as a checked request."""

import os
from functools import partial
from typing import Any, Callable, Mapping, Optional, Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.driver.filesystem.uris import fetch, read_bytes
from dai_spark.driver.session import setting
from dai_spark.plan.chosen_files import ChosenFiles
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.request import ScoringRequest

__all__ = ["open_request"]


def open_request(
    spark: Any,
    pipeline: Union[str, "os.PathLike[str]", ScoringPipeline],
    env: Union[str, "os.PathLike[str]", PackedEnvironment, None],
    *,
    license: Optional[str],
    license_file: Optional[str],
    options: Optional[ScoringOptions],
    overrides: Mapping[str, Any],
    on_message: Callable[[str], None],
) -> ScoringRequest:
    """Check what the caller of a face gave; files by URI are read through the session.

    Runs on the driver, once for each call of a face, and starts nothing.

    Parameters
    ----------
    spark : SparkSession
        Whose settings name the environment where `env` is left out.
    pipeline, env, license, license_file, options
        See `score_udf`.
    overrides : mapping of str to object
        Fields of `ScoringOptions`, laid over `options`.
    on_message : callable
        Is told what is fetched, which model and environment were found, and what of the export is
        damaged.

    Returns
    -------
    ScoringRequest

    Raises
    ------
    OptionError, PipelineError, ModelRegistryError, PackedEnvironmentError, LicenseError,
    ShippingError
    """
    files = ChosenFiles.of(pipeline, env, partial(setting, spark), on_message, reads_uris=True)
    request = ScoringRequest.of(
        files.pipeline,
        files.env,
        license,
        license_file,
        options,
        overrides,
        read_uri=partial(read_bytes, spark),
        fetch=partial(fetch, spark, on_message=on_message),
        origin=files.origin,
        logged=files.logged,
    )
    for note in request.pipeline.notes:
        on_message(f"warning: {note}")
    return request
