"""The smoke test: an environment scores the export's own example rows, as an executor would."""

import csv
import json
import shutil
from pathlib import Path
from typing import Any, Dict, NamedTuple, Optional, Set, Tuple

from dai_spark.artifacts.license import License
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.envbuild.check.sandbox import Sandbox
from dai_spark.host.child_environment import child_environment
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import ShippedFile
from dai_spark.unpack.folders import pipeline_folder, sidecar_source

__all__ = ["SmokeTest", "run_smoke_test"]

_RUN = """
import sys
sys.path.insert(0, sys.argv[1])
from dai_spark_sidecar.pipeline.check_main import main
main()
"""


class SmokeTest(NamedTuple):
    """The result of a smoke test.

    Attributes
    ----------
    n_rows : int
        Rows of the example.
    output : tuple of str
        Names of the columns of the answer.
    load_s, score_s : float
        Seconds that `Scorer()` and scoring the rows took.
    memory_bytes : int
        Largest resident size.
    unused : tuple of str
        Packages that the example loaded nothing of.
    openblas : str or None
        A sentence where several copies of OpenBLAS are loaded and one is visible to all.
    """

    n_rows: int
    output: Tuple[str, ...]
    load_s: float
    score_s: float
    memory_bytes: int
    unused: Tuple[str, ...]
    openblas: Optional[str] = None

    def text(self) -> str:
        """Return one line for a terminal.

        Returns
        -------
        str
        """
        return (
            f"{self.n_rows} rows of the export's example in {self.score_s:.2f} s: "
            f"{', '.join(self.output[:6])}{', ...' if len(self.output) > 6 else ''} "
            f"(Scorer() took {self.load_s:.1f} s, {self.memory_bytes / 1e6:,.0f} MB)"
        )


def run_smoke_test(
    sandbox: Sandbox,
    root: Path,
    interpreter: str,
    pipeline: ScoringPipeline,
    license: Optional[License],
) -> Tuple[Optional[SmokeTest], str]:
    """Load the scorer and score the example's rows.

    Parameters
    ----------
    sandbox : Sandbox
        Where the environment runs.
    root : Path
        Folder of the sandbox, which holds ``environment``.
    interpreter : str
        Path of the environment's Python within ``environment``.
    pipeline : ScoringPipeline
        The export.
    license : License, optional
        The licence that the pipeline needs.

    Returns
    -------
    result : SmokeTest or None
        None where it failed.
    problem : str
        A sentence on why it failed; empty where it did not.
    """
    slim = ShippedFile("path", str(pipeline.slim_path), pipeline.digest, str(pipeline.path))
    unpacked = pipeline_folder(slim, ScoringOptions().start_timeout_s)
    shutil.copytree(unpacked, root / "pipeline")
    shutil.copytree(sidecar_source(), root / "sidecar")
    (root / "work").mkdir()
    variables = child_environment(Path(sandbox.path("environment")), root / "pipeline", {})
    request = {
        "pipeline_folder": sandbox.path("pipeline"),
        "work_folder": sandbox.path("work/scorer"),
        "license": license.reveal() if license is not None else None,
    }
    python = sandbox.path(f"environment/{interpreter}")
    ended = sandbox.run(
        [python, "-s", "-X", "utf8", "-c", _RUN, sandbox.path("sidecar")],
        {**variables, "HOME": sandbox.path("work")},
        json.dumps(request),
    )
    try:
        answer: Dict[str, Any] = json.loads(ended.stdout.strip().rpartition("\n")[2])
    except ValueError:
        said = (ended.stderr.strip() or ended.stdout.strip())[-2000:]
        return None, f"scoring the export's example ended with code {ended.returncode}: {said}"
    error = answer.get("error")
    if error is not None and error["kind"] == "license":
        return None, (
            f"{error['message']}; give --license-file, or set DRIVERLESS_AI_LICENSE_FILE, so that "
            "the example can be scored"
        )
    if error is not None:
        last = error["traceback"].strip().rpartition("\n")[2] or error["message"]
        return None, f"the export's own example cannot be scored in it: {last}"
    home = Path(sandbox.path("environment"))
    loaded = {
        Path(path).relative_to(home) for path in answer["modules"] if home in Path(path).parents
    }
    return SmokeTest(
        n_rows=answer["n_rows"],
        output=tuple(name for name, _ in answer["output"]),
        load_s=answer["load_s"],
        score_s=answer["score_s"],
        memory_bytes=answer["memory_bytes"],
        unused=_unused(root / "environment", loaded),
        openblas=answer["openblas"],
    ), ""


def _unused(home: Path, loaded: Set[Path]) -> Tuple[str, ...]:
    """Name the packages that have modules, but none that was loaded."""
    found = []
    for record in sorted(home.rglob("*.dist-info/RECORD")):
        site = record.parent.parent.relative_to(home)
        with record.open(encoding="utf-8", newline="") as stream:
            files = {site / row[0] for row in csv.reader(stream)}
        modules = {path for path in files if path.suffix in (".py", ".so")}
        if modules and not modules & loaded:
            found.append(record.parent.name.partition("-")[0])
    return tuple(found)
