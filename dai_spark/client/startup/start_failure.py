"""A start that failed is remembered beside the socket, so that Spark's retries fail at once."""

import contextlib
import json
import subprocess
import time
from typing import Optional

from dai_spark.client.sidecar_errors import SidecarErrors
from dai_spark.client.startup.sidecar_handle import SidecarHandle
from dai_spark.errors import DaiSparkError
from dai_spark.host.atomic_file import write_atomically
from dai_spark.sidecar.protocol import VERDICT_NAME
from dai_spark.sidecar.verdict import ended_in_load, is_from_outside, leave_verdict

__all__ = ["ended_while_loading", "remember_hang", "remembered_failure", "wait_for_verdict"]

# A start that failed is not tried again on this executor for so long.  Spark retries a task at
# once and several times; a user who has mended something comes later than that.
_LASTS_S = 60.0
# The kind of a verdict that a client leaves, beside those of the protocol's error objects.
_HUNG = "hung"
# Who started a sidecar sees its end, and says how it ended, within moments.
_VERDICT_S = 1.0
_POLL_S = 0.01


def remembered_failure(
    sidecar: SidecarHandle, errors: SidecarErrors, start_timeout_s: float
) -> Optional[DaiSparkError]:
    """The error of a start that failed on this executor a short while ago, if one did."""
    verdict = sidecar.verdict()
    # Monotonic: all processes of a host have the same one, and nobody puts it forward or back.  It
    # begins anew when the host does.
    if verdict is None or not 0 <= time.monotonic() - verdict["time"] <= _LASTS_S:
        return None
    if verdict["kind"] == _HUNG:
        # With more time it may load.
        return None if start_timeout_s > verdict["limit_s"] else errors.hung()
    return errors.loading(verdict)


def ended_while_loading(
    sidecar: SidecarHandle,
    errors: SidecarErrors,
    process: "subprocess.Popen[bytes]",
    wait_s: float,
) -> Optional[DaiSparkError]:
    """The error of a sidecar that this process started and that ended while it loaded, if it did.

    The cause is left for the tasks that wait, unless the end came from outside.
    """
    try:
        status = process.wait(wait_s)
    except subprocess.TimeoutExpired:
        return None
    if not sidecar.was_loading() or sidecar.verdict() is not None:
        return None
    if not is_from_outside(status):
        with contextlib.suppress(OSError):
            leave_verdict(str(sidecar.run_folder), ended_in_load(status))
    return errors.ended_while_loading(process)


def wait_for_verdict(sidecar: SidecarHandle) -> None:
    """Wait until a sidecar's starter has said how it ended, where it ended while it loaded.

    Called by another task that has its lock; the starter may be dead as well, so not for long.
    """
    deadline = time.monotonic() + _VERDICT_S
    while sidecar.was_loading() and sidecar.verdict() is None and time.monotonic() < deadline:
        time.sleep(_POLL_S)


def remember_hang(sidecar: SidecarHandle, start_timeout_s: float) -> None:
    """Leave a verdict, so that Spark's retries do not each wait for the same limit."""
    verdict = {"kind": _HUNG, "limit_s": start_timeout_s, "time": time.monotonic()}
    # Without room for it the next attempt waits again.
    with contextlib.suppress(OSError):
        write_atomically(sidecar.run_folder / VERDICT_NAME, json.dumps(verdict).encode("utf-8"))
