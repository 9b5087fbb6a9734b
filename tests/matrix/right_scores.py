"""The one file of right scores: made once, by the pipeline's own Scorer in its own Python."""

import json
import shutil
from pathlib import Path
from typing import Any, Dict

from matrix.environments import BUILD, ROOT
from own_scorer import OwnScorer

N_ROWS = 2000
FOLDER = BUILD / "right"


def make() -> Dict[str, Any]:
    """Make pipeline, rows and right scores, unless they are there.

    Returns
    -------
    dict
        Paths by what a lane's program calls them: `pipeline`, `env`, `license_file`, `flights`
        (Parquet) and `right`: JSON, the pipeline's numbers by `flight_id`.
    """
    from dai_spark.environments import build_environment
    from dai_spark.local.unpacked_python import unpacked_python
    from dai_spark.testing import flights_export, flights_table, license_text

    (ROOT / "build").mkdir(exist_ok=True)
    packed = build_environment(ROOT / "build" / "dai-1.10.tar.zst", dai="1.10")
    made = {
        "env": str(packed.path),
        "pipeline": str(FOLDER / "scorer.zip"),
        "license_file": str(FOLDER / "license.sig"),
        "flights": str(FOLDER / "flights.parquet"),
        "right": str(FOLDER / "right.json"),
    }
    if Path(made["right"]).exists():
        return made
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    python = unpacked_python(packed.path)
    flights_export(made["pipeline"], python=python, n_trees=20, n_train_rows=4000)
    license_file = Path(made["license_file"])
    license_file.touch(mode=0o600)
    license_file.write_text(license_text())
    table = flights_table().drop(columns=["late", "delay", "arrival"])
    rows = table.iloc[:: len(table) // N_ROWS].reset_index(drop=True)
    rows.to_parquet(made["flights"])
    (FOLDER / "own").mkdir()
    own = OwnScorer(made["pipeline"], FOLDER / "own", python, license_text())
    try:
        scores = own.score(rows)
    finally:
        own.close()
    # A float of 32 bits is exact as one of 64, and Python writes those so that they are read back.
    right = {
        "columns": list(scores.columns),
        "dtypes": [str(dtype) for dtype in scores.dtypes],
        "scores": [
            [int(key), [float(value) for value in row]]
            for key, row in zip(rows["flight_id"], scores.itertuples(index=False))
        ],
    }
    Path(made["right"]).write_text(json.dumps(right), encoding="utf-8")
    return made
