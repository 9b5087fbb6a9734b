"""score_pandas: the same scoring through the same sidecar, with no Spark and no JVM."""

import atexit
import logging
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, Optional, Set, Union

import pyarrow as pa

from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.client.executor import ExecutorContext, current_executor
from dai_spark.client.score import score_batches
from dai_spark.local.plan import local_plan, no_uri
from dai_spark.plan.default_environment import chosen_environment
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.request import ScoringRequest
from dai_spark.schema.columns import check_columns, check_groups

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["score_pandas"]

_LOG = logging.getLogger("dai_spark")

_to_remove: Set[Path] = set()


def score_pandas(
    frame: "pd.DataFrame",
    pipeline: Union[str, "os.PathLike[str]", ScoringPipeline],
    env: Union[str, "os.PathLike[str]", PackedEnvironment, None] = None,
    *,
    license: Optional[str] = None,
    license_file: Optional[str] = None,
    options: Optional[ScoringOptions] = None,
    **words: Any,
) -> "pd.DataFrame":
    """Score a pandas DataFrame on this machine.

    Runs in the calling process; the scorer runs in a sidecar that stays warm for further calls of
    this process, and ends with it.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns are matched by name, further ones are ignored.
    pipeline, env, license, license_file, options, **words
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
    import numpy as np
    import pandas as pd

    chosen = chosen_environment(env, lambda name: None, _LOG.info)
    request = ScoringRequest.of(
        pipeline, chosen, license, license_file, options, words, no_uri, no_uri
    )
    executor = _executor()
    plan = local_plan(request, executor)
    by, order = list(plan.options.group_by), list(plan.options.order_by)
    check_groups(plan.options, list(frame.columns), "The frame")
    places = pd.Series(range(len(frame)))
    if by:
        # Stable, as far as the columns leave it open.
        sorted_frame = frame[[*by, *order]].set_axis(places.index, axis=0)
        sorted_frame = sorted_frame.sort_values([*by, *order], kind="stable", na_position="first")
        places = pd.Series(sorted_frame.index)
    wanted = [name for name in plan.wanted() if name in frame.columns]
    rows = frame[list(dict.fromkeys([*wanted, *by]))].iloc[places]
    table = pa.Table.from_pandas(rows, preserve_index=False).combine_chunks()
    types = dict(zip(table.schema.names, table.schema.types))
    check_columns(types, plan.wanted(), "The frame", plan.options.on_cast)
    answers = []
    # A table of no rows has no batches, and its answer is one batch of none.
    batches = table.to_batches() or [pa.RecordBatch.from_pylist([], schema=table.schema)]
    for scored in score_batches(plan, batches, executor):
        if scored.error is not None:
            raise scored.error
        assert scored.answer is not None
        answers.append(scored.answer.to_pandas())
    answer: pd.DataFrame = pd.concat(answers, ignore_index=True)
    return answer.iloc[np.argsort(places.to_numpy())].set_axis(frame.index, axis=0)


def _executor() -> ExecutorContext:
    executor = current_executor()
    if executor.folder not in _to_remove:
        # What a sidecar that ended before us leaves: locks and logs.
        _to_remove.add(executor.folder)
        atexit.register(shutil.rmtree, executor.folder, ignore_errors=True)
    return executor
