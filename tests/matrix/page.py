"""Results of lanes, kept in results.json, and docs/matrix.md, which says what they are."""

import json
from pathlib import Path
from typing import Any, Dict, List, Tuple

from matrix.lanes import LANES

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = Path(__file__).resolve().parent / "results.json"
PAGE = ROOT / "docs" / "matrix.md"
HEAD = """\
# Versions

`make test-matrix` writes this page from what it found.
Each line is an environment made by uv as a user would make it.
The same 2,005 flights were scored in it in each way, by a pipeline of that line of Driverless AI.
A score is right if it has the bits that the pipeline's own `Scorer` gives in its own Python.
Each row must have its own score, and be there once.
The seconds are those in which the environment was made, and those of all ways together.

"""
COLUMNS = ("Spark", "Python", "pandas", "pyarrow", "numpy")
RESULT = ("pipeline", "settings, jars", "ways", "outcome", "tested", "made in (s)", "scored in (s)")
PIPELINE = ("Driverless AI", "Python", "pandas", "numpy", "pyarrow", "lightgbm")
MEANING = """\
*The ways, and in how many lanes:* {ways}

*What gave the right scores:* the pipelines' own `Scorer`, with no Spark and no dai_spark, in

{right}

`least` has the least pandas and pyarrow that dai_spark and this Spark allow, the others the newest.
`dai_spark[spark]` wants pandas below 3.
Tasks read files themselves with pyarrow 11 or later, so the lane of pyarrow 4 leaves that way out.
Python 3.14 was Debian's, of a suite newer than the system's, with its own C library.
Spark 4.0.5 and 4.2.1 were tried on it once (2026-11-27) and were right.
Spark 3.5 cannot be installed there, since it wants numpy below 2.
`tables` has the table job's ways into Delta and Iceberg.
Iceberg has no jar for Spark 4.2 yet, and for 4.3 neither has.
Connect is tried from Spark 4.0 on: the server of 3.5 is a jar apart, and there is none of 3.5.9.
A lane of settings has one that a session is started with.

What is tried with Spark 4.1.1 alone, and by which tests:

- a client of `pyspark-client` alone, with a server started apart, one version behind it and one
  ahead: `tests/cluster/test_connect_fates.py`
- settings of a running session (Arrow, large types, ANSI, adaptive queries):
  `tests/spark/test_session_settings.py`
- local-cluster, standalone and YARN: `tests/cluster/test_local_cluster.py`,
  `tests/cluster/test_standalone.py`, `tests/cluster/test_yarn.py`
- containers, and what Kubernetes starts in them: `tests/image/test_image.py`
- every mode of the table job, on Delta and Iceberg: `tests/spark/test_table_modes.py`

To run all lanes, one, or the two whose turn it is today:

```sh
make test-matrix
make test-matrix LANES="spark-4.3.0-py3.13"
make test-matrix LANES=--today
```
"""


def as_text(results: Any) -> str:
    """JSON as it lies in files."""
    return json.dumps(results, indent=1, sort_keys=True) + "\n"


def read() -> Dict[str, Dict[str, Any]]:
    """The results that are kept, by lane."""
    kept: Dict[str, Dict[str, Any]] = {}
    if RESULTS.exists():
        kept = json.loads(RESULTS.read_text(encoding="utf-8"))
    return kept


def record(result: Dict[str, Any]) -> None:
    """Keep a lane's result in place of its last one, and write the page."""
    kept = {**read(), result["lane"]: result}
    kept = {lane.name: kept[lane.name] for lane in LANES if lane.name in kept}
    RESULTS.write_text(as_text(kept), encoding="utf-8")
    PAGE.write_text(page(kept), encoding="utf-8")


def page(results: Dict[str, Dict[str, Any]]) -> str:
    """The page of these results."""
    lines = _table(("lane", *COLUMNS, *RESULT))
    groups: Dict[str, int] = {}
    pipelines: Dict[str, Tuple[str, ...]] = {}
    for lane in LANES:
        if lane.name not in results:
            empty = len(COLUMNS) + len(RESULT) - 4
            lines.append(f"| `{lane.name}` |" + " |" * empty + " not yet tested | | | |")
            continue
        result = results[lane.name]
        versions = {**result["versions"], "Spark": result["versions"].get("pyspark", "none")}
        versions["Python"] = versions.get("python", lane.python)
        cells = [f"`{lane.name}`", *(versions.get(name, "") for name in COLUMNS)]
        cells.append(lane.dai)
        told = [f"`{name}={value}`" for name, value in lane.settings.items()]
        told += [f"`{jar.partition(':')[2]}`" for jar in lane.tables]
        cells.append(", ".join(told))
        n_right = sum(told == "right" for told in result["ways"].values())
        cells += [f"{n_right} of {len(result['ways'])}", result["outcome"]]
        cells += [result["date"], str(result["install_seconds"]), str(result["seconds"])]
        lines.append(f"| {' | '.join(cells)} |")
        for way in result["ways"]:
            groups[way] = groups.get(way, 0) + 1
        if result.get("pipeline"):
            pipelines[lane.dai] = tuple(result["pipeline"][name] for name in PIPELINE)
    ways = "; ".join(f"{way} ({n})" for way, n in sorted(groups.items()))
    rows = sorted(pipelines.items(), key=lambda item: tuple(map(int, item[0].split("."))))
    right = _table(PIPELINE) + [f"| {' | '.join(row)} |" for _, row in rows]
    meaning = MEANING.format(ways=ways or "none yet", right="\n".join(right))
    return f"{HEAD}{chr(10).join(lines)}\n\n{meaning}"


def _table(names: Tuple[str, ...]) -> List[str]:
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|"]
