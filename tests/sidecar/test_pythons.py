"""The sidecar's files in the oldest and the newest Python, pandas and pyarrow that they are for."""

import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from odd_scorer import odd_export

from dai_spark import score_pandas
from dai_spark.envbuild.packages.uv import find_uv
from dai_spark.envbuild.python.interpreter import find_interpreter
from dai_spark.errors import EnvironmentBuildError, OptionError, ScoringError

BUILD = Path(__file__).resolve().parents[2] / "build" / "tests" / "pythons"

PACKAGES = {
    "3.6": ["pandas==0.24.2", "numpy==1.18.5", "pyarrow==0.15.0"],
    "3.13": ["pandas==2.3.3", "pyarrow==26.0.1"],
}

# Arithmetic that a reader can do again: no model, since LightGBM's wheels are not for all Pythons.
SCORER = """
import numpy as np
import pandas as pd

class Scorer(object):
    def get_column_names(self):
        return ("number", "text")

    def get_target_labels(self):
        return None

    def score(self, row, output_margin=False, pred_contribs=False):
        raise NotImplementedError

    def score_batch(self, frame, output_margin=False, pred_contribs=False, fast_approx=False):
        length = frame["text"].map(lambda t: -1.0 if t is None else float(len(t)))
        return pd.DataFrame({"y.1": (frame["number"] * 2).astype(np.float32),
                             "y, two": length.astype(np.float32)})
"""
EXAMPLE = """
pd.Series(['1'], name='number', dtype='float32')
pd.Series(['a'], name='text', dtype='object')
"""


@pytest.fixture(params=list(PACKAGES))
def environment(request):
    """A folder with that Python and those packages, made once and kept in build/."""
    version = request.param
    folder = BUILD / version
    if not (folder / "dai_spark_environment.json").exists():
        try:
            python = find_interpreter(version, on_message=print).executable
        except EnvironmentBuildError as error:
            pytest.skip(error.message)
        shutil.rmtree(folder, ignore_errors=True)
        run = {"check": True, "timeout": 240, "stdout": subprocess.DEVNULL}
        subprocess.run([str(python), "-m", "venv", str(folder)], **run)
        if version == "3.6":  # older than uv reaches
            pip = [str(folder / "bin" / "pip"), "install", "-q", *PACKAGES[version]]
        else:
            there = ["--python", str(folder / "bin" / "python")]
            pip = [find_uv(), "pip", "install", "-q", *there, *PACKAGES[version]]
        subprocess.run(pip, **run)
        manifest = {
            "python": version,
            "platform": "linux-x86_64",
            "interpreter": "bin/python",
        }
        (folder / "dai_spark_environment.json").write_text(json.dumps(manifest))
    return folder


@pytest.fixture
def pipeline(tmp_path):
    """An export of arithmetic."""
    package = "scoring_h2oai_experiment_0000"
    wheel = tmp_path / f"{package}-1.0.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{package}/__init__.py", SCORER)
    with zipfile.ZipFile(tmp_path / "scorer.zip", "w") as archive:
        archive.write(wheel, f"scoring-pipeline/{wheel.name}")
        archive.writestr("scoring-pipeline/example.py", EXAMPLE)
    return tmp_path / "scorer.zip"


def test_scores_cross_between_old_and_new(environment, pipeline):
    """Batches of a new pyarrow are read by the old one and back, with nulls and odd names."""
    frame = pd.DataFrame(
        {
            "text": ["abc", None, "", "é", "x" * 100_000] * 2000,
            "number": [1.5, np.nan, 3.0, -4.0, 1e30] * 2000,
        }
    )
    found = score_pandas(frame, pipeline, environment, batch_rows=3000)
    assert list(found.columns) == ["y.1", "y, two"]
    expected = (frame["number"] * 2).astype(np.float32)
    np.testing.assert_array_equal(found["y.1"], expected)
    np.testing.assert_array_equal(found["y, two"][:5], [3, -1, 0, 1, 100_000])


def test_odd_answers_and_errors_of_every_pandas(environment, tmp_path):
    """In the rows' order, and exactly; a text that can be sent."""
    path = odd_export(tmp_path)
    frame = pd.DataFrame({"number": [1.0, 2.0, 3.0, 4.0], "text": ""})
    for habit in (
        "found.iloc[::-1]",
        "found['y'].astype('category').to_frame().iloc[::-1]",
        "found.astype(object)",
        "found.astype('uint8')",
        "found.astype('int64').astype('Int64').iloc[::-1]",
        "{'y': list(score)}",
    ):
        found = score_pandas(frame.assign(text=habit), path, environment)
        assert found["y"].tolist() == [2.0, 4.0, 6.0, 8.0]
        assert str(found["y"].dtype) == "float32"
    for error, words in [
        (r"ValueError('bad \udcff\ud800 x')", r"bad \\udcff\\ud800 x"),
        ("NoText()", "<a NoText whose text cannot be made"),
    ]:
        with pytest.raises(ScoringError, match=words):
            score_pandas(frame.assign(text=f"throw({error})"), path, environment)


@pytest.mark.parametrize(
    ("options", "argument"),
    [
        ({"apply_data_recipes": True}, "apply_data_recipes"),
        ({"contributions": "original"}, "pred_contribs_original"),
    ],
)
def test_what_a_version_does_not_know_is_refused(environment, pipeline, options, argument):
    """By the signature of its score_batch, as DAI 1.8 has it, and before a row is scored."""
    frame = pd.DataFrame({"text": ["a"], "number": [1.0]})
    known = f"has no argument {argument}, only fast_approx, frame, output_margin, pred_contribs;"
    with pytest.raises(OptionError, match=known):
        score_pandas(frame, pipeline, environment, **options)


def test_its_files_are_read_by_every_python():
    """The oldest Python on this machine compiles them; no newer syntax has crept in."""
    folder = Path(__file__).resolve().parents[2] / "dai_spark" / "sidecar"
    try:
        python = find_interpreter("3.6", on_message=print).executable
    except EnvironmentBuildError as error:
        pytest.skip(error.message)
    code = (
        "import sys\n"
        "for name in sys.argv[1:]: compile(open(name, encoding='utf-8').read(), name, 'exec')"
    )
    files = [str(path) for path in sorted(folder.glob("*.py"))]
    assert len(files) >= 6
    subprocess.run([str(python), "-c", code, *files], check=True, timeout=20, env=dict(os.environ))
