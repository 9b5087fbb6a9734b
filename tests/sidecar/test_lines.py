"""Every line of Driverless AI: its environment built from its lock, a model trained and scored."""

from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from dai_spark import ScoringPipeline, score_pandas
from dai_spark.environments import build_environment, check_environment
from dai_spark.errors import PackedEnvironmentError
from dai_spark.local.unpacked_python import unpacked_python

BUILD = Path(__file__).resolve().parents[2] / "build"

VERSIONS = {"1.8": "1.8.8", "1.9": "1.9.3", "1.11": "1.11.1"}
PYTHONS = {"1.8": "3.6", "1.9": "3.6", "1.11": "3.11"}
# 1.10 is what all other tests run on; one more, of the oldest Python, is enough for every day.
LINES = ["1.8", *(pytest.param(name, marks=pytest.mark.long) for name in ("1.9", "1.11"))]


@pytest.fixture(scope="module", params=LINES)
def line(request):
    """The line's name, and its packed environment, kept in build/."""
    return request.param, build_environment(
        BUILD / f"dai-{request.param}.tar.zst", dai=request.param
    )


@pytest.fixture(scope="module")
def line_export(line, export):
    """A function that builds an export of that line, trained by its own packages."""
    name, environment = line
    python = unpacked_python(environment.path)

    def build(**words):
        return export(dai_version=VERSIONS[name], python=python, **words)

    return build


@pytest.mark.long
def test_its_environment_is_sound(line):
    """All that the lock names is imported with nothing of this machine in sight."""
    name, environment = line
    report = check_environment(environment.path)
    assert report.problems == ()
    assert environment.python == PYTHONS[name]
    assert environment.dai_line == name
    assert {"lightgbm", "xgboost", "datatable", "pyarrow"} <= set(report.imported)


@pytest.mark.parametrize(
    ("kind", "model"),
    [
        ("binomial", "xgboost"),
        pytest.param("multinomial", "lightgbm", marks=pytest.mark.long),
        pytest.param("binomial", "lightgbm", marks=pytest.mark.long),
        pytest.param("multinomial", "xgboost", marks=pytest.mark.long),
        pytest.param("regression", "lightgbm", marks=pytest.mark.long),
    ],
)
def test_scores_are_the_pipelines_own(
    line, line_export, own_scores, flights, license_file, kind, model
):
    """To the last bit, with nulls and texts among the columns, in batches of any size."""
    path = line_export(kind=kind, model=model)
    assert ScoringPipeline(path).dai_line == line[0]
    found = score_pandas(flights, path, line[1], license_file=str(license_file), batch_rows=777)
    own = own_scores(path, flights, python=unpacked_python(line[1].path))
    assert len(found) == len(flights) == 12_028
    assert_frame_equal(found, own, check_exact=True)


@pytest.mark.long
def test_contributions_are_the_pipelines_own(line, line_export, own_scores, flights, license_file):
    """The option goes by the keyword that every line's `score_batch` knows."""
    path, few = line_export(), flights.head(500)
    found = score_pandas(few, path, line[1], license_file=str(license_file), contributions=True)
    own = own_scores(path, few, python=unpacked_python(line[1].path), pred_contribs=True)
    assert_frame_equal(found, own, check_exact=True)


def test_a_pipeline_of_another_line_is_refused(line, export, flights, license_file):
    """By its Python or its line, in one sentence and before anything is unpacked."""
    with pytest.raises(
        PackedEnvironmentError, match=rf"Driverless AI {line[0]}|Python {PYTHONS[line[0]]}"
    ):
        score_pandas(flights.head(), export(), line[1], license_file=str(license_file))
