"""A pipeline scored by itself, which is what is right: no line of dai_spark runs there."""

import json
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class OwnScorer:
    """A pipeline's own `Scorer` in a process of its own Python, which knows nothing of dai_spark.

    The wheel's content is all that is installed; the pipeline's pandas reads a Parquet file, and
    one call of `score_batch` scores it.
    """

    def __init__(self, path, folder, python, license_text):
        from dai_spark import ScoringPipeline

        pipeline = ScoringPipeline(path)
        for member in pipeline.members:
            if member.startswith("tmp/"):
                (folder / member).parent.mkdir(parents=True, exist_ok=True)
                pipeline.extract_member(member, (folder / member).parent)
        wheel = pipeline.extract_member(pipeline.wheel_name, folder)
        environment = {
            "DRIVERLESS_AI_LICENSE_KEY": license_text,
            "OMP_NUM_THREADS": "1",
            "HOME": str(folder),
            "PATH": "/usr/bin:/bin",
            "LD_LIBRARY_PATH": str(Path(python).parent.parent / "lib"),
        }
        script = str(ROOT / "tests" / "direct_scoring.py")
        self._folder = folder
        self._log = (folder / "own.log").open("wb")
        self._process = subprocess.Popen(
            [str(python), script, str(wheel), pipeline.package],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
        )

    def score(self, frame, **arguments):
        """The scores of a pandas frame; `arguments` are those of `score_batch`."""
        import pandas as pd

        frame.to_parquet(self._folder / "rows.parquet")
        words = json.dumps(["rows.parquet", "scores.parquet", arguments])
        self._process.stdin.write(f"{words}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer == "done\n", (self._folder / "own.log").read_text(errors="replace")[-3000:]
        return pd.read_parquet(self._folder / "scores.parquet")

    def close(self):
        """End the process."""
        self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(20)
        self._process.stdout.close()
        self._log.close()
