"""Writes benchmarks/README.md, with tables and plots, from the JSON files of the benchmarks.

A benchmark that was not run yet has no section.  Nothing is measured here.
"""

import argparse
import json
from pathlib import Path
from typing import Any

from program import RESULTS, tell
from sections import SECTIONS

INTRODUCTION = """\
# How fast, and what it costs

Written by `python benchmarks/page.py` from the files in `results/`; `make bench` measures all of it
anew. What is compared was run in turn, on the same machine, in the same minutes, so look at the
ratios. *Direct* is the pipeline in processes of its own Python, as many as cores, from Parquet to
Parquet, without Spark. *Bare* is Spark passing the same columns through a function that scores
nothing. Scoring on Spark does the work of both."""


def main() -> None:
    """Write the page from what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the JSON files")
    folder = parser.parse_args().results
    page = [INTRODUCTION]
    for name, section in SECTIONS.items():
        path = folder / f"{name}.json"
        if path.exists():
            result = json.loads(path.read_text(encoding="utf-8"))
            page += section(result["figures"], folder)
            page += [footnote(result)]
    (folder.parent / "README.md").write_text("\n\n".join(page) + "\n", encoding="utf-8")
    tell("README.md is written")


def footnote(result: dict[str, Any]) -> str:
    """How the figures above it were made, and on what."""
    machine = result["machine"]
    return (
        f"<sub>`{result['command']}`, {result['took_s']:,.0f} s; {machine['cores']} cores "
        f"({machine['processor']}), {machine['memory_gb']:.0f} GB, Linux {machine['kernel']}, "
        f"Python {machine['python']}, Spark {machine['pyspark']}, pyarrow {machine['pyarrow']}, "
        f"pandas {machine['pandas']}; median of {result['settings']['repeat']}</sub>"
    )


if __name__ == "__main__":
    main()
