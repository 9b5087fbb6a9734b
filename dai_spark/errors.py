"""Every error that dai_spark raises on purpose, in one tree.

::

    DaiSparkError
    ├── OptionError (also ValueError)      an argument that cannot be meant
    ├── PipelineError                      the exported zip or folder
    │   ├── PipelineNotFoundError (also FileNotFoundError)
    │   ├── ChecksumError                  its bytes are not those that were named
    │   └── NotAPipelineError              a MOJO, no or several scoring wheels, a damaged zip
    │       └── UnreadableFileError        one file of an export: damaged, or encrypted
    ├── ModelRegistryError                 MLflow's or OCI registry: no such model, or no pipeline
    │   └── RegistryUnreachableError       it does not answer
    ├── PackedEnvironmentError                   the packed environment
    │   ├── EnvironmentNotFoundError (also FileNotFoundError)
    │   ├── EnvironmentMismatchError       wrong Python, DAI line, processor or C library
    │   ├── EnvironmentUnpackError         damaged archive, full disk, unsafe member
    │   └── EnvironmentBuildError          `dai-spark env build` could not finish
    ├── ColumnError                        the table's columns against the pipeline's
    │   ├── RefusedValuesError             values that the pipeline cannot be given unchanged
    │   └── UnreadableRowsError            bytes that are no JSON, CSV, Arrow or Parquet
    ├── SourceFileError                    a file of a table is not what it was when a job began
    ├── LicenseError                       no licence, or one that the pipeline refuses
    ├── SidecarError                       the process that holds the scorer
    │   ├── SidecarStartError              it did not come up, or Scorer() raised
    │   ├── SidecarDiedError               it, or one of its scorers, ended while needed
    │   ├── SidecarTimeoutError            no answer within the limit
    │   └── ProtocolError                  bytes that are not of this protocol or its version
    ├── ScoringError                       the pipeline raised while scoring a batch
    ├── ScorerBusyError                    open_scorer: no scorer was free for a call
    ├── ScorerClosedError                  open_scorer: a call on a scorer that is closed
    ├── DeadlineError (also TimeoutError)  server: the client's deadline came before its scores
    ├── NotReadyError                      server: its pipeline is being loaded
    ├── RequestError                       server: a request that is not of its protocol
    │   └── TooLargeError                  its body has more bytes than the server takes
    ├── PackagerError                      `dai-spark image build`: engine, base image or registry
    ├── ShippingError                      the files could not be brought to the executors
    └── TableJobError                      score_table
        ├── TableExistsError
        ├── OverlapError                   another run of the same job is at work
        ├── BadRowsError                   more rows cannot be scored than allowed
        ├── TooFewRowsError                fewer rows to be written than wanted, or none
        ├── DriftError                     predictions have moved further than allowed
        ├── ContractError                  the run is not what --contract says it must be
        └── VerificationError              rows differ from what scoring them again gives

Catch `DaiSparkError` to catch them all.  A message stands alone: Spark carries nothing but text
from an executor to the driver, so what was found, where, why and what to do are all in it.
`from_spark` turns that text back into the typed error.
"""

import re
from typing import Dict, Optional, Sequence, Tuple, Type

# fmt: off
__all__ = [
    "BadRowsError", "ChecksumError", "ColumnError", "ContractError", "DaiSparkError",
    "DeadlineError", "DriftError", "EnvironmentBuildError", "EnvironmentMismatchError",
    "EnvironmentNotFoundError", "EnvironmentUnpackError", "LicenseError", "ModelRegistryError",
    "NotAPipelineError", "NotReadyError", "OptionError", "OverlapError", "PackagerError",
    "PackedEnvironmentError", "PipelineError", "PipelineNotFoundError", "ProtocolError",
    "RefusedValuesError", "RegistryUnreachableError", "RequestError", "ScorerBusyError",
    "ScorerClosedError", "ScoringError", "ShippingError", "SidecarDiedError", "SidecarError",
    "SidecarStartError", "SidecarTimeoutError", "SourceFileError", "TableExistsError",
    "TableJobError", "TooFewRowsError", "TooLargeError", "UnreadableFileError",
    "UnreadableRowsError", "VerificationError", "from_spark",
]
# fmt: on

# Closes every message that crosses from an executor, so that `from_spark` can tell where our text
# ends and where the JVM's stack begins.  U+200B is not printed.
_END = "\u200b"
# What a reader takes in.  A text is written into Spark's tables, and carried by each attempt of a
# task; megabytes stop an application.
_MESSAGE_BYTES = 16 << 10
_DETAILS_BYTES = 128 << 10
_CAUSE_BYTES = 4 << 10


