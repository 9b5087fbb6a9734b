"""The stand-in in its own Python: its scores, its habits, its fates."""

import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import dai_spark
from dai_spark.errors import OptionError, PipelineError
from dai_spark.testing import (
    MARK_NUMBER,
    MARK_TEXT,
    build_export,
    flights_export,
    flights_table,
    license_text,
    weather_table,
)

TIMEOUT_S = 60

# Runs before each script in the pipeline's Python.
PRELUDE = """
import json, os, sys
import numpy as np, pandas as pd
def tell(**found):
    with open("told.json", "w") as file:
        json.dump(found, file, default=lambda v: v.tolist())
def make():
    return __import__(os.environ["PACKAGE"], fromlist=["Scorer"]).Scorer()
def rows(name="rows.csv"):
    kept = dict(keep_default_na=False, na_values=[""])
    return pd.read_csv(os.path.join(os.environ["HERE"], name), **kept)
"""


class Installed:
    """An export unpacked, with its wheel's files beside it."""

    def __init__(self, export, folder, python):
        self.root, self.library, self.python = folder / "root", folder / "library", str(python)
        with zipfile.ZipFile(export) as archive:
            archive.extractall(self.root)
        (wheel,) = self.root.glob("scoring_h2oai_experiment_*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(self.library)
        self.package = wheel.name.split("-")[0]
        self.schema = json.loads((self.library / self.package / "schema.json").read_text())

    def folder(self, path):
        """Return a new working directory that holds the export's tmp/."""
        shutil.copytree(self.root / "tmp", path / "tmp")
        return path

    def with_habits(self, folder, **habits):
        """Return a copy with other habits: it is the same experiment, not trained again."""
        copy = object.__new__(Installed)
        copy.__dict__.update(self.__dict__, library=folder / "library")
        shutil.copytree(self.library, copy.library)
        path = copy.library / copy.package / "habits.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **habits}))
        return copy

    def start(self, script, cwd, **environment):
        """Start a script in the pipeline's Python, in the working directory `cwd`."""
        variables = {
            "PATH": os.environ["PATH"],
            "HOME": str(cwd),
            "HERE": str(self.root.parent),
            "PACKAGE": self.package,
            "PYTHONPATH": str(self.library),
            "OMP_NUM_THREADS": "1",
            "DRIVERLESS_AI_LICENSE_KEY": license_text(),
            **environment,
        }
        return subprocess.Popen(
            [self.python, "-c", PRELUDE + script],
            cwd=cwd,
            env={name: value for name, value in variables.items() if value is not None},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, script, cwd, **environment):
        """Run a script to its end; the process has `told`, what it passed to tell()."""
        process = self.start(script, cwd, **environment)
        return finish(process, cwd)


def finish(process, cwd):
    """Wait for a process, at most TIMEOUT_S; kill it then."""
    try:
        process.out, process.err = process.communicate(timeout=TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    told = Path(cwd) / "told.json"
    process.told = json.loads(told.read_text()) if told.exists() else None
    return process


@pytest.fixture(scope="module")
def python(request):
    """Path of an interpreter with the pipeline's packages: of the packed environment, or given.

    With DAI_SPARK_TEST_PYTHON these tests also run in the Python of another DAI line.
    """
    other = os.environ.get("DAI_SPARK_TEST_PYTHON")
    return Path(other or request.getfixturevalue("pipeline_python"))


@pytest.fixture(scope="module")
def install(tmp_path_factory, python):
    """Build, unpack and remember a flights export: install(kind, model, **options)."""
    known = {}

    def install(kind="binomial", model="lightgbm", **options):
        key = (kind, model, *sorted(options.items()))
        if key not in known:
            folder = tmp_path_factory.mktemp(kind)
            options = {"n_train_rows": 3000, "n_trees": 8, "layout": "flat", **options}
            path = flights_export(
                folder / "scorer.zip", python=python, kind=kind, model=model, **options
            )
            known[key] = Installed(path, folder, python)
            table = weather_table() if kind == "timeseries" else flights_table()
            # Every 401st: not the training rows alone, cancelled flights among them.
            table[::401][:200].to_csv(folder / "rows.csv", index=False)
        return known[key]

    return install


@pytest.fixture
def binomial(install):
    """The export that predicts a late arrival."""
    return install()


# Computes the prediction of each row from schema.json and the model file alone, row by row.
REFERENCE = """
import lightgbm, xgboost
def number(value):
    return float(np.float32(value))
def cell(row, feature, levels):
    value = row[feature["source"]]
    if "values" not in feature:
        return float("nan") if pd.isna(value) else number(value)
    names = levels[feature["source"]]
    if pd.isna(value):
        return feature["values"][len(names) + 1]
    return feature["values"][names.index(value) if value in names else len(names)]
def reference(table, folder):
    with open(os.path.join(folder, "schema.json")) as file:
        schema = json.load(file)
    matrix = np.array([
        [cell(row, feature, schema["levels"]) for feature in schema["features"]]
        for _, row in table.iterrows()
    ])
    if schema["model"] == "lightgbm":
        booster = lightgbm.Booster(model_file=os.path.join(folder, "model.txt"))
        found = booster.predict(matrix)
    else:
        booster = xgboost.Booster(model_file=os.path.join(folder, "model.bin"))
        found = booster.predict(xgboost.DMatrix(matrix))
    if schema["kind"] == "binomial":
        found = np.column_stack([1.0 - found, found])
    return found.reshape(len(table), -1).astype(np.float32)
"""


@pytest.mark.parametrize("model", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("kind", ["binomial", "multinomial", "regression"])
def test_scores_are_those_of_the_model(install, tmp_path, kind, model):
    """Bit for bit what the booster gives for a matrix made by other code, whatever the batches."""
    pipeline = install(kind, model)
    done = pipeline.run(
        REFERENCE
        + """
scorer, table = make(), rows()
whole = scorer.score_batch(table)
parts = [scorer.score_batch(table[i:i + n]) for i, n in [(0, 1), (1, 7), (8, 500)]]
expected = reference(table, os.path.dirname(sys.modules[os.environ["PACKAGE"]].__file__))
tell(
    names=list(whole.columns),
    dtypes=sorted(set(map(str, whole.dtypes))),
    equal=bool((whole.values == expected).all()),
    spread=float(whole.values[:, 0].std()),
    any_batch=bool((pd.concat(parts).values == whole.values).all()),
    fresh_index=bool((parts[1].index == range(7)).all()),
    single=scorer.score([table[name][3] for name in scorer.get_column_names()]),
    fourth=whole.values[3],
    promised=scorer.get_pred_columns(),
)
""",
        pipeline.folder(tmp_path),
    )
    found = done.told
    assert found["equal"], done.err
    assert found["spread"] > 0.01
    assert found["any_batch"]
    assert found["fresh_index"]
    assert found["dtypes"] == ["float32"]
    assert found["single"] == found["fourth"]
    arrivals = ["early", "late, under 1 h.", "never arrived?", "on time", "over 1 h. late"]
    expected = {
        "binomial": ["late.no", "late.yes"],
        "multinomial": [f"arrival.{label}" for label in arrivals],
        "regression": ["delay"],
    }
    assert found["names"] == found["promised"] == expected[kind]


@pytest.mark.parametrize("model", ["lightgbm", "xgboost"])
@pytest.mark.parametrize("kind", ["binomial", "multinomial"])
def test_contributions_and_bias_add_up_to_the_margin(install, tmp_path, kind, model):
    """So they do by feature and by original column; a column that is not used contributes 0."""
    pipeline = install(kind, model)
    done = pipeline.run(
        """
scorer, table = make(), rows()
margin = scorer.score_batch(table, output_margin=True)
contributions = scorer.score_batch(table, pred_contribs=True)
original = scorer.score_batch(table, pred_contribs=True, pred_contribs_original=True)
def summed(frame):
    return frame.values.reshape(len(frame), margin.shape[1], -1).sum(axis=2)
tell(
    far=[float(abs(summed(f) - margin.values).max()) for f in (contributions, original)],
    spread=float(margin.values.std()),
    names=list(contributions.columns), original=list(original.columns),
    margin=list(margin.columns),
    promised=[scorer.get_pred_columns(pred_contribs=True),
              scorer.get_pred_columns(output_margin=True)],
    features=scorer.get_transformed_column_names(),
    year=float(abs(original.filter(like="contrib_year").values).max()),
    single=len(scorer.score(list(table.loc[0, scorer.get_column_names()]), output_margin=True)),
    approximate=float(abs(
        scorer.score_batch(table, pred_contribs=True, fast_approx=True).values
        - contributions.values).max()),
)
try:
    scorer.score_batch(table, output_margin=True, pred_contribs=True)
except ValueError as error:
    print("refused", error)
""",
        pipeline.folder(tmp_path),
    )
    found = done.told
    assert max(found["far"]) < 1e-4 < found["spread"]
    assert found["promised"] == [found["names"], found["margin"]]
    labels = [""] if kind == "binomial" else ["." + label for label in pipeline.schema["labels"]]
    by_feature = [f"contrib_{name}" for name in found["features"]] + ["contrib_bias"]
    assert found["names"] == [name + label for label in labels for name in by_feature]
    columns = [column["name"] for column in pipeline.schema["columns"]]
    by_column = [f"contrib_{name}" for name in [*columns, "bias"]]
    assert found["original"] == [name + label for label in labels for name in by_column]
    assert found["year"] == 0.0
    assert found["approximate"] > 0
    assert found["single"] == len(labels)
    assert "refused" in done.out


def test_scorer_tells_of_its_columns(binomial, install, tmp_path):
    """Only used columns, in an order of its own; labels are None for a regression."""
    script = """
scorer = make()
tell(columns=scorer.get_column_names(), labels=scorer.get_target_labels())
"""
    found = binomial.run(script, binomial.folder(tmp_path / "a")).told
    trained = [column["name"] for column in binomial.schema["columns"]]
    used = [name for name in trained if name != "year"]
    assert sorted(found["columns"]) == sorted(used)
    assert found["columns"] not in (used, sorted(used))
    assert found["labels"] == ["no", "yes"]
    regression = install("regression")
    assert regression.run(script, regression.folder(tmp_path / "b")).told["labels"] is None


def test_input_is_matched_by_name_and_left_alone(binomial, tmp_path):
    """Order and further columns do not matter, absent ones raise, types are coerced aloud."""
    done = binomial.run(
        """
import datatable
scorer, table = make(), rows()
expected = scorer.score_batch(table)
before = table.copy()
shuffled = table[sorted(table.columns)].set_index("time_hour")
def same(frame):
    return bool((scorer.score_batch(frame).values == expected.values).all())
found = dict(
    shuffled=same(shuffled), unchanged=bool(table.equals(before)),
    datatable=same(datatable.Frame(table)), integers=same(table.astype({"flight": "int16"})),
)
print("--- so far no")
found["as_text"] = same(table.assign(month=table["month"].astype(str)))
for name, frame in [("absent", table.drop(columns=["dest", "origin"])), ("empty", table[:0])]:
    try:
        scorer.score_batch(frame)
    except Exception as error:
        found[name] = repr(error)
unknown = table.assign(dest="XXX")
found["unseen"] = scorer.score_batch(unknown).values.std(axis=0)
found["missing"] = not (scorer.score_batch(table.assign(tailnum=None)).values
                        == scorer.score_batch(table.assign(tailnum="XXX")).values).all()
found["nan"] = not same(table.assign(dep_delay=table["dep_delay"].fillna(0)))
found["words"] = [
    scorer.score([word if name == "tailnum" else table[name][0] for name in
                  scorer.get_column_names()])
    for word in (None, "NA", "unknown", "")
]
try:
    scorer.score([1, 2])
except ValueError as error:
    found["short"] = str(error)
tell(**found)
""",
        binomial.folder(tmp_path),
    )
    found = done.told
    for name in ("shuffled", "unchanged", "datatable", "integers", "as_text", "missing", "nan"):
        assert found[name] is True, name
    assert found["absent"].startswith("KeyError")
    assert all(name in found["absent"] for name in ("dest", "origin"))
    assert found["empty"].startswith("ValueError")
    assert found["unseen"][0] > 0.01
    assert found["words"] == [found["words"][0]] * 4
    assert "13" in found["short"]
    before, _, after = done.out.partition("--- so far no")
    assert "WARNING" not in before
    assert "WARNING: column month came as object, trained as float32" in after


def test_constructor_is_noisy(binomial, tmp_path):
    """It writes to stdout, to stderr and past Python to descriptor 1, and makes ./tmp files."""
    cwd = binomial.folder(tmp_path)
    done = binomial.run("make()", cwd)
    assert done.out.count("of no interest") == done.err.count("of no interest") == 100
    assert "straight to descriptor 1" in done.out
    assert "Scorer() loaded in process" in done.out
    assert (cwd / "tmp/scoring_user/h2oai_experiment_scoring_id/scoring.log").exists()


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


FORK = """
scorer, table = make(), rows()
expected = scorer.score_batch(table).values
child = os.fork()
if child == 0:
    os.mkdir("child")
    import shutil
    shutil.copytree("tmp", "child/tmp")
    os.chdir("child")
    try:
        same = (scorer.score_batch(table).values == expected).all()
        os._exit(0 if same else 1)
    except RuntimeError:
        os._exit(2)
import time
deadline, ended = time.time() + float(os.environ["WAIT"]), 0
while not ended and time.time() < deadline:
    ended, status = os.waitpid(child, os.WNOHANG)
    time.sleep(0.02)
if not ended:
    os.kill(child, 9)
    os.waitpid(child, 0)
tell(status=os.WEXITSTATUS(status) if ended else "hangs")
"""


@pytest.mark.parametrize("model", ["lightgbm", "xgboost"])
def test_loaded_scorer_bears_a_fork(install, tmp_path, model):
    """With one OpenMP thread, a forked child gives the same scores."""
    pipeline = install("binomial", model)
    done = pipeline.run(FORK, pipeline.folder(tmp_path), WAIT="30")
    assert done.told == {"status": 0}


@pytest.mark.parametrize(
    ("fate", "status"), [("refuses_fork", "hangs"), ("refuses_fork_by_raising", 2)]
)
def test_fork_can_be_refused(binomial, tmp_path, fate, status):
    """A scorer that was loaded in another process hangs or raises, as asked."""
    pipeline = binomial.with_habits(tmp_path / "habits", fate=fate)
    done = pipeline.run(FORK, pipeline.folder(tmp_path / "cwd"), WAIT="3")
    assert done.told == {"status": status}


@pytest.mark.parametrize(
    ("fate", "returncode", "text"),
    [
        ("raise_in_load", 1, "RuntimeError: stand-in: raise_in_load"),
        ("exit_in_load", 70, ""),
        ("segfault_in_load", -signal.SIGSEGV, ""),
        ("needs_recipe_server", 1, "H2OConnectionError"),
        ("raise_in_score", 1, "ValueError: stand-in: raise_in_score"),
        ("leave_in_score", 255, ""),
        ("exit_in_score", 70, ""),
        ("segfault_in_score", -signal.SIGSEGV, ""),
    ],
)
def test_fates_that_end_the_process(binomial, tmp_path, fate, returncode, text):
    """Each fate happens as named; in scoring, not before a marked row is met."""
    pipeline = binomial.with_habits(tmp_path / "habits", fate=fate)
    cwd = pipeline.folder(tmp_path / "cwd")
    mark = "dest" if fate != "exit_in_score" else "dep_delay"
    value = MARK_TEXT if mark == "dest" else MARK_NUMBER
    done = pipeline.run(
        f"""
scorer, table = make(), rows()
scorer.score_batch(table)
tell(came="to the mark")
table.loc[7, {mark!r}] = {value!r}
scorer.score_batch(table)
""",
        cwd,
    )
    assert done.returncode == returncode, done.err
    assert text in done.err
    assert done.told == ({"came": "to the mark"} if fate.endswith("score") else None)


def test_fates_that_spoil_the_answer(binomial, tmp_path):
    """A marked row may come back as NaN, or be lacking, or take memory for ever."""
    script = f"""
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
scorer, table = make(), rows()
table.loc[7, "dest"] = {MARK_TEXT!r}
found = scorer.score_batch(table)
before = memory()
for i in range(5):
    scorer.score_batch(table)
tell(n=len(found), nan=list(np.flatnonzero(found.isna().any(axis=1))),
     grown=memory() - before)
"""
    found = {}
    for fate in ("nan_in_score", "short_in_score", "grow_in_score"):
        pipeline = binomial.with_habits(tmp_path / fate, fate=fate)
        found[fate] = pipeline.run(script, pipeline.folder(tmp_path / fate / "cwd")).told
    assert found["nan_in_score"]["nan"] == [7]
    assert found["short_in_score"]["n"] == found["nan_in_score"]["n"] - 1
    assert found["grow_in_score"]["grown"] > 40_000_000 > found["nan_in_score"]["grown"]


def test_threads_are_refused(binomial, tmp_path):
    """Two threads in one scorer: one of them gets an error, not a wrong score."""
    pipeline = binomial.with_habits(tmp_path / "habits", score_seconds=1.0)
    done = pipeline.run(
        """
import threading
scorer, table, errors = make(), rows(), []
def score():
    try:
        scorer.score_batch(table)
    except RuntimeError as error:
        errors.append(str(error))
threads = [threading.Thread(target=score) for _ in range(2)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
tell(errors=errors)
""",
        pipeline.folder(tmp_path / "cwd"),
    )
    assert ["two threads" in error for error in done.told["errors"]] == [True]


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


def test_example_program_runs(binomial):
    """The export's own example.py scores its samples, run in the export's folder."""
    done = binomial.run("exec(open('example.py', 'rb').read())", binomial.root)
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
