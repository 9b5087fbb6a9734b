"""Driverless AI's `Scorer`, tamed: the one place that touches the pipeline's own class.

What is known of it, from exports of DAI 1.7 to 1.10 and from code that drives them: it leaves by
`SystemExit` when it dislikes its licence, prints much, reads and writes ``./tmp``, is not
thread-safe, and its methods' arguments grew from version to version.
"""

import importlib
import inspect
import os
import shutil
import sys
import tempfile
import time
from contextlib import contextmanager
from typing import Any, Callable, Dict, Iterator, List, Optional, Set

import pandas as pd
import pyarrow as pa

from ..log import say
from ..memory import peak_bytes
from ..texts.error_text import sendable, sendable_traceback, type_name
from . import frames
from .answer import answer_frame, column_names
from .path_columns import path_columns

# Enough for one to be in another's past.
_N_EXAMPLE_ROWS = 3
# Stands among a function's arguments for all those that it does not name.
_ANY = "**"


class Refused(Exception):
    """An error object of the protocol, to be sent as it is."""

    def __init__(self, kind: str, error: BaseException, message: Optional[str] = None) -> None:
        text = sendable(error if message is None else message)
        Exception.__init__(self, text)
        self.data = {
            "kind": kind,
            "type": type_name(error),
            "message": text,
            "traceback": sendable_traceback(error),
        }


def enter_folder(folder: str, tmp_from: Optional[str]) -> None:
    """Make `folder` this process's working and temporary directory, with a `tmp` of its own.

    Pipelines write ``./tmp/...`` and read it back (DAI 1.9.1 and later do it at every batch), so
    two scorers in one folder would read each other's rows.

    Parameters
    ----------
    folder : str
        New; made with mode 0700.
    tmp_from : str or None
        A folder whose content becomes ``tmp``: the export's, or that of the process that loaded.
    """
    os.makedirs(folder, mode=0o700)
    if tmp_from is not None and os.path.isdir(tmp_from):
        shutil.copytree(tmp_from, os.path.join(folder, "tmp"), symlinks=True)
        os.chmod(os.path.join(folder, "tmp"), 0o700)
    else:
        os.mkdir(os.path.join(folder, "tmp"), 0o700)
    private = os.path.join(folder, "private-tmp")
    os.mkdir(private, 0o700)
    os.environ["TMPDIR"] = os.environ["TMP_DIR"] = private
    tempfile.tempdir = None
    os.chdir(folder)


