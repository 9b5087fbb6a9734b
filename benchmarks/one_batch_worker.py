"""Times what a scorer does with one batch, by the sidecar's own functions.

Runs in the pipeline's Python (3.6 and later)::

    python one_batch_worker.py SIDECAR_FOLDER WHEEL PACKAGE BATCH REPEAT

and says the seconds of each step as JSON, in the last line.
"""

import importlib
import json
import statistics
import sys
import time
from pathlib import Path

sidecar, wheel, package, batch, repeat = sys.argv[1:6]
sys.path[:0] = [sidecar, wheel]
frames = importlib.import_module("dai_spark_sidecar.pipeline.frames")
scorer = importlib.import_module(package).Scorer()
payload = bytearray(Path(batch).read_bytes())


def median(action):
    """Median of an action's seconds, and what it gave; the first run is not counted."""
    result = action()
    seconds = []
    for _ in range(int(repeat)):
        begun = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - begun)
    return statistics.median(seconds), result


pandas_s, (frame, _) = median(lambda: frames.to_frame(payload))
model_s, answer = median(lambda: scorer.score_batch(frame))
back_s, _ = median(lambda: frames.to_stream(answer, {}))
print(json.dumps({"Arrow to pandas": pandas_s, "model": model_s, "back to Arrow": back_s}))
