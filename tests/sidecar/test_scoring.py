"""Scores through the sidecar against the pipeline's own, with no Spark: real processes."""

import json

import numpy as np
import pandas as pd
import pytest

from dai_spark import score_pandas
from dai_spark.errors import ColumnError, LicenseError, OptionError
from dai_spark.testing import weather_table


@pytest.fixture
def score(packed_environment, license_file):
    def call(frame, path, **words):
        words = {"license_file": str(license_file), **words}
        return score_pandas(frame, path, packed_environment, **words)

    return call


KINDS = [
    {"kind": "binomial"},
    {"kind": "binomial", "model": "xgboost"},
    {"kind": "regression"},
    {"kind": "multinomial"},
]


@pytest.mark.parametrize("words", KINDS, ids=lambda w: "-".join(w.values()))
def test_scores_are_the_pipelines_own(score, export, own_scores, flights, words):
    """Every kind of model gives, bit for bit, what the pipeline itself gives for the same rows."""
    path = export(**words)
    expected = own_scores(path, flights)
    found = score(flights, path)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert set(found.dtypes) == {np.dtype("float32")}


def test_margin_is_the_pipelines_own(score, export, own_scores, flights):
    """An option of the call reaches the pipeline, by its own argument's name."""
    frame = flights.head(500)
    expected = own_scores(export(), frame, output_margin=True)
    pd.testing.assert_frame_equal(score(frame, export(), margin=True), expected, check_exact=True)
    assert not expected.equals(own_scores(export(), frame))


@pytest.mark.parametrize("batch_rows", [1, 7, 1000])
def test_scores_do_not_depend_on_the_batch_size(score, export, flights, batch_rows):
    """However the rows are cut, each gets the same score, in the same place."""
    frame = flights.head(100 if batch_rows < 10 else 5000)
    whole = score(frame, export())
    pd.testing.assert_frame_equal(score(frame, export(), batch_rows=batch_rows), whole)


def test_column_order_extra_columns_and_index_do_not_matter(score, export, flights):
    """Columns go by name; the answer has the frame's own index."""
    frame = flights.head(100)
    expected = score(frame, export())
    turned = frame[list(reversed(frame.columns))].set_axis(range(900, 1000), axis=0)
    found = score(turned.assign(extra="x"), export())
    pd.testing.assert_frame_equal(found.reset_index(drop=True), expected)
    assert list(found.index) == list(range(900, 1000))


def test_missing_values_are_what_the_pipeline_would_have_seen(score, export, own_scores, flights):
    """Nulls in text and numbers, and empty text, score as without dai_spark."""
    frame = flights.head(300).copy()
    frame["dep_delay"] = frame["dep_delay"].where(frame.index % 3 > 0)
    frame["carrier"] = frame["carrier"].where(frame.index % 4 > 0, None)
    frame["tailnum"] = frame["tailnum"].where(frame.index % 5 > 0, "")
    expected = own_scores(export(), frame)
    pd.testing.assert_frame_equal(score(frame, export()), expected, check_exact=True)


def test_no_rows_give_no_rows_with_all_columns(score, export, flights):
    """An empty frame has an empty answer of the right columns and types."""
    found = score(flights.head(0), export())
    assert list(found.columns) == ["late.no", "late.yes"]
    assert len(found) == 0
    assert set(found.dtypes) == {np.dtype("float32")}


def test_a_time_series_sees_its_whole_frame(score, pipeline_python, own_scores, tmp_path):
    """A frame sent as one batch is scored with its history, as the pipeline itself does."""
    from dai_spark.testing import build_export

    weather = weather_table().groupby("origin").head(300).reset_index(drop=True)
    path = build_export(
        tmp_path / "weather.zip",
        weather,
        "temp",
        kind="timeseries",
        python=pipeline_python,
        time_column="time_hour",
        group_columns=["origin"],
        n_trees=10,
    )
    expected = own_scores(path, weather)
    pd.testing.assert_frame_equal(score(weather, path), expected, check_exact=True)


@pytest.mark.parametrize("layout", ["flat", "nested", "unpacked"])
def test_every_layout_of_an_export_scores(score, export, flights, layout):
    """Zips that people packed again and folders score like the zip that was exported."""
    frame = flights.head(20)
    pd.testing.assert_frame_equal(score(frame, export(layout=layout)), score(frame, export()))


@pytest.mark.parametrize("version", ["1.8.10", "1.9.3", "1.11.0"])
def test_other_versions_of_the_scorers_methods_are_asked_for_what_they_know(
    score, pipeline_python, flights, license_text, tmp_path, version
):
    """DAI 1.8 does not know apply_data_recipes, and is scored all the same."""
    from dai_spark import PackedEnvironment
    from dai_spark.errors import EnvironmentMismatchError
    from dai_spark.testing import flights_export

    words = {"python": pipeline_python, "n_trees": 5, "n_train_rows": 2000}
    path = flights_export(tmp_path / "old.zip", dai_version=version, **words)
    with pytest.raises(EnvironmentMismatchError):
        score(flights.head(5), path)
    # The same Python under a folder whose manifest states nothing to compare with.
    manifest = {
        "python": {"1.8.10": "3.6.15", "1.9.3": "3.6.15", "1.11.0": "3.11.0"}[version],
        "platform": "linux-x86_64",
        "interpreter": "bin/python3.8",
    }
    folder = tmp_path / "environment"
    folder.mkdir()
    for entry in pipeline_python.parent.parent.iterdir():
        if entry.name != "dai_spark_environment.json":
            (folder / entry.name).symlink_to(entry)
    (folder / "dai_spark_environment.json").write_text(json.dumps(manifest))
    found = score_pandas(flights.head(5), path, PackedEnvironment(folder), license=license_text)
    assert found.shape == (5, 2)


def test_missing_and_uncastable_columns_are_named_at_once(score, export, flights):
    """One message names every offender."""
    frame = flights.drop(columns=["carrier", "origin"]).assign(month="May", dest=1.5)
    with pytest.raises(ColumnError) as caught:
        score(frame.head(5), export())
    for words in ("lacks origin, carrier", "month (the pipeline wants a number", "dest (the"):
        assert words in caught.value.message


def test_no_licence_is_said_in_a_sentence(score, export, flights, monkeypatch, tmp_path):
    """Scorer() leaves by SystemExit; the user reads 'licence' and what to do."""
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(LicenseError, match="none was found; give one by license_file="):
        score(flights.head(5), export(), license_file=None)
    monkeypatch.setenv("DRIVERLESS_AI_LICENSE_FILE", str(tmp_path / "no.sig"))
    with pytest.raises(LicenseError, match=r"none was found \(there is no licence in \S+/no.sig,"):
        score(flights.head(5), export(), license_file=None)
    with pytest.raises(LicenseError, match="the one given was refused"):
        score(flights.head(5), export(), license_file=None, license="no such licence")


def test_the_environment_is_named_when_it_is_missing(export, flights):
    """A call without env= says how to get one."""
    with pytest.raises(OptionError, match="dai-spark env build"):
        score_pandas(flights, export())
