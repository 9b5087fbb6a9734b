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
import traceback
from typing import Any, Callable, Dict, List, Optional, Set

import pandas as pd
import pyarrow as pa

from ..memory import peak_bytes
from . import frames
from .path_columns import path_columns

# Enough for one to be in another's past.
_N_EXAMPLE_ROWS = 3


class Refused(Exception):
    """An error object of the protocol, to be sent as it is."""

    def __init__(self, kind: str, error: BaseException, message: Optional[str] = None) -> None:
        text = str(error) if message is None else message
        Exception.__init__(self, text)
        # The pipeline's own frames only: ours tell a reader of the traceback nothing.
        lines = traceback.format_exception(type(error), error, error.__traceback__)
        self.data = {
            "kind": kind,
            "type": type(error).__name__,
            "message": text,
            "traceback": "".join(lines),
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
    """

    def __init__(self, package: str, samples: List[List[Any]]) -> None:
        self._samples = samples
        begun = time.monotonic()
        try:
            module = importlib.import_module(package)
            self._scorer = module.Scorer()
        except SystemExit as error:
            raise Refused(
                "license",
                error,
                "Scorer() left by SystemExit({}), which is what it does when it finds no valid "
                "licence".format(error.code),
            ) from None
        except BaseException as error:
            raise Refused("load", error) from None
        # Of score_batch; looked up once and not for each batch.
        self._known: Optional[Set[str]] = None
        self.loaded_at = time.monotonic()
        self.load_s = self.loaded_at - begun
        # Said once a construction, so that the log tells how often it happened.
        print("dai_spark: Scorer() constructed in {:.2f} s".format(self.load_s))
        sys.stdout.flush()

    def _arguments(self, options: Dict[str, Any]) -> Dict[str, bool]:
        if self._known is None:
            self._known = _parameters(self._scorer.score_batch)
        known = self._known
        contributions = options.get("contributions")
        arguments = {
            "output_margin": bool(options.get("margin")),
            "pred_contribs": contributions is not None,
            "pred_contribs_original": contributions == "original",
            "fast_approx": bool(options.get("fast_approx")),
            "apply_data_recipes": bool(options.get("apply_data_recipes")),
        }
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
        """Score a frame of one row or more and return the pipeline's answer, row for row."""
        arguments = self._arguments(options)
        try:
            answer: Any = self._scorer.score_batch(frame, **arguments)
        except SystemExit as error:
            raise Refused(
                "scoring", error, "the pipeline left by SystemExit({})".format(error.code)
            ) from None
        except BaseException as error:
            raise Refused("scoring", error) from None
        if not isinstance(answer, pd.DataFrame):
            answer = pd.DataFrame(answer)
        if len(answer) != len(frame):
            wrong = ValueError(
                "the pipeline answered {} rows for {}".format(len(answer), len(frame))
            )
            raise Refused("scoring", wrong)
        scored: pd.DataFrame = answer
        return scored

    def probe_frame(self, number: int = 0) -> pd.DataFrame:
        """One row of the export's own example, for the columns that the scorer uses.

        Where the example is shorter, or has no value there, its first value stands.
        """
        known = {name: (dtype, values) for name, dtype, values in self._samples}
        columns = {}
        for name in self._scorer.get_column_names():
            dtype, values = known.get(name, ("object", []))
            value = next((v for v in values[number:] + values if v is not None), None)
            if dtype != "object" and not dtype.startswith(("str", "datetime")):
                columns[name] = pd.Series([float("nan") if value is None else float(value)])
            else:
                columns[name] = pd.Series([value], dtype="object")
        frame: pd.DataFrame = pd.DataFrame(columns)
        return frame

    def _depends_on_batch(self, options: Dict[str, Any]) -> bool:
        """Whether rows of the example have other scores together than each alone."""
        rows = [self.probe_frame(number) for number in range(_N_EXAMPLE_ROWS)]
        together = pd.concat(rows, ignore_index=True)
        try:
            whole = self.score(together, options)
            alone = [self.score(row, options) for row in rows]
        except Refused:
            # An export whose other example rows cannot be scored may score the table's.
            return False
        return not whole.equals(pd.concat(alone, ignore_index=True))

    def describe(self, options: Dict[str, Any], start_method: str) -> Dict[str, Any]:
        """What DESCRIPTION says; scores the probe row with these options to learn its shape."""
        answer = self.score(self.probe_frame(), options)
        labels = self._scorer.get_target_labels()
        methods = ("score", "score_batch")
        return {
            "columns": [str(name) for name in self._scorer.get_column_names()],
            "output": frames.output_types(answer),
            "labels": None if labels is None else [str(label) for label in labels],
            "signatures": {m: sorted(_parameters(getattr(self._scorer, m))) for m in methods},
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


def _parameters(function: Callable[..., Any]) -> Set[str]:
    return set(inspect.signature(function).parameters)
