"""score_pandas: one call, one frame; what it needs is kept between calls."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Optional, Tuple, Union

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.license import read_license
from dai_spark.artifacts.manifest import MANIFEST_NAME
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.host.uri import is_uri, local_path
from dai_spark.local.kept_scorers import kept_scorer
from dai_spark.local.lease import Limits
from dai_spark.local.local_plan import no_uri
from dai_spark.local.scorer_handle import Scorer
from dai_spark.plan.chosen_files import ChosenFiles
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.request import ScoringRequest

if TYPE_CHECKING:
    import pandas as pd
    from typing_extensions import Unpack

    from dai_spark.plan.option_arguments import OptionArguments

__all__ = ["score_pandas"]

_Key = Tuple[Any, ...]
_LOG = logging.getLogger("dai_spark")

# How calls of before named the handles that are kept.
_by_files: Dict[_Key, Scorer] = {}


def score_pandas(
    frame: "pd.DataFrame",
    pipeline: Union[str, "os.PathLike[str]", ScoringPipeline],
    env: Union[str, "os.PathLike[str]", PackedEnvironment, None] = None,
    *,
    license: Optional[str] = None,
    license_file: Optional[str] = None,
    options: Optional[ScoringOptions] = None,
    **overrides: "Unpack[OptionArguments]",
) -> "pd.DataFrame":
    """Score a pandas DataFrame on this machine.

    Runs in the calling process, on one `Scorer` for each content of pipeline and environment, which
    stays open for further calls of this process and ends with it.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns are matched by name, further ones are ignored.
    pipeline, env, license, license_file, options, **overrides
        See `score_udf`.

    Returns
    -------
    pandas.DataFrame
        The pipeline's answer with its own column names, in the rows' order, with `frame`'s index.

    Raises
    ------
    ColumnError, OptionError, PipelineError, PackedEnvironmentError, LicenseError, SidecarError,
    ScoringError
    """
    chosen = ChosenFiles.of(pipeline, env, lambda name: None, _LOG.info, reads_uris=False)
    resolved = ScoringOptions.resolve(options, overrides)
    files = _stamps(chosen.pipeline, chosen.env)
    scorer = None
    if files is not None:
        carried = read_license(license, license_file, no_uri)
        files = (*files, carried, resolved.for_loading(), resolved.max_scorers)
        scorer = _by_files.get(files)
    if scorer is None:
        request = ScoringRequest.of(
            chosen.pipeline,
            chosen.env,
            license,
            license_file,
            resolved,
            {},
            no_uri,
            no_uri,
            chosen.origin,
            chosen.logged,
        )
        scorer = kept_scorer(request)
        if files is not None:
            _by_files[files] = scorer
    scored: pd.DataFrame = scorer.score_with(frame, resolved, Limits(None, None))
    return scored


def _stamps(
    pipeline: Union[str, "os.PathLike[str]", ScoringPipeline],
    env: Union[str, "os.PathLike[str]", PackedEnvironment],
) -> Optional[_Key]:
    """What tells that pipeline and environment are what they were; None where that is not known.

    A few looks at the file system, where the files themselves would be read.
    """
    try:
        if isinstance(pipeline, ScoringPipeline):
            # It does not look at its files again.
            of_pipeline: Any = ("read", pipeline.digest)
        else:
            path = _path(pipeline)
            of_pipeline = _stamps_below(path) if path.is_dir() else _stamp(path)
        if isinstance(env, PackedEnvironment):
            return (of_pipeline, "read", str(env.path), env.digest)
        path = _path(env)
        return (of_pipeline, _stamp(path / MANIFEST_NAME if path.is_dir() else path))
    except (OSError, RuntimeError, ValueError):
        # Whatever is wrong, the request says it better.
        return None


def _path(name: Union[str, "os.PathLike[str]"]) -> Path:
    if isinstance(name, str):
        if is_uri(name):
            raise OSError(name)
        return local_path(name).expanduser().absolute()
    return Path(name).expanduser().absolute()


def _stamp(path: Path) -> Tuple[str, int, int, int]:
    found = path.stat()
    return str(path), found.st_size, found.st_mtime_ns, found.st_ino


def _stamps_below(folder: Path) -> Tuple[Any, ...]:
    found: List[Any] = []
    for above, _, names in os.walk(folder):
        found += [_stamp(Path(above) / name) for name in sorted(names)]
    return (str(folder), *sorted(found))
