"""Scores the export's own example rows once, and says what that took and what it loaded.

What `dai-spark env check` runs in the environment that it checks, from the folder of the sidecar's
source, with one JSON object on standard input::

    pipeline_folder   TEXT   the unpacked pipeline: pipeline.json, site/, tmp/
    license           TEXT   or null; becomes DRIVERLESS_AI_LICENSE_KEY in this process alone
    work_folder       TEXT   new; becomes the working directory

The last line of standard output is the answer::

    error     {"kind", "type", "message", "traceback"}, alone, where it cannot be scored
    n_rows    INT    rows of the example that were scored
    output    [[name, type]]
    load_s, score_s, memory_bytes
    modules   [TEXT]  files of all modules that are loaded by then
    openblas  TEXT    or null: what is wrong with the copies of OpenBLAS that are loaded by then
"""

import json
import os
import sys
import time
from typing import Any, Dict

import pandas as pd

from . import openblas
from .load import load_scorer
from .scorer import Refused, enter_folder

# As many as Driverless AI writes into an export's example.
_N_ROWS = 15


def main() -> None:
    """Read the request, score, and print the answer."""
    spec = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    os.umask(0o077)
    try:
        answer = _score(spec)
    except Refused as error:
        answer = {"error": error.data}
    # What a pipeline prints may end within a line.
    print("\n" + json.dumps(answer))
    sys.stdout.flush()
    # A pipeline's own threads and exit hooks are of no use to anybody any more.
    os._exit(0)


def _score(spec: Dict[str, Any]) -> Dict[str, Any]:
    enter_folder(spec["work_folder"], os.path.join(spec["pipeline_folder"], "tmp"))
    scorer = load_scorer(spec)
    rows = pd.concat([scorer.probe_frame(i) for i in range(_N_ROWS)], ignore_index=True)
    begun = time.monotonic()
    scored = scorer.score(rows, {})
    score_s = time.monotonic() - begun
    described = scorer.describe({}, "fork")
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    return {
        "n_rows": len(scored),
        "output": described["output"],
        "load_s": scorer.load_s,
        "score_s": score_s,
        "memory_bytes": described["memory_bytes"],
        "modules": sorted({path for path in files if path}),
        "openblas": openblas.mixed(),
    }