def sendable(text: object, most_bytes: int) -> str:
    """Return a text in at most so many bytes of UTF-8, its two ends kept and its length told.

    Spark waits for ever for a worker that tries to write a lone surrogate (a file's name may have
    one), so these become the escapes that Python prints for them.  The sidecar has the same rule
    (`dai_spark.sidecar.texts.error_text`), for what leaves its process.
    """
    whole = str(text).replace(_END, "\\u200b")
    # No character has less than a byte, so what is cut off here is cut off below as well.
    head = whole[: most_bytes + 1].encode("utf-8", "backslashreplace")
    if len(whole) <= most_bytes and len(head) <= most_bytes:
        return head.decode("utf-8")
    told = f" [... {len(whole)} characters in all, the middle is left out ...] "
    kept = max(0, most_bytes - len(told)) // 2
    tail = whole[-most_bytes:].encode("utf-8", "backslashreplace")
    begin = head[:kept].decode("utf-8", "ignore")
    return begin + told + tail[len(tail) - kept :].decode("utf-8", "ignore")


class DaiSparkError(Exception):
    """Base of every error that dai_spark raises on purpose.

    Its texts are made fit to be sent, see `sendable`.

    Parameters
    ----------
    message : str
        One sentence or two: what was found, where, the usual cause, what to do.
    details : str, optional
        What the sentence rests on, many lines: the pipeline's own traceback, the end of a log.
        Part of `str(error)`, below the sentence; a command line prints the sentence first.
    cause : str, optional
        Why a batch has no scores, in a sentence that names neither rows nor host.
        No part of `str(error)`, so it stays in the process that raised it.

    Attributes
    ----------
    status : str
        What a command's exit status and a report say of it: ``"failed"``, ``"usage"``,
        ``"bad rows"``, ``"drift"``, ``"contract"``, ``"differs"``, ``"too few rows"``, or
        ``"refused"``, which the table job sets on whatever was raised before it started.
    """

    status = "failed"

    def __init__(self, message: str, details: str = "", *, cause: str = "") -> None:
        self.message = sendable(message, _MESSAGE_BYTES)
        self.details = sendable(details, _DETAILS_BYTES)
        self.cause = sendable(cause, _CAUSE_BYTES)
        super().__init__(self.message, self.details)

    def __str__(self) -> str:
        text = self.message if not self.details else f"{self.message}\n{self.details.rstrip()}"
        return text + _END

    @property
    def text(self) -> str:
        """`str(error)` without the unprinted end mark."""
        return str(self)[:-1]


class OptionError(DaiSparkError, ValueError):
    """An argument or option has a value that cannot be meant, or two exclude each other."""

    status = "usage"


class PipelineError(DaiSparkError):
    """Something is wrong with the exported scoring pipeline."""


class PipelineNotFoundError(PipelineError, FileNotFoundError):
    """No file or folder lies at the path given for the pipeline."""


class ChecksumError(PipelineError):
    """The file is there and is not the one whose SHA-256 was named: altered, or another version."""


class NotAPipelineError(PipelineError):
    """The file is there but is not a Python scoring pipeline, or is damaged."""


class UnreadableFileError(NotAPipelineError):
    """One file of an export cannot be read: it is damaged, encrypted, or a link out of it."""


class ModelRegistryError(DaiSparkError):
    """A registry has no such model, or what it has is no pipeline that can be scored with.

    MLflow's, or one of OCI artefacts.

    Also where a file is not the one that was logged.
    """


class RegistryUnreachableError(ModelRegistryError):
    """The registry does not answer; the same call may well succeed a little later."""


class PackedEnvironmentError(DaiSparkError):
    """Something is wrong with the packed environment (`EnvironmentError` is Python's `OSError`)."""


class EnvironmentNotFoundError(PackedEnvironmentError, FileNotFoundError):
    """No archive, folder or shipped archive is found under the name given as `env`."""


class EnvironmentMismatchError(PackedEnvironmentError):
    """The environment is sound but not one that this pipeline or this machine can use."""


class EnvironmentUnpackError(PackedEnvironmentError):
    """The archive could not be unpacked: damaged, unsafe, or no room on the disk."""


class EnvironmentBuildError(PackedEnvironmentError):
    """`dai-spark env build` could not finish."""


class ColumnError(DaiSparkError):
    """Columns that the pipeline needs are missing or of a type that it cannot be given.

    Names every offender at once.
    """


class RefusedValuesError(ColumnError):
    """Values of rows that the pipeline cannot be given unchanged; names row, column and value.

    Attributes
    ----------
    offenders : tuple of (int, str, str)
        The first of them: row, column, and what is wrong with the value.
    """

    offenders: Tuple[Tuple[int, str, str], ...] = ()


class UnreadableRowsError(ColumnError):
    """Bytes that are not of the format that they are said to have."""


class SourceFileError(DaiSparkError):
    """A file that tasks read themselves is gone, or another one than when the job was planned."""


