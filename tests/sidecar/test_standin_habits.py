"""The stand-in's habits: noise, licence, working directory, versions, examples."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from standin import TIMEOUT_S, Installed, finish

import dai_spark
from dai_spark.errors import OptionError, PipelineError
from dai_spark.testing import (
    build_export,
    license_text,
)


def test_constructor_is_noisy(binomial, tmp_path):
    """It writes to stdout, to stderr and past Python to descriptor 1, and makes ./tmp files."""
    cwd = binomial.folder(tmp_path)
    done = binomial.run("make()", cwd)
    assert done.out.count("of no interest") == done.err.count("of no interest") == 100
    assert "straight to descriptor 1" in done.out
    assert "Scorer() loaded in process" in done.out
    assert (cwd / "tmp/scoring_user/h2oai_experiment_scoring_id/scoring.log").exists()


def test_ballast_is_memory_that_the_scorer_holds(install, tmp_path):
    """A scorer with a ballast of 300 MB is larger by that, and still scores."""
    heavy = install(ballast_bytes=300_000_000)
    script = """
scorer = make()
held = [line for line in open("/proc/self/status") if line.startswith("VmRSS")]
tell(held_kb=int(held[0].split()[1]), rows=len(scorer.score_batch(rows())))
"""
    told = heavy.run(script, heavy.folder(tmp_path)).told
    assert told["held_kb"] * 1024 > 300_000_000
    assert told["rows"] > 0


def test_no_license_is_a_system_exit(binomial, tmp_path):
    """Without a licence, or with a bad one, `Scorer()` raises SystemExit(-1), not an Exception."""
    script = """
try:
    make()
except SystemExit as error:
    tell(code=error.code)
"""
    bad = tmp_path / "bad.sig"
    bad.write_text("no licence")
    for i, variables in enumerate(
        [
            {"DRIVERLESS_AI_LICENSE_KEY": None},
            {"DRIVERLESS_AI_LICENSE_KEY": "no licence"},
            {"DRIVERLESS_AI_LICENSE_FILE": str(bad)},
        ]
    ):
        done = binomial.run(script, binomial.folder(tmp_path / str(i)), **variables)
        assert done.told == {"code": -1}
        assert "license" in done.err
        assert "no licence" not in done.err + done.out


def test_license_is_found_in_three_places(binomial, tmp_path):
    """The file, the key, the home folder: DAI's three places."""
    good = tmp_path / "good.sig"
    good.write_text(license_text("someone") + "\n")
    home = tmp_path / "home"
    (home / ".driverlessai").mkdir(parents=True)
    shutil.copy(good, home / ".driverlessai" / "license.sig")
    for i, variables in enumerate(
        [
            {"DRIVERLESS_AI_LICENSE_FILE": str(good), "DRIVERLESS_AI_LICENSE_KEY": "bad"},
            {"DRIVERLESS_AI_LICENSE_KEY": None, "HOME": str(home)},
        ]
    ):
        done = binomial.run(
            "make(); tell(ok=True)", binomial.folder(tmp_path / str(i)), **variables
        )
        assert done.told == {"ok": True}, done.err


def test_second_pipeline_in_a_process_is_refused(binomial, install, tmp_path):
    """The same one may be built again; another raises."""
    other = install("regression")
    done = binomial.run(
        f"""
make(); make()
sys.path.insert(0, {str(other.library)!r})
os.environ["PACKAGE"] = {other.package!r}
try:
    make()
except RuntimeError as error:
    tell(error=str(error))
""",
        binomial.folder(tmp_path),
    )
    assert "needs a process of its own" in done.told["error"]


