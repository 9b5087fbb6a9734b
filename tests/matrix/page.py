"""Results of lanes, kept in results.json, and docs/matrix.md, which says what they are."""

import json
from pathlib import Path
from typing import Any, Dict

from matrix.lanes import LANES

ROOT = Path(__file__).resolve().parent.parent.parent
RESULTS = Path(__file__).resolve().parent / "results.json"
PAGE = ROOT / "docs" / "matrix.md"
HEAD = """\
# Versions

`make test-matrix` writes this page from what it found.
Each line is an environment made by uv as a user would make it.
The same 2,005 flights were scored in it by the same pipeline (Driverless AI 1.10) in each way.
A score is right if it has the bits that the pipeline's own `Scorer` gives in its own Python.
Each row must have its own score, and be there once.

"""
COLUMNS = ("Spark", "Python", "pandas", "pyarrow", "numpy")
MEANING = """\
*The ways, and in how many lanes:* {ways}

`least` has the least pandas and pyarrow that dai_spark and this Spark allow, the others the newest.
`dai_spark[spark]` wants pandas below 3.
Connect is tried from Spark 4.0 on: the server of 3.5 is a jar apart, and there is none of 3.5.9.
A lane of settings has one that a session is started with.
Those that are set in a running session are tried in `tests/spark/test_session_settings.py`.

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
    lines = [
        f"| lane | {' | '.join(COLUMNS)} | settings | ways | outcome | tested | seconds |",
        "|---|" + "---|" * (len(COLUMNS) + 5),
    ]
    groups: Dict[str, int] = {}
    for lane in LANES:
        if lane.name not in results:
            lines.append(f"| `{lane.name}` |" + " |" * (len(COLUMNS) + 2) + " not yet tested | | |")
            continue
        result = results[lane.name]
        versions = {**result["versions"], "Spark": result["versions"].get("pyspark", "none")}
        versions["Python"] = versions.get("python", lane.python)
        cells = [f"`{lane.name}`", *(versions.get(name, "") for name in COLUMNS)]
        cells.append(", ".join(f"`{name}={value}`" for name, value in lane.settings.items()))
        n_right = sum(told == "right" for told in result["ways"].values())
        cells += [f"{n_right} of {len(result['ways'])}", result["outcome"]]
        cells += [result["date"], str(result["seconds"])]
        lines.append(f"| {' | '.join(cells)} |")
        for way in result["ways"]:
            groups[way] = groups.get(way, 0) + 1
    ways = "; ".join(f"{way} ({n})" for way, n in sorted(groups.items()))
    return f"{HEAD}{chr(10).join(lines)}\n\n{MEANING.format(ways=ways or 'none yet')}"
