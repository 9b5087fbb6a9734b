"""A stand-in export unpacked, and scripts run in its own Python."""

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

from dai_spark.testing import (
    license_text,
)

TIMEOUT_S = 60


# Runs before each script in the pipeline's Python.
PRELUDE = """
import json, os, sys
import numpy as np, pandas as pd
def tell(**found):
    with open("told.json", "w") as file:
        json.dump(found, file, default=lambda v: v.tolist())
def make():
    return __import__(os.environ["PACKAGE"], fromlist=["Scorer"]).Scorer()
def rows(name="rows.csv"):
    kept = dict(keep_default_na=False, na_values=[""])
    return pd.read_csv(os.path.join(os.environ["HERE"], name), **kept)
"""


class Installed:
    """An export unpacked, with its wheel's files beside it."""

    def __init__(self, export, folder, python):
        self.root, self.library, self.python = folder / "root", folder / "library", str(python)
        with zipfile.ZipFile(export) as archive:
            archive.extractall(self.root)
        (wheel,) = self.root.glob("scoring_h2oai_experiment_*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.library)
        self.package = wheel.name.split("-")[0]
        self.schema = json.loads((self.library / self.package / "schema.json").read_text())

    def folder(self, path):
        """Return a new working directory that holds the export's tmp/."""
        shutil.copytree(self.root / "tmp", path / "tmp")
        return path

    def with_habits(self, folder, **habits):
        """Return a copy with other habits: it is the same experiment, not trained again."""
        copy = object.__new__(Installed)
        copy.__dict__.update(self.__dict__, library=folder / "library")
        shutil.copytree(self.library, copy.library)
        path = copy.library / copy.package / "habits.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **habits}))
        return copy

    def start(self, script, cwd, **environment):
        """Start a script in the pipeline's Python, in the working directory `cwd`."""
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(cwd),
            "HERE": str(self.root.parent),
            "PACKAGE": self.package,
            "PYTHONPATH": str(self.library),
            "OMP_NUM_THREADS": "1",
            "DRIVERLESS_AI_LICENSE_KEY": license_text(),
            **environment,
        }
        return subprocess.Popen(
            [self.python, "-c", PRELUDE + script],
            cwd=cwd,
            env={name: value for name, value in variables.items() if value is not None},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script, cwd, **environment):
        """Run a script to its end; the process has `told`, what it passed to tell()."""
        process = self.start(script, cwd, **environment)
        return finish(process, cwd)


def finish(process, cwd):
    """Wait for a process, at most TIMEOUT_S; kill it then."""
    try:
        process.out, process.err = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    told = Path(cwd) / "told.json"
    process.told = json.loads(told.read_text()) if told.exists() else None
    return process
