"""The pipelines that score: stand-ins of real models, built once for their arguments."""

import hashlib
from pathlib import Path
from typing import Any

from direct import ENVIRONMENT, FOLDER, ROOT
from program import tell
from tables import FEATURES, TARGET, joined_flights

from dai_spark.local.unpacked_python import unpacked_python
from dai_spark.testing import build_export

TRAINING_ROWS = 100_000


def flights_pipeline(n_trees: int, **options: Any) -> Path:
    """Build a pipeline that reads the benchmarks' 22 columns, unless it lies there already.

    Parameters
    ----------
    n_trees : int
        The model's weight.
    **options
        Further arguments of `dai_spark.testing.build_export`.
    """
    options = {"python": unpacked_python(ENVIRONMENT), **options}
    told = repr([n_trees, sorted((name, str(value)) for name, value in options.items())])
    digest = hashlib.sha256(told.encode() + _sources()).hexdigest()[:10]
    path = FOLDER / "exports" / f"flights-{n_trees}-trees-{digest}.zip"
    if not path.exists():
        tell(f"training {n_trees} trees on {TRAINING_ROWS:,} flights")
        build_export(
            path,
            joined_flights(),
            TARGET,
            kind="binomial",
            features=FEATURES,
            n_trees=n_trees,
            n_train_rows=TRAINING_ROWS,
            timeout_s=1800,
            **options,
        )
    return path


def _sources() -> bytes:
    """A digest of what builds stand-ins; another one makes them anew."""
    found = hashlib.sha256()
    for path in sorted((ROOT / "dai_spark" / "testing").rglob("*.py")):
        found.update(path.read_bytes())
    return found.digest()
