"""SidecarErrors: what a client tells of a sidecar that failed it, as errors that stand alone."""

import contextlib
import os
import subprocess
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Dict, Optional

from dai_spark.artifacts.license import missing_file
from dai_spark.client.executor import ExecutorContext, ProcessId
from dai_spark.client.memory_limits import KernelKills, addresses_limit
from dai_spark.client.startup.sidecar_handle import SidecarHandle
from dai_spark.errors import (
    DaiSparkError,
    EnvironmentMismatchError,
    LicenseError,
    OptionError,
    ProtocolError,
    ScoringError,
    SidecarDiedError,
    SidecarStartError,
    SidecarTimeoutError,
    first_line,
)
from dai_spark.host.program_loader import missing_loader, refusal
from dai_spark.plan.plan import ScoringPlan
from dai_spark.sidecar import protocol
from dai_spark.sidecar.log import END
from dai_spark.sidecar.process import is_alive
from dai_spark.sidecar.verdict import ended_in_load

__all__ = ["SidecarErrors"]

# Longer first lines of a pipeline's own errors are cut in our sentences; details have them whole.
_LINE_CHARS = 300
# With less than this a scorer does not find room for its working folder.
_NO_ROOM_BYTES = 1 << 20
# Far more than a process takes between the death of its children and its own.
_ENDING_S = 0.05


