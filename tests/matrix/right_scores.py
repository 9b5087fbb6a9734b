"""Right scores: a file for each line of Driverless AI, made once.

They come from the pipeline's own Scorer in its own Python, with no Spark and no line of dai_spark.
The file says which versions of Python and of libraries that was.
"""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any, Dict

from matrix.environments import BUILD, ROOT
from own_scorer import OwnScorer

N_ROWS = 2000
FOLDER = BUILD / "right"
# Newest release of each line, as `dai_spark.testing` writes it into an export.
RELEASES = {"1.8": "1.8.8", "1.10": "1.10.7.3", "1.11": "1.11.1"}
_ASK = """
import importlib, json, platform
told = {"Python": platform.python_version()}
for name in ("pandas", "numpy", "pyarrow", "lightgbm"):
    told[name] = importlib.import_module(name).__version__
print(json.dumps(told))
"""


def make(dai: str) -> Dict[str, Any]:
    """Make pipeline, rows and right scores, unless they are there.

    Parameters
    ----------
    dai : str
        Line of Driverless AI, as ``"1.10"``.

    Returns
    -------
    dict
        Paths by what a lane's program calls them: `pipeline`, `env`, `license_file`, `flights`
        (Parquet) and `right`: JSON, the pipeline's numbers by `flight_id`, and `made_by`, the
        versions that gave them.
    """
    from dai_spark.environments import build_environment
    from dai_spark.local.unpacked_python import unpacked_python
    from dai_spark.testing import flights_export, flights_table, license_text

    (ROOT / "build").mkdir(exist_ok=True)
    packed = build_environment(ROOT / "build" / f"dai-{dai}.tar.zst", dai=dai)
    folder = FOLDER / dai
    made = {
        "env": str(packed.path),
        "pipeline": str(folder / "scorer.zip"),
        "license_file": str(folder / "license.sig"),
        "flights": str(folder / "flights.parquet"),
        "right": str(folder / "right.json"),
    }
    if Path(made["right"]).exists():
        return made
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    python = unpacked_python(packed.path)
    words = {"dai_version": RELEASES[dai], "n_trees": 20, "n_train_rows": 4000}
    flights_export(made["pipeline"], python=python, **words)
    license_file = Path(made["license_file"])
    license_file.touch(mode=0o600)
    license_file.write_text(license_text())
    table = flights_table().drop(columns=["late", "delay", "arrival"])
    rows = table.iloc[:: len(table) // N_ROWS].reset_index(drop=True)
    rows.to_parquet(made["flights"])
    (folder / "own").mkdir()
    own = OwnScorer(made["pipeline"], folder / "own", python, license_text())
    try:
        scores = own.score(rows)
    finally:
        own.close()
    # A float of 32 bits is exact as one of 64, and Python writes those so that they are read back.
    asked = [str(python), "-c", _ASK]
    told = subprocess.run(asked, stdout=subprocess.PIPE, check=True, timeout=60).stdout
    right = {
        "made_by": {"Driverless AI": RELEASES[dai], **json.loads(told)},
        "columns": list(scores.columns),
        "dtypes": [str(dtype) for dtype in scores.dtypes],
        "scores": [
            [int(key), [float(value) for value in row]]
            for key, row in zip(rows["flight_id"], scores.itertuples(index=False))
        ],
    }
    Path(made["right"]).write_text(json.dumps(right), encoding="utf-8")
    return made
