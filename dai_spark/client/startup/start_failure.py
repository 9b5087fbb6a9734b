"""A start that failed is remembered beside the socket, so that Spark's retries fail at once."""

import contextlib
import json
import time
from typing import Optional

from dai_spark.client.sidecar_errors import SidecarErrors
from dai_spark.client.startup.sidecar_handle import SidecarHandle
from dai_spark.errors import DaiSparkError
from dai_spark.host.atomic_file import write_atomically
from dai_spark.sidecar.protocol import VERDICT_NAME

__all__ = ["remember_hang", "remembered_failure"]

# A start that failed is not tried again on this executor for so long.  Spark retries a task at
# once and several times; a user who has mended something comes later than that.
_LASTS_S = 60.0
# The kind of a verdict that a client leaves, beside those of the protocol's error objects.
_HUNG = "hung"


def remembered_failure(
    sidecar: SidecarHandle, errors: SidecarErrors, start_timeout_s: float
) -> Optional[DaiSparkError]:
    """The error of a start that failed on this executor a short while ago, if one did."""
    verdict = sidecar.verdict()
    if verdict is None or time.time() - verdict["time"] > _LASTS_S:
        return None
    if verdict["kind"] == _HUNG:
        # With more time it may load.
        return None if start_timeout_s > verdict["limit_s"] else errors.hung()
    return errors.loading(verdict)


def remember_hang(sidecar: SidecarHandle, start_timeout_s: float) -> None:
    """Leave a verdict, so that Spark's retries do not each wait for the same limit."""
    verdict = {"kind": _HUNG, "limit_s": start_timeout_s, "time": time.time()}
    # Without room for it the next attempt waits again.
    with contextlib.suppress(OSError):
        write_atomically(sidecar.run_folder / VERDICT_NAME, json.dumps(verdict).encode("utf-8"))