@pytest.mark.parametrize("shared", [True, False])
def test_shared_working_directory_crosses_scores(binomial, tmp_path, shared):
    """Of two processes in one folder the first gets the other's scores; with two, its own."""
    slow = binomial.with_habits(tmp_path / "slow", score_seconds=3.0)
    first = binomial.folder(tmp_path / "first")
    second = first if shared else binomial.folder(tmp_path / "second")
    script = """
import time
def wait(path):
    while not os.path.exists(path):
        time.sleep(0.01)
scorer, table = make(), rows()
if os.environ["TURN"] == "first":
    wait(os.environ["READY"])
    scores = scorer.score_batch(table[:50])
else:
    open(os.environ["READY"], "w").close()
    wait(os.environ["WRITTEN"])
    scores = scorer.score_batch(table[50:100])
print("scored", json.dumps(scores.values[:, 1].tolist()))
"""
    turns = {
        "READY": str(tmp_path / "ready"),
        "WRITTEN": str(first / "tmp/scoring_user/h2oai_experiment_scoring_id/data_batch_0.jay"),
    }
    one = slow.start(script, first, TURN="first", **turns)
    two = binomial.start(script, second, TURN="second", **turns)
    scores = [
        json.loads(finish(process, first).out.rpartition("scored ")[2]) for process in (one, two)
    ]
    assert len(scores[0]) == len(scores[1]) == 50
    assert (scores[0] == scores[1]) is shared


def test_recipe_is_looked_for_when_scoring(binomial, tmp_path):
    """The working directory must hold the export's tmp/ at scoring, not only at loading."""
    done = binomial.run(
        """
scorer = make()
os.mkdir("elsewhere")
os.chdir("elsewhere")
try:
    scorer.score_batch(rows())
except FileNotFoundError as error:
    os.chdir("..")
    tell(error=str(error))
""",
        binomial.folder(tmp_path),
    )
    assert "tmp/contrib" in done.told["error"]


def test_signatures_are_those_of_the_line(install, tmp_path):
    """1.8 knows no data recipes and gives tuple and array; 1.9 no original contributions."""
    script = """
import inspect
scorer = make()
tell(batch=list(inspect.signature(scorer.score_batch).parameters),
     names=type(scorer.get_column_names()).__name__,
     labels=type(scorer.get_target_labels()).__name__,
     made=str(inspect.signature(type(scorer))))
"""
    found = {}
    for version in ("1.8.4.1", "1.9.0", "1.10.7.3"):
        pipeline = install(dai_version=version)
        found[version] = pipeline.run(script, pipeline.folder(tmp_path / version)).told
    first = ["input_frame", "output_margin", "pred_contribs", "fast_approx"]
    assert found["1.8.4.1"]["batch"] == first
    assert found["1.9.0"]["batch"] == [*first, "apply_data_recipes"]
    assert found["1.10.7.3"]["batch"] == [*first, "apply_data_recipes", "pred_contribs_original"]
    assert [f["names"] for f in found.values()] == ["tuple", "list", "list"]
    assert [f["labels"] for f in found.values()] == ["ndarray", "list", "list"]
    assert "kwargs" in found["1.10.7.3"]["made"]
    assert "kwargs" not in found["1.9.0"]["made"]


def test_time_series_depends_on_the_group_in_the_batch(install, tmp_path):
    """A row's prediction follows its group's known past in the same batch, and no other group's."""
    pipeline = install("timeseries")
    done = pipeline.run(
        """
scorer = make()
hours = pd.date_range("2013-03-01", periods=6, freq="H").strftime("%Y-%m-%dT%H:00:00Z")
def group(origin, temp):
    known = [temp] * 4 + [None] * 2
    return pd.DataFrame({"origin": origin, "time_hour": hours, "temp": known, "humid": 50.0,
                         "wind_speed": 5.0, "precip": 0.0, "pressure": 1013.0, "visib": 10.0})
def last(frame):
    return float(scorer.score_batch(frame)["temp"].iloc[-1])
warm, cold = group("EWR", 80.0), group("EWR", 20.0)
tell(names=scorer.get_column_names(), warm=last(warm), cold=last(cold), alone=last(warm[-1:]),
     own=last(warm.assign(temp=[80.0] * 4 + [None, 0.0])),
     reversed=float(scorer.score_batch(warm[::-1])["temp"].iloc[0]),
     among=float(scorer.score_batch(pd.concat([warm, group("JFK", 20.0)]))["temp"][5]))
""",
        pipeline.folder(tmp_path),
    )
    found = done.told
    assert {"temp", "time_hour", "origin"} < set(found["names"])
    assert found["warm"] > found["cold"] + 10
    assert found["alone"] not in (found["warm"], found["cold"])
    assert found["warm"] == found["reversed"] == found["among"] == found["own"]


