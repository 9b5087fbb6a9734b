"""worker_frame: a function of Spark's worker that has, in the end, called this one."""

import sys
from types import FrameType
from typing import Optional

__all__ = ["worker_frame"]


def worker_frame(function: str, file_name: str) -> Optional[FrameType]:
    """Find what of pyspark's own is at work below the caller, by its name and its file.

    Parameters
    ----------
    function : str
        As ``"main"``.
    file_name : str
        As ``"worker.py"``; its folder is not looked at, since pyspark comes in archives, too.

    Returns
    -------
    frame or None
        None where this is no worker of Spark's, or one that was started otherwise.
    """
    frame: Optional[FrameType] = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if code.co_name == function and code.co_filename.endswith(file_name):
            return frame
        frame = frame.f_back
    return None