class SidecarErrors:
    """Makes the errors of one sidecar; none of its methods raises them.

    Runs in a Python worker, or in a local process.

    Parameters
    ----------
    plan : ScoringPlan
    executor : ExecutorContext
    sidecar : SidecarHandle
    """

    def __init__(
        self, plan: ScoringPlan, executor: ExecutorContext, sidecar: SidecarHandle
    ) -> None:
        self._plan = plan
        self._host = executor.host
        self._executor = executor
        self._sidecar = sidecar
        self._pipeline = plan.pipeline.label
        self._kills = KernelKills()

    # -- it did not come up --------------------------------------------------------------------

    def not_started(self, error: OSError) -> DaiSparkError:
        """No process came into being, for want of room or memory."""
        where = f": {error.filename}" if error.filename else ""
        return SidecarStartError(
            f"The sidecar of pipeline {self._pipeline} could not be started on {self._host} "
            f"({error.strerror or error}{where}); make room there, and start again"
            f"{addresses_limit()}."
        )

    def not_run(self, error: OSError, python: Path) -> EnvironmentMismatchError:
        """The kernel does not run the environment's Python.

        Parameters
        ----------
        error : OSError
        python : Path
        """
        about = f"The Python of environment {self._plan.environment.label} cannot be run on"
        loader = missing_loader(python) if isinstance(error, FileNotFoundError) else None
        if loader is None:
            return EnvironmentMismatchError(
                f"{about} {self._host} ({error.strerror or error}; {os.uname().sysname} "
                f"{os.uname().machine}); build an environment for the executors' system with "
                "`dai-spark env build` there."
            )
        library = " (musl, as Alpine has it)" if "musl" in loader else ""
        return EnvironmentMismatchError(
            f"{about} {self._host}: it wants the program loader {loader}, which that host does not "
            f"have, so it was built for another C library{library}; build an environment for "
            "the executors' system with `dai-spark env build` there."
        )

    def hung(self) -> DaiSparkError:
        """It was not ready within its limit."""
        return SidecarTimeoutError(
            f"The scorer of pipeline {self._pipeline} was not loaded within "
            f"{self._plan.options.start_timeout_s:g} s on {self._host}; raise start_timeout_s, or "
            "see below where it hangs.",
            self._sidecar.log_tail(),
        )

    def ended_while_loading(self, process: "subprocess.Popen[bytes]") -> DaiSparkError:
        """Its process ended and left no verdict."""
        try:
            status: Optional[int] = process.wait(timeout=1)
        except subprocess.TimeoutExpired:
            status = None
        how = "ended" if status is None else ended_in_load(status)["message"]
        # The sidecar's log ends with it.
        return self._ended_in_load(how, END)

    def _ended_in_load(self, how: str, last_words: str) -> DaiSparkError:
        tail = self._sidecar.log_tail(until=last_words)
        # A Python that does not begin has no guard, which would end the log.
        refused = refusal(tail.rpartition(END)[2])
        if refused is not None:
            return EnvironmentMismatchError(
                f"The Python of environment {self._plan.environment.label} cannot be run on "
                f"{self._host}: {refused}.",
                tail,
            )
        return SidecarStartError(
            f"The sidecar of pipeline {self._pipeline} {how} on {self._host} before its scorer "
            f"was loaded (environment {self._plan.environment.label})"
            f"{addresses_limit() or self._kills.clause()}"
            f"{self._full_disk()}; the end of its log says why.",
            tail,
        )

    def loading(self, verdict: Dict[str, Any]) -> DaiSparkError:
        """`Scorer()` did not load.

        Parameters
        ----------
        verdict : dict
            An error object of the protocol, of kind ``license``, ``load`` or ``ended``.
        """
        if verdict["kind"] == "ended":
            return self._ended_in_load(verdict["message"], "")
        if verdict["kind"] == "license":
            is_given = self._sidecar.license is not None
            found = "the one given was refused" if is_given else "none was found"
            if not is_given:
                found += missing_file(os.environ)
            return LicenseError(
                f"Pipeline {self._pipeline} wants a valid Driverless AI licence on {self._host}: "
                f"{found}; give one by license_file= (--license-file), or set "
                "DRIVERLESS_AI_LICENSE_FILE or DRIVERLESS_AI_LICENSE_KEY.",
                self._sidecar.log_tail(),
            )
        text = self._sidecar.clean(f"{verdict['type']}: {verdict['message']}")
        trace = self._sidecar.clean(verdict["traceback"])
        if "recipe" in text.lower() and "server" in text.lower():
            return SidecarStartError(
                f"Pipeline {self._pipeline} needs the H2O-3 recipe server, which dai_spark does "
                "not run (it wants Java and ports on every executor); train the experiment again "
                "without H2O-3 recipes.",
                trace,
            )
        line = first_line(text, max_chars=_LINE_CHARS)
        refused = refusal(text)
        return SidecarStartError(
            f"Scorer() of pipeline {self._pipeline} failed on {self._host} in environment "
            f"{self._plan.environment.label}: {line}"
            f"{addresses_limit() if refused is None else f'; {refused}.'}",
            trace,
        )

    # -- it did not answer ---------------------------------------------------------------------

    def died(
        self, pid: Optional[int], during: str, sidecar_process: Optional[ProcessId] = None
    ) -> DaiSparkError:
        """A scorer's connection closed without an answer.

        Parameters
        ----------
        pid : int or None
            The scorer's process id; None where it had not said it yet.
        during : str
            When that was: ``while it scored rows 0-9999 of partition 3``.
        sidecar_process : ProcessId, optional
            The scorer's parent, where that is known.
        """
        how = self._sidecar.exit_of(pid) if pid is not None else None
        last_words = f"scorer {pid} ended"
        if how is None and sidecar_process is not None and _lives(sidecar_process):
            # A sidecar writes no exit status of 0, with which scorers leave in order as well.
            how, last_words = "ended with no error code", ""
        cause = f"The scorer {how}." if how is not None else ""
        if how is None:
            how = "ended, together with its sidecar (killed from outside, or out of memory)"
            last_words = END
        limit = addresses_limit() or self._kills.clause()
        return SidecarDiedError(
            f"The scorer of pipeline {self._pipeline} {how} on {self._host} {during}"
            f"{limit}{self._full_disk()}; the end of its log is below.",
            self._sidecar.log_tail(until=last_words),
            cause=cause,
        )

    def timed_out(self, limit_s: float, limit: str, during: str) -> DaiSparkError:
        """No answer came within a limit.

        Parameters
        ----------
        limit_s : float
        limit : str
            The option that says how long.
        during : str
            See `died`.
        """
        return SidecarTimeoutError(
            f"The scorer of pipeline {self._pipeline} gave no answer for {limit_s:g} "
            f"s on {self._host} {during}; raise {limit} if it is slow and not stuck.",
            self._sidecar.log_tail(),
            cause=f"The scorer gave no answer within {limit_s:.3g} s.",
        )

    def broken(self, what: str) -> ProtocolError:
        """It answered bytes that are not of the protocol."""
        return ProtocolError(
            f"The sidecar of pipeline {self._pipeline} on {self._host} answered what is not of "
            f"this protocol ({what}); restart the application."
        )

    def scoring(self, failure: Dict[str, Any], rows: str) -> ScoringError:
        """The pipeline raised.

        Parameters
        ----------
        failure : dict
            An error object of the protocol.
        rows : str
            ``rows 0-9999 of partition 3``.
        """
        text = self._sidecar.clean(f"{failure['type']}: {failure['message']}")
        limit = addresses_limit() if failure["type"].endswith("MemoryError") else ""
        line = first_line(text, max_chars=_LINE_CHARS)
        return ScoringError(
            f"Pipeline {self._pipeline} failed on {rows} on {self._host}: {line}{limit}",
            self._sidecar.clean(failure["traceback"]),
            cause=f"The pipeline raised {line}",
        )

    def unexpected(self, kind: bytes, payload: Any, during: str) -> DaiSparkError:
        """Another message came than the one that was awaited: mostly an ERROR, with its reason.

        Parameters
        ----------
        kind : bytes
            The message's kind.
        payload : object
            What came with it.
        during : str
            See `died`.
        """
        if kind != protocol.ERROR or not isinstance(payload, dict):
            return ProtocolError(
                f"The sidecar of pipeline {self._pipeline} on {self._host} answered {kind!r} out "
                f"of turn {during}; restart the application."
            )
        if payload["kind"] in ("license", "load", "ended"):
            return self.loading(payload)
        if payload["kind"] == "option":
            why = self._sidecar.clean(payload["message"])
            return OptionError(
                f"Pipeline {self._pipeline} cannot do what the options ask for: {why}; leave the "
                "option out, or export the experiment from a newer Driverless AI."
            )
        if payload["kind"] == "scoring":
            return self.scoring(payload, "a row of its own example")
        return ProtocolError(
            f"The sidecar of pipeline {self._pipeline} on {self._host} refused this client "
            f"{during}: {self._sidecar.clean(payload['message'])}"
        )

    def _full_disk(self) -> str:
        # Said by us, since a log on that disk cannot say it.
        for folder in (self._executor.folder, self._sidecar.log.parent):
            with contextlib.suppress(OSError):
                found = os.statvfs(folder)
                if found.f_bavail * found.f_frsize < _NO_ROOM_BYTES:
                    return f" (the disk of {folder} is full)"
        return ""


def _lives(process: ProcessId) -> bool:
    if not is_alive(asdict(process)):
        return False
    # The kernel kills a sidecar's scorers while the sidecar itself is ending.
    time.sleep(_ENDING_S)
    return is_alive(asdict(process))