def test_intervals_come_unasked(install, tmp_path):
    """A regression with intervals gives two columns more, below and above."""
    pipeline = install("regression", intervals=True)
    found = pipeline.run(
        """
scores = make().score_batch(rows())
tell(names=list(scores.columns),
     ordered=bool((scores["delay.lower"] < scores["delay.upper"]).all()))
""",
        pipeline.folder(tmp_path),
    ).told
    assert found == {"names": ["delay", "delay.lower", "delay.upper"], "ordered": True}


def test_example_program_runs(binomial, tmp_path):
    """The export's own example.py scores its samples, run in the export's folder."""
    # A copy: it leaves files there.
    root = shutil.copytree(binomial.root, tmp_path / "root")
    done = binomial.run("exec(open('example.py', 'rb').read())", root)
    assert done.returncode == 0, done.err
    assert "late.no  late.yes" in done.out
    assert done.out.count("scoring a batch of 1 rows") == 5


def test_awkward_names_survive(tmp_path, python):
    """Columns with backslash, quote and accent, and a boolean target, go all the way."""
    numbers = np.arange(400)
    table = pd.DataFrame(
        {"a\\b": numbers % 7, "it's": ["é", "'", None, "z"] * 100, "on": numbers % 7 > 3}
    )
    path = build_export(
        tmp_path / "scorer.zip",
        table,
        "on",
        kind="binomial",
        python=python,
        layout="flat",
        n_trees=4,
    )
    pipeline = Installed(path, tmp_path, python)
    table.to_csv(tmp_path / "rows.csv", index=False)
    done = pipeline.run(
        "exec(open('example.py', 'rb').read())\nf = make().score_batch(rows())\n"
        "tell(names=list(f.columns), low=f['on.True'][0], high=f['on.True'][5])",
        pipeline.root,
    )
    assert done.told["names"] == ["on.False", "on.True"], done.err
    assert done.told["low"] < 0.5 < done.told["high"]


def test_training_failures_are_told(tmp_path, python):
    """No interpreter, or one without the packages: one sentence that says so."""
    table = pd.DataFrame({"a": [1, 2], "y": ["no", "yes"]})

    def build(interpreter):
        build_export(tmp_path / "x.zip", table, "y", kind="binomial", python=interpreter)

    with pytest.raises(OptionError, match="no Python interpreter at"):
        build(tmp_path / "python")
    bare = tmp_path / "bare"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -S "$@"\n')
    bare.chmod(0o755)
    with pytest.raises(PipelineError, match="No module named") as raised:
        build(bare)
    assert "Traceback" not in raised.value.message
    assert "Traceback" in raised.value.details
    assert not (tmp_path / "x.zip").exists()


def test_builds_from_a_zip_on_the_path(tmp_path, python):
    """An export can be built where dai_spark is imported from a zip; its bytes are the same."""
    package = Path(dai_spark.__file__).parent
    archive = tmp_path / "dai_spark.zip"
    with zipfile.ZipFile(archive, "w") as out:
        out.writestr("dai_spark/__init__.py", "")
        out.write(package / "errors.py", "dai_spark/errors.py")
        for path in sorted((package / "testing").rglob("*.py")):
            out.write(path, "dai_spark/" + path.relative_to(package).as_posix())
    script = f"""
import sys
sys.path.insert(0, {str(archive)!r})
import pandas as pd
from dai_spark.testing import build_export, export
assert {str(archive)!r} in export.__file__
table = pd.DataFrame({{"a": range(100), "y": [i % 7 for i in range(100)]}})
build_export("a.zip", table, "y", kind="regression", python={str(python)!r}, n_trees=2)
"""
    command = [sys.executable, "-c", script]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=TIMEOUT_S)
    table = pd.DataFrame({"a": range(100), "y": [i % 7 for i in range(100)]})
    expected = build_export(
        tmp_path / "b.zip", table, "y", kind="regression", python=python, n_trees=2
    )
    assert (tmp_path / "a.zip").read_bytes() == expected.read_bytes()
