"""What the `Scorer` of every DAI line does.

`scorer_1_8`, `scorer_1_9` and `scorer_1_10` give it the signatures of their line.
"""

import json
import os
import pkgutil
import sys
import threading
import time
import types
from typing import Any, Dict, List

import numpy as np
import pandas as pd

from . import (
    boosters,
    columns,
    encoding,
    fates,
    history,
    license_check,
    noise,
    recipes,
    working_folder,
)

# Stands for DAI's configuration singleton, which one pipeline's overrides own.
_CONFIGURATION = "h2oai_stand_in_configuration"


def _claim_process(experiment_id: str) -> None:
    owner = sys.modules.get(_CONFIGURATION)
    if owner is None:
        owner = types.ModuleType(_CONFIGURATION)
        owner.__dict__["experiment_id"] = experiment_id
        sys.modules[_CONFIGURATION] = owner
    elif owner.__dict__["experiment_id"] != experiment_id:
        raise RuntimeError(
            "stand-in: this process holds the configuration of experiment %s already; "
            "experiment %s needs a process of its own"
            % (owner.__dict__["experiment_id"], experiment_id)
        )


class BaseScorer(object):
    """One loaded pipeline.  Not safe for threads, and says so when two meet in it."""

    def _open(self) -> None:
        license_check.check()
        self._schema = self._load_json("schema.json")
        self._habits = self._load_json("habits.json")
        _claim_process(self._schema["experiment_id"])
        noise.chatter(self._habits["n_noise_lines"])
        working_folder.prepare()
        self._names: List[str] = self._schema["column_names"]
        self._dtypes = {c["name"]: c["dtype"] for c in self._schema["columns"]}
        self._features = encoding.with_arrays(self._schema["features"])
        self._levels = {
            name: encoding.Levels(found) for name, found in self._schema["levels"].items()
        }
        # Code from below the working directory, as DAI loads its custom recipes.
        has_recipe = self._schema["custom_recipe"]
        self._recipe = recipes.load_custom_recipe() if has_recipe else None
        self._labels = labels = self._schema["labels"]
        self._n_outputs = len(labels) if labels and len(labels) > 2 else 1
        model = self._schema["model"]
        data = pkgutil.get_data(__package__, boosters.FILES[model]) or b""
        self._booster = boosters.load(model, data, self._n_outputs)
        # Ones, since pages of zeros would be shared by all processes whatever they do.
        self._ballast = np.ones(self._habits["ballast_bytes"], dtype=np.uint8)
        self._row: Dict[str, Any] = dict.fromkeys(self._names)
        self._in_use = threading.Lock()
        self._loaded_in = os.getpid()
        time.sleep(self._habits["load_seconds"])
        fates.in_load(self._habits["fate"])
        noise.say("Scorer() loaded in process %d" % os.getpid())

    @staticmethod
    def _load_json(name: str) -> Any:
        return json.loads((pkgutil.get_data(__package__, name) or b"").decode("utf-8"))

    # -- what the pipeline says of itself -------------------------------------------------------

    def get_column_names(self) -> Any:
        """Columns that the model uses, in the scorer's own order (up to 1.8 a tuple)."""
        return list(self._names)

    def get_transformed_column_names(self) -> List[str]:
        """Names of the features."""
        return [feature["name"] for feature in self._features]

    def get_target_labels(self) -> Any:
        """Class labels, an array up to 1.8, then a list; None for a regression."""
        return list(self._labels) if self._labels else None

    def get_pred_columns(
        self, output_margin: bool = False, pred_contribs: bool = False
    ) -> List[str]:
        """Names of the columns that `score_batch` gives for these flags."""
        if pred_contribs:
            return self._contribution_names(self.get_transformed_column_names())
        target, labels = self._schema["target"], self._labels
        if labels is None:
            interval = self._schema["interval"] is not None and not output_margin
            return [target] + ([target + ".lower", target + ".upper"] if interval else [])
        shown = labels[1:] if output_margin and len(labels) == 2 else labels
        return ["%s.%s" % (target, label) for label in shown]

    def _contribution_names(self, names: List[str]) -> List[str]:
        names = ["contrib_" + name for name in names] + ["contrib_bias"]
        if self._n_outputs == 1:
            return names
        return ["%s.%s" % (name, label) for label in self._labels or () for name in names]

    # -- scoring --------------------------------------------------------------------------------

    def _score(self, row: Any, **flags: bool) -> List[float]:
        wanted, got = len(self._names), len(row)
        if wanted != got:
            raise ValueError("stand-in: a row of %d values is wanted, got %d" % (wanted, got))
        self._enter()
        try:
            # One buffer for all calls: the reason why threads may not share a scorer.
            for name, value in zip(self._names, row):
                self._row[name] = self._cast(name, value)
            frame = pd.DataFrame([self._row], columns=self._names)
            answer = self._answer(frame, flags)
        finally:
            self._in_use.release()
        return [float(value) for value in answer.values[0]]

    def _cast(self, name: str, value: Any) -> Any:
        missing = value is None or str(value) in columns.MISSING_WORDS
        if self._dtypes[name] == "object":
            return None if missing else str(value)
        return float("nan") if missing else float(value)

    def _score_batch(self, frame: Any, **flags: bool) -> Any:
        self._enter()
        try:
            return self._answer(frame, flags)
        finally:
            self._in_use.release()

    def _enter(self) -> None:
        if not self._in_use.acquire(False):
            raise RuntimeError("stand-in: two threads score with one Scorer at the same time")

    def _answer(self, frame: Any, flags: Dict[str, bool]) -> Any:
        if flags["output_margin"] and flags["pred_contribs"]:
            raise ValueError("stand-in: output_margin and pred_contribs exclude each other")
        recipes.check_recipe(self._schema["experiment_id"])
        frame = columns.take(frame, self._names, self._dtypes)
        if not len(frame):
            raise ValueError("stand-in: a frame without rows cannot be scored")
        self._read_ballast()
        fates.before_score(self._habits["fate"], frame, self._loaded_in)
        noise.say("scoring a batch of %d rows" % len(frame))
        frame = working_folder.through_file(frame, self._habits["score_seconds"])
        matrix = self._matrix(frame)
        if flags["pred_contribs"]:
            found = self._contributions(matrix, flags)
        elif flags["output_margin"]:
            found = pd.DataFrame(
                self._booster.margin(matrix), columns=self.get_pred_columns(output_margin=True)
            )
        else:
            found = self._predictions(matrix)
        return fates.after_score(self._habits["fate"], frame, found.astype(np.float32))

    def _read_ballast(self) -> None:
        """Touch every page of the ballast, as a model's trees are walked for every batch."""
        if not self._ballast[::4096].all():
            raise RuntimeError("stand-in: the ballast was overwritten")

    def _matrix(self, frame: Any) -> Any:
        schema = self._schema
        if schema["time_column"] is not None:
            frame = history.derive(
                frame, schema["time_column"], schema["group_columns"], schema["target"]
            )
        return encoding.matrix(frame, self._features, self._levels, self._recipe)

    def _predictions(self, matrix: Any) -> Any:
        found = self._booster.predict(matrix)
        if self._labels is not None and self._n_outputs == 1:
            found = np.column_stack([1.0 - found[:, 0], found[:, 0]])
        elif self._schema["interval"] is not None:
            low, high = self._schema["interval"]
            found = np.column_stack([found[:, 0], found[:, 0] + low, found[:, 0] + high])
        return pd.DataFrame(found, columns=self.get_pred_columns())

    def _contributions(self, matrix: Any, flags: Dict[str, bool]) -> Any:
        found = self._booster.contributions(matrix, flags.get("fast_approx", False))
        names = self.get_transformed_column_names()
        if flags.get("pred_contribs_original"):
            # Every column of training has its place; one that the model does not use stays 0.
            names = [column["name"] for column in self._schema["columns"]]
            summed = np.zeros((*found.shape[:2], len(names) + 1))
            for i, feature in enumerate(self._features):
                summed[:, :, names.index(feature["column"])] += found[:, :, i]
            summed[:, :, -1] = found[:, :, -1]
            found = summed
        return pd.DataFrame(found.reshape(len(matrix), -1), columns=self._contribution_names(names))
