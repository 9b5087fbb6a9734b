"""The command line as a process: what it imports, and by which names it is started."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from dai_spark import environments

ROOT = Path(__file__).resolve().parents[2]
HEAVY = {"pyspark", "pandas", "numpy", "pyarrow", "packaging", "elftools", "matplotlib"}
LOADED = """
import json, sys
from dai_spark.cli import main
try:
    main(sys.argv[1:])
except SystemExit as end:
    assert end.code in (0, None), end.code
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


@pytest.mark.parametrize(
    "words", [["--help"], ["env", "build", "--help"], ["score-table", "--help"], ["--version"]]
)
def test_help_imports_nothing_heavy(words):
    """Neither Spark, NumPy nor pandas, nor what only the extra `env` brings."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, *words],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    loaded = set(json.loads(done.stdout.splitlines()[-1]))
    assert "argparse" in loaded
    assert loaded & HEAVY == set()


@pytest.mark.parametrize("module", ["dai_spark", "dai_spark.cli"])
def test_it_is_a_module_too(module, tmp_path):
    """`python -m` does the same as the console script, and gives its exit status."""
    command = [sys.executable, "-m", module, "env", "show", str(tmp_path / "absent.tar.gz")]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "COLUMNS": "100"},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("dai-spark: ")
    assert len(done.stderr.splitlines()) == 1


PATH = """
import json, sys
import dai_spark.environments as environments
before = sorted({name.partition(".")[0] for name in sys.modules})
made = [getattr(environments, name).__name__ for name in environments.__all__]
print(json.dumps([before, made, "pyspark" in sys.modules]))
"""
WITHOUT = """
import sys
from pathlib import Path
sys.modules[sys.argv[1]] = None
from dai_spark.cli import main
sys.exit(main(["env", "build", "--dai", "1.10", "-o", "x.tar.gz"]))
"""


def test_the_public_path_of_environments_starts_nothing():
    """Importing it loads nothing heavy; its names are there, and none of them wants Spark."""
    done = subprocess.run(
        [sys.executable, "-c", PATH], capture_output=True, text=True, timeout=60, check=True
    )
    before, made, has_spark = json.loads(done.stdout)
    assert set(before) & HEAVY == set()
    assert made == environments.__all__
    assert not has_spark


@pytest.mark.parametrize("module", ["packaging", "elftools", "yaml", "pip_requirements_parser"])
def test_an_extra_that_is_not_installed_is_one_sentence(module, tmp_path):
    """With what to type, and no traceback."""
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, module],
        cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"dai-spark: {module}")
    assert "pip install 'dai_spark[env]'" in line
