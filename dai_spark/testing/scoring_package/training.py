"""Trains the model of a stand-in: `python -m stand_in.training FOLDER`, in the pipeline's Python.

Reads `table.arrow` (an Arrow stream) and `spec.json` from FOLDER, writes `trained.json` and the
model file there.  Not part of the wheel.  One thread and fixed seeds: equal tables give equal
bytes.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np
import pyarrow

from . import boosters, encoding, history, recipes

_SEED = 1
_INTERVAL = (5.0, 95.0)


def _read_table(folder: Path) -> Any:
    with (folder / "table.arrow").open("rb") as file:
        return pyarrow.ipc.open_stream(file).read_all().to_pandas()


def _own_order(names: List[str]) -> List[str]:
    """Return an order that is neither the table's nor the alphabet's: a scorer has its own."""
    mixed = sorted(names, key=lambda name: hashlib.sha256(name.encode("utf-8")).hexdigest())
    return mixed if mixed != names else mixed[::-1]


def _features(table: Any, spec: Dict[str, Any], targets: Any) -> Tuple[Any, Any, Any, Any]:
    """Return the used columns, levels, features and the training matrix."""
    used, levels, features, parts = [], {}, [], []
    recipe = recipes.load_custom_recipe() if spec["custom_recipe"] else None
    for index, column in enumerate(spec["columns"]):
        name = column["name"]
        values = table[name].values
        derived: List[str] = []
        if name == spec["time_column"]:
            derived = [history.HOUR, history.DAY, history.HOURS_SINCE]
        elif name == spec["target"]:
            derived = [history.LAST]
        if derived:
            for source in derived:
                title = "%d_%s:%s" % (index, source.title().replace(" ", ""), name)
                features.append({"name": title, "column": name, "source": source})
                parts.append(table[source].values[:, None])
        elif table[name].nunique(dropna=False) < 2:
            continue  # A constant column is dropped from the model, as DAI drops it.
        elif column["dtype"] == "object":
            levels[name], found, part = encoding.fit_text(index, name, values, targets)
            features.extend(found)
            parts.append(part)
        else:
            features.append({"name": "%d_%s" % (index, name), "column": name, "source": name})
            parts.append(values[:, None])
            if recipe is not None:
                title = "%d_RemainderTransformer:%s" % (index, name)
                features.append({"name": title, "column": name, "source": name, "recipe": True})
                parts.append(recipe.transform(values)[:, None])
        used.append(name)
    return used, levels, features, np.column_stack(parts).astype(np.float64)


def _train_lightgbm(matrix: Any, target: Any, kind: str, n_classes: int, n_trees: int) -> bytes:
    import lightgbm

    settings = {
        "objective": {"binomial": "binary", "multinomial": "multiclass"}.get(kind, "regression"),
        "num_class": n_classes if kind == "multinomial" else 1,
        "learning_rate": 0.1,
        "num_leaves": 31,
        "min_data_in_leaf": max(1, min(20, len(target) // 20)),
        "num_threads": 1,
        "seed": _SEED,
        "deterministic": True,
        "force_row_wise": True,
        "verbosity": -1,
    }
    data = lightgbm.Dataset(matrix, target, params={"verbosity": -1})
    booster = lightgbm.train(settings, data, num_boost_round=n_trees)
    text: str = booster.model_to_string()
    return text.encode("utf-8")


def _train_xgboost(matrix: Any, target: Any, kind: str, n_classes: int, n_trees: int) -> bytes:
    import xgboost

    names = {"binomial": "binary:logistic", "multinomial": "multi:softprob"}
    settings = {
        "objective": names.get(kind, "reg:squarederror"),
        "eta": 0.1,
        "max_depth": 6,
        "tree_method": "hist",
        "nthread": 1,
        "seed": _SEED,
    }
    if kind == "multinomial":
        settings["num_class"] = n_classes
    booster = xgboost.train(settings, xgboost.DMatrix(matrix, target), num_boost_round=n_trees)
    return bytes(booster.save_raw())


def main(folder: Path) -> None:
    """Train, and write what the scoring package needs to know."""
    spec = json.loads((folder / "spec.json").read_text(encoding="utf-8"))
    table = _read_table(folder)
    kind, name = spec["kind"], spec["target"]
    if kind == "timeseries":
        # A third of the targets is withheld, so that gaps of any length are met in training.
        withheld = table.copy()
        withheld.loc[np.random.RandomState(_SEED).rand(len(table)) < 0.33, name] = np.nan
        given = table[name]
        table = history.derive(withheld, spec["time_column"], spec["group_columns"], name)
        table[name] = given
    table = table[table[name].notnull()].reset_index(drop=True)
    labels = None
    if kind in ("binomial", "multinomial"):
        labels = sorted(set(table[name]))
        target = np.searchsorted(np.asarray(labels, dtype=object), table[name].values)
        targets = np.eye(len(labels))[target]
        # Two classes need one mean: the other is its complement.
        targets = targets[:, 1:] if len(labels) == 2 else targets
    else:
        target = table[name].values.astype(np.float64)
        targets = target[:, None]
    used, levels, features, matrix = _features(table, spec, targets)
    train = {"lightgbm": _train_lightgbm, "xgboost": _train_xgboost}[spec["model"]]
    data = train(matrix, target, kind, len(labels or ()), spec["n_trees"])
    interval = None
    if spec["intervals"]:
        predicted = boosters.load(spec["model"], data, 1).predict(matrix)[:, 0]
        interval = np.percentile(target - predicted, _INTERVAL).tolist()
    trained = {
        "labels": labels,
        "used_columns": used,
        "column_names": _own_order(used),
        "levels": levels,
        "features": features,
        "interval": interval,
    }
    (folder / boosters.FILES[spec["model"]]).write_bytes(data)
    (folder / "trained.json").write_text(json.dumps(trained), encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
