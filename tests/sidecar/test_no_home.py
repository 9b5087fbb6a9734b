"""A user without a home and without an entry in passwd, as containers have them."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

UID = 54_321
# Files of root's Python are read with root's right to read, and with no other of its rights.
SETPRIV = [
    *("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups"),
    *("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"),
]
SCRIPT = """
import json, pandas as pd
from dai_spark import PackedEnvironment, ScoringPipeline, open_scorer, score_pandas
from dai_spark.errors import DaiSparkError
from dai_spark.host.child_environment import child_environment
from pathlib import Path
told, frame = {}, pd.DataFrame()
for name, ask in {
    "pipeline": lambda: ScoringPipeline("~/x.zip"),
    "environment": lambda: PackedEnvironment("~/x.tar.gz"),
    "score": lambda: score_pandas(frame, "~/x.zip", "/gone"),
    "open": lambda: open_scorer(PIPELINE, "~/x.tar.gz"),
}.items():
    try:
        ask()
    except DaiSparkError as error:
        told[name] = error.message
told["digest"] = ScoringPipeline(PIPELINE).digest
variables = child_environment(Path("/gone"), Path("/gone"), {})
print(json.dumps([told, {name: variables[name] for name in ("HOME", "USER", "LOGNAME")}]))
"""


@pytest.mark.skipif(
    os.getuid() != 0 or shutil.which("setpriv") is None, reason="only root becomes another user"
)
def test_a_user_without_home_reads_exports_and_is_told_of_paths_at_home(export, tmp_path):
    """`~` leads nowhere for such a user; a sidecar has the cache's folder as its home."""
    cache = tmp_path / "cache"
    cache.mkdir(mode=0o700)
    os.chown(cache, UID, UID)
    path = tmp_path / "scorer.zip"
    shutil.copyfile(export(), path)
    variables = {
        "PATH": "/usr/bin:/bin",
        "PYTHONPATH": str(Path(__file__).resolve().parents[2]),
        "PYTHONDONTWRITEBYTECODE": "1",
        "DAI_SPARK_CACHE": str(cache),
    }
    script = SCRIPT.replace("PIPELINE", repr(str(path)))
    done = subprocess.run(
        [*SETPRIV, sys.executable, "-c", script],
        env=variables,
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told, variables = json.loads(done.stdout)
    assert variables == {"HOME": str(cache), "USER": str(UID), "LOGNAME": str(UID)}
    assert len(told.pop("digest")) == 64
    assert sorted(told) == ["environment", "open", "pipeline", "score"]
    for message in told.values():
        assert "leads nowhere on this host (Could not determine home directory" in message