class LoadedScorer:
    """A `Scorer` that has been constructed, once, in this process.

    Parameters
    ----------
    package : str
        Import name of the scoring package; its folder is on `sys.path`.
    samples : list of [name, dtype, values]
        The export's own example, from which the probe row is made.

    Attributes
    ----------
    has_failed : bool
        It has raised, or answered what is no answer, and so may have stopped halfway through a
        change of its own state: this copy of it scores no more rows.
    """

    def __init__(self, package: str, samples: List[List[Any]]) -> None:
        self._samples = samples
        self.has_failed = False
        begun = time.monotonic()
        try:
            module = importlib.import_module(package)
            self._scorer = module.Scorer()
        except SystemExit as error:
            raise Refused(
                "license",
                error,
                "Scorer() left by SystemExit({}), which is what it does when it finds no valid "
                "licence".format(sendable(error.code)),
            ) from None
        except BaseException as error:
            raise Refused("load", error) from None
        # Of score_batch; looked up once and not for each batch.
        self._known: Optional[Set[str]] = None
        self.loaded_at = time.monotonic()
        self.load_s = self.loaded_at - begun
        # Said once a construction, so that the log tells how often it happened.
        say("Scorer() constructed in {:.2f} s".format(self.load_s))

    def _arguments(self, options: Dict[str, Any]) -> Dict[str, bool]:
        if self._known is None:
            self._known = _parameters(getattr(self._scorer, "score_batch", None))
        known = self._known
        contributions = options.get("contributions")
        arguments = {
            "output_margin": bool(options.get("margin")),
            "pred_contribs": contributions is not None,
            "pred_contribs_original": contributions == "original",
            "fast_approx": bool(options.get("fast_approx")),
            "apply_data_recipes": bool(options.get("apply_data_recipes")),
        }
        if _ANY in known:
            # Whom it hands them on to is not told, so it gets what is asked for and no more.
            return {n: asked for n, asked in arguments.items() if asked or n in known}
        for name, is_asked in arguments.items():
            if is_asked and name not in known:
                wrong = TypeError(
                    "its score_batch has no argument {}, only {}".format(
                        name, ", ".join(sorted(known))
                    )
                )
                raise Refused("option", wrong)
        return {name: value for name, value in arguments.items() if name in known}

    def score(self, frame: pd.DataFrame, options: Dict[str, Any]) -> pd.DataFrame:
        """Score a frame of one row or more; return the pipeline's answer, row for row.

        The frame has the index 0..n-1.  Whatever the pipeline does, nothing but `Refused` is
        raised.
        """
        n_rows = len(frame)
        with refusing():
            arguments = self._arguments(options)
            answer = self._scorer.score_batch(frame, **arguments)
            return answer_frame(answer, frame, n_rows)

    def probe_frame(self, number: int = 0) -> pd.DataFrame:
        """One row of the export's own example, for the columns that the scorer uses.

        Where the example is shorter, or has no value there, its first value stands.
        """
        known = {name: (dtype, values) for name, dtype, values in self._samples}
        columns = {}
        for name in self._column_names():
            dtype, values = known.get(name, ("object", []))
            rest = values[number:] + values
            if dtype != "object" and not dtype.startswith(("str", "datetime")):
                numbers = [_number(value) for value in rest]
                columns[name] = pd.Series([next((n for n in numbers if n == n), float("nan"))])
            else:
                found = next((value for value in rest if value is not None), None)
                columns[name] = pd.Series([found], dtype="object")
        frame: pd.DataFrame = pd.DataFrame(columns)
        return frame

    def _column_names(self) -> List[str]:
        with refusing():
            return column_names(self._scorer.get_column_names(), "wants")

    def _labels(self) -> Optional[List[str]]:
        # A class of its own need not have the method, as one for a regression.
        tell = getattr(self._scorer, "get_target_labels", None)
        labels = None if tell is None else tell()
        return None if labels is None else column_names(labels, "has as labels")

    def _depends_on_batch(self, options: Dict[str, Any]) -> bool:
        """Whether rows of the example have other scores together than each alone."""
        rows = [self.probe_frame(number) for number in range(_N_EXAMPLE_ROWS)]
        together = pd.concat(rows, ignore_index=True)
        try:
            whole = self.score(together, options)
            alone = [self.score(row, options) for row in rows]
        except Refused:
            # An export whose other example rows cannot be scored may score the table's.
            self.has_failed = True
            return False
        with refusing():
            return not whole.equals(pd.concat(alone, ignore_index=True))

    def describe(self, options: Dict[str, Any], start_method: str) -> Dict[str, Any]:
        """What DESCRIPTION says; scores the probe row with these options to learn its shape."""
        answer = self.score(self.probe_frame(), options)
        with refusing():
            output = frames.output_types(answer)
            labels = self._labels()
            methods = {m: getattr(self._scorer, m, None) for m in ("score", "score_batch")}
            signatures = {name: sorted(_parameters(method)) for name, method in methods.items()}
        return {
            "columns": self._column_names(),
            "output": output,
            "labels": labels,
            "signatures": signatures,
            "load_s": self.load_s,
            "memory_bytes": peak_bytes(),
            "versions": {
                "python": ".".join(str(n) for n in sys.version_info[:3]),
                "pandas": pd.__version__,
                "pyarrow": pa.__version__,
            },
            "start_method": start_method,
            "depends_on_batch": self._depends_on_batch(options),
            "path_columns": path_columns(self._scorer),
        }


@contextmanager
def refusing() -> Iterator[None]:
    """Turn whatever a pipeline raises, and whatever its odd answers raise in us, into `Refused`."""
    try:
        yield
    except Refused:
        raise
    except SystemExit as error:
        told = "the pipeline left by SystemExit({})".format(sendable(error.code))
        raise Refused("scoring", error, told) from None
    except BaseException as error:
        raise Refused("scoring", error) from None


def _number(value: Optional[str]) -> float:
    """A number of the example as the pipeline would have read it; NaN where it is none."""
    if value is not None and value.strip().lower() in ("true", "false"):
        return float(value.strip().lower() == "true")
    try:
        return float("nan") if value is None else float(value)
    except ValueError:
        return float("nan")


def _parameters(function: Optional[Callable[..., Any]]) -> Set[str]:
    """Names of a function's arguments, `_ANY` among them where it takes any."""
    if function is None:
        return set()
    try:
        found = inspect.signature(function).parameters
    except (TypeError, ValueError):
        # Compiled code tells none.
        return {_ANY}
    return {_ANY if p.kind == p.VAR_KEYWORD else name for name, p in found.items()}