class LicenseError(DaiSparkError):
    """No Driverless AI licence was found, or the pipeline refused it; holds no part of it."""


class SidecarError(DaiSparkError):
    """The process that holds the loaded scorer failed."""


class SidecarStartError(SidecarError):
    """The sidecar did not come up, or `Scorer()` raised in it."""


class SidecarDiedError(SidecarError):
    """The sidecar or one of its scorers ended while an answer was awaited.

    Has a `cause` where the scorer ended and its sidecar lives: then its batch may be to blame.
    """


class SidecarTimeoutError(SidecarError):
    """The sidecar did not answer within the limit that the message names."""


class ProtocolError(SidecarError):
    """The other end of the connection does not speak this version of the protocol."""


class ScoringError(DaiSparkError):
    """The pipeline raised while it scored a batch; details hold its own traceback."""


class ScorerBusyError(DaiSparkError):
    """No scorer was free within a call's limits, or too many calls wait for one already.

    Nothing was scored; the same call may well succeed a little later.
    """


class ScorerClosedError(DaiSparkError):
    """A call on a scorer that was closed, before the call or while it went on."""


class DeadlineError(DaiSparkError, TimeoutError):
    """The deadline of a server's client came before its rows had scores."""


class NotReadyError(DaiSparkError):
    """A server's pipeline is still being loaded; the same request may succeed a little later."""


class RequestError(DaiSparkError):
    """A request to a server is not what its protocol says, whatever its rows are."""

    status = "usage"


class TooLargeError(RequestError):
    """The body of a request has more bytes than the server takes."""


class PackagerError(DaiSparkError):
    """`dai-spark image build` could not finish; details hold the end of what the engine said."""


class ShippingError(DaiSparkError):
    """Pipeline, environment or package could not be brought to the executors."""


class TableJobError(DaiSparkError):
    """The table job was refused or could not finish."""


class TableExistsError(TableJobError):
    """The target exists and the mode is `fail`."""


class OverlapError(TableJobError):
    """Another run of the same job is at work on the same target."""


class BadRowsError(TableJobError):
    """More rows cannot be scored than the job allows; the target is as it was."""

    status = "bad rows"


class TooFewRowsError(TableJobError):
    """Fewer rows than ``--min-rows``, or none for a target that has some; it is as it was."""

    status = "too few rows"


class DriftError(TableJobError):
    """Predictions have moved further from the last run's than allowed; the target is as it was."""

    status = "drift"


class ContractError(TableJobError):
    """A run is not what its ``--contract`` says it must be; the target is as it was."""

    status = "contract"


class VerificationError(TableJobError):
    """Rows were written, and ``--verify`` found some that scoring them again gives otherwise.

    A command raises it; `score_table` returns the report, whose status is ``"differs"``.
    """

    status = "differs"


def _tree(base: Type[DaiSparkError]) -> Dict[str, Type[DaiSparkError]]:
    found = {base.__name__: base}
    for child in base.__subclasses__():
        found.update(_tree(child))
    return found


def named(name: str) -> Type[DaiSparkError]:
    """Return the class of this tree with that name; `SidecarError` for a name it does not have."""
    return _tree(DaiSparkError).get(name, SidecarError)


def first_line(said: object, max_chars: Optional[int] = None) -> str:
    """Return the first line of an error or a text, which mostly says what happened.

    Parameters
    ----------
    said : object
        Its `str` is looked at.
    max_chars : int, optional
        Cut a line of so many characters or more, and say so with three dots.
    """
    line = str(said).strip().partition("\n")[0]
    return line if max_chars is None or len(line) < max_chars else line[:max_chars] + "..."


def shortened(names: Sequence[str], n_shown: int = 20) -> str:
    """Return names for a message, the first ones and how many more there are.

    Parameters
    ----------
    names : sequence of str
    n_shown : int, default 20
    """
    shown = ", ".join(names[:n_shown])
    return shown if len(names) <= n_shown else f"{shown}, and {len(names) - n_shown} more"


def from_spark(error: BaseException) -> Optional[DaiSparkError]:
    """Find the error of ours in the text that Spark brought back from an executor.

    Runs on the driver.  Spark's `PythonException` holds the worker's traceback as text, in which
    our error stands as ``dai_spark.errors.<Name>: <message>`` up to our end mark.

    Returns
    -------
    DaiSparkError or None
        None where the text holds no error of ours.
    """
    if isinstance(error, DaiSparkError):
        return error
    found: Optional[Tuple[str, str]] = None
    for match in re.finditer(
        r"dai_spark\.errors\.(\w+): (.*?)" + _END, str(error), flags=re.DOTALL
    ):
        found = (match.group(1), match.group(2))
    if found is None:
        return None
    message, _, details = found[1].partition("\n")
    return named(found[0])(message, details)
