"""A pipeline that writes down what it is given: the far end of a row's way, to be looked at."""

import json
import zipfile
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

PACKAGE = "scoring_h2oai_experiment_ec40"
# Named in the sidecar's environment: the file to write, a line of JSON a batch.
VARIABLE = "ECHO_FILE"

_SCORER = f"""
import json
import os

import numpy as np
import pandas as pd

NAMES = {{names!r}}

class Scorer(object):
    def get_column_names(self):
        return NAMES

    def get_target_labels(self):
        return None

    def get_transformed_column_names(self):
        return {{features!r}}

    def score(self, row, output_margin=False, pred_contribs=False):
        return [0.0]

    def score_batch(self, frame, output_margin=False, pred_contribs=False):
        given = {{{{name: [str(frame[name].dtype), [repr(value) for value in frame[name]]]
                 for name in NAMES}}}}
        with open(os.environ[{VARIABLE!r}], "a") as file:
            file.write(json.dumps(given) + "\\n")
        return pd.DataFrame({{{{"y": np.zeros(len(frame), dtype=np.float32)}}}})
"""
_EXAMPLE = {"number": "pd.Series(['1'], name={!r}, dtype='float32')\n",
            "text": "pd.Series(['a'], name={!r}, dtype='object')\n",
            "unknown": "# {!r}\n"}  # fmt: skip


def build_echo(
    path: Path, columns: Sequence[Tuple[str, str]], features: Sequence[str] = ()
) -> Path:
    """Write an export of it as a zip: `columns` are names and what it wants of each.

    What it wants is ``"number"``, ``"text"``, or ``"unknown"``: then the export does not tell.
    `features` are names of what the pipeline makes of them.
    """
    wheel = path.with_name(f"{PACKAGE}-1.0.0-py3-none-any.whl")
    with zipfile.ZipFile(wheel, "w") as archive:
        source = _SCORER.format(names=[name for name, _ in columns], features=list(features))
        archive.writestr(f"{PACKAGE}/__init__.py", source)
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(wheel, f"scoring-pipeline/{wheel.name}")
        example = "".join(_EXAMPLE[kind].format(name) for name, kind in columns)
        archive.writestr("scoring-pipeline/example.py", example)
    wheel.unlink()
    return path


def last_given(file: Path) -> Dict[str, Tuple[str, List[str]]]:
    """What it got with its last batch: for each column dtype and values, as Python says them."""
    given: Dict[str, Tuple[str, List[str]]] = json.loads(file.read_text().splitlines()[-1])
    return given
