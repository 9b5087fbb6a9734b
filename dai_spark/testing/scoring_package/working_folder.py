"""What the pipeline reads and writes below the current working directory.

Real pipelines put each batch into a file of a fixed name under `./tmp` and read it back.  So two
processes in one working directory cross their scores.
"""

import os
import time
from pathlib import Path
from typing import Any

_FOLDER = Path("tmp", "scoring_user", "h2oai_experiment_scoring_id")


def prepare() -> None:
    """Make the folder and begin the log in it."""
    _FOLDER.mkdir(parents=True, exist_ok=True)
    with (_FOLDER / "scoring.log").open("a", encoding="utf-8") as log:
        log.write("stand-in: process %d\n" % os.getpid())


def through_file(frame: Any, pause_seconds: float) -> Any:
    """Write the batch as datatable's Jay and return what is then in that file, as pandas.

    `pause_seconds` lies between the two: the time in which another process may write.
    """
    import datatable

    _FOLDER.mkdir(parents=True, exist_ok=True)
    path = _FOLDER / "data_batch_0.jay"
    # Written aside and renamed: a file that another process has mapped must not shrink under it.
    aside = _FOLDER / ("data_batch_0.%d" % os.getpid())
    datatable.Frame(frame).to_jay(str(aside))
    aside.replace(path)
    time.sleep(pause_seconds)
    back = datatable.fread(str(path)).to_pandas()
    return back[list(frame.columns)]
