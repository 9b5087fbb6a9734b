"""Handles that stay open until this process ends, one for each content."""

from typing import Dict, Optional, Tuple

from dai_spark.local.local_plan import plan_here
from dai_spark.local.scorer_handle import Scorer
from dai_spark.plan.request import ScoringRequest

__all__ = ["kept_scorer"]

_by_content: Dict[Tuple[str, Optional[int]], Scorer] = {}


def kept_scorer(request: ScoringRequest) -> Scorer:
    """The handle of this process for a request's content, made if need be; it starts nothing.

    Its options are those of the request that made it, so a call brings its own.
    """
    made = Scorer(plan_here(request), request.options.max_scorers, None)
    kept = _by_content.setdefault((made.key, request.options.max_scorers), made)
    if kept is not made:
        made.close()
    return kept
