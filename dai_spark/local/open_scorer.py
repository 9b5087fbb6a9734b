"""open_scorer: a pipeline loaded on this machine, behind a handle that scores with it."""

import logging
import os
from typing import TYPE_CHECKING, Optional, Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.local.local_plan import no_uri, plan_here
from dai_spark.local.scorer_handle import Scorer
from dai_spark.plan.chosen_files import ChosenFiles
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.ranges import whole_number
from dai_spark.plan.request import ScoringRequest
from dai_spark.registry.checksum import checked_sha256

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from dai_spark.plan.option_arguments import OptionArguments

__all__ = ["open_scorer"]

_LOG = logging.getLogger("dai_spark")


def open_scorer(
    pipeline: Union[str, "os.PathLike[str]", ScoringPipeline],
    env: Union[str, "os.PathLike[str]", PackedEnvironment, None] = None,
    *,
    license: Optional[str] = None,
    license_file: Optional[str] = None,
    options: Optional[ScoringOptions] = None,
    max_waiting: Optional[int] = None,
    sha256: Optional[str] = None,
    **overrides: "Unpack[OptionArguments]",
) -> Scorer:
    """Load a pipeline on this machine and return a handle that scores with it.

    Runs in any process, without Spark.  The pipeline is loaded once, in a sidecar that ends with
    the handle or with this process; scorer processes are forked from it as calls need them and
    kept between calls.

    Parameters
    ----------
    pipeline, env, license, license_file, options
        See `score_udf`.  A pipeline may also lie in a folder alone, at a URI that pyarrow reads
        (``s3://``, ``gs://``, ``hdfs://``), or in an OCI registry (``oci://``).
    max_waiting : int, optional
        Most calls that may wait for a scorer; further ones are refused at once.  By default no
        limit.
    sha256 : str, optional
        Of the pipeline's zip, as `sha256sum` prints it: any other is refused before it is opened.
    **overrides
        Fields of `ScoringOptions` by keyword, laid over `options`.  A call may change them, but
        for those that a sidecar is started with.  ``max_scorers`` holds for all handles of the
        same content in this process: the smallest that any of them names, and where none does as
        many as CPUs that this process may use.

    Returns
    -------
    Scorer

    Raises
    ------
    OptionError, PipelineError, PackedEnvironmentError, LicenseError, SidecarError, ScoringError

    Examples
    --------
    >>> with open_scorer("scorer.zip", env="dai-1.10.tar.zst") as scorer:     # doctest: +SKIP
    ...     scorer.score(frame)
    """
    if max_waiting is not None:
        max_waiting = whole_number("max_waiting", max_waiting, 0, 1_000_000)
    if sha256 is not None:
        sha256 = checked_sha256(sha256, "sha256")
    files = ChosenFiles.of(
        pipeline, env, lambda name: None, _LOG.info, reads_uris=False, sha256=sha256
    )
    request = ScoringRequest.of(
        files.pipeline,
        files.env,
        license,
        license_file,
        options,
        overrides,
        no_uri,
        no_uri,
        files.origin,
        files.logged,
    )
    scorer = Scorer(plan_here(request), request.options.max_scorers, max_waiting)
    try:
        scorer.warm()
    except BaseException:
        scorer.close()
        raise
    return scorer
