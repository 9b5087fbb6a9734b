"""Constructs the pipeline's scorer, with what its old packages miss repaired before."""

import json
import os
import sys
from typing import Any, Dict

from ..log import say
from ..texts.error_text import TRACEBACK_BYTES, keep_out, sendable
from .diagnosis import library_search
from .openblas import mixed
from .scorer import LoadedScorer, Refused
from .shims import apply_shims
from .surroundings import Surroundings


def load_scorer(spec: Dict[str, Any]) -> LoadedScorer:
    """Construct the pipeline's scorer in this process, as `spec` says."""
    with open(os.path.join(spec["pipeline_folder"], "pipeline.json"), "rb") as stream:
        about = json.loads(stream.read().decode("utf-8"))
    sys.path.insert(0, os.path.join(spec["pipeline_folder"], "site"))
    if spec["license"]:
        keep_out(spec["license"])
        # Set here and not by the client: an initial environment can be read in /proc.
        os.environ["DRIVERLESS_AI_LICENSE_KEY"] = spec["license"]
    surroundings = Surroundings()
    try:
        for applied in apply_shims():
            say(applied)
        scorer = LoadedScorer(about["package"], about["columns"])
        told = mixed()
        if told is not None:
            say(told)
        return scorer
    except Refused as error:
        if spec.get("diagnose") and error.data["kind"] == "load":
            told = error.data["traceback"] + "\n" + library_search(error.data["traceback"])
            # Lists of many paths: as much again as a traceback has.
            error.data["traceback"] = sendable(told, 2 * TRACEBACK_BYTES)
        raise
    finally:
        surroundings.restore()
