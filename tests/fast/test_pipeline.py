"""ScoringPipeline: what an export says of itself, read from hand-made zips without running any."""

import io
import json
import zipfile

import pytest

from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.errors import NotAPipelineError, PipelineNotFoundError

WHEEL = "scoring_h2oai_experiment_4e86cfd8_ba96-1.0.0-py3-none-any.whl"
EXAMPLE = """
import pandas as pd
columns = [
    pd.Series(['1.5', None, 'nan'], name='a.b', dtype='float32'),
    pd.Series(['x', '', 'NA'], name="it's", dtype='object'),
]
scorer.fit_transform_batch(train)
pd.Series(['0'], name='target', dtype='float64')
"""


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DAI_SPARK_CACHE", str(tmp_path / "cache"))


def write(path, members, top="scoring-pipeline/"):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(top + name, content)
    return path


def summary():
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("summary.json", json.dumps({"target": "y", "labels": ["no", "yes"]}))
    return sink.getvalue()


def wheel(content="class Scorer: pass"):
    """A wheel of one file, without RECORD."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr(f"{WHEEL.partition('-')[0]}/__init__.py", content)
    return sink.getvalue()


WHOLE = {
    WHEEL: wheel(),
    "example.py": EXAMPLE,
    "h2oaicore-1.10.7.3-cp38-cp38-linux_x86_64.whl": b"x" * 100_000,
    "h2oai_experiment_summary_4e86cfd8-ba96.zip": summary(),
    "tmp/contrib/recipe.py": b"recipe",
    "requirements.txt": b"numpy",
}


def test_an_export_tells_all_of_itself(tmp_path):
    """Columns, target, labels, version, Python and ids come out of the files."""
    found = ScoringPipeline(write(tmp_path / "scorer.zip", WHOLE))
    assert found.package == "scoring_h2oai_experiment_4e86cfd8_ba96"
    assert found.experiment_id == "4e86cfd8-ba96"
    assert (found.dai_version, found.dai_line, found.python) == ("1.10.7.3", "1.10", "3.8")
    assert (found.target, found.labels) == ("y", ("no", "yes"))
    assert [(c.name, c.dtype, c.samples) for c in found.columns] == [
        ("a.b", "float32", ("1.5", None, None)),
        ("it's", "object", ("x", None, "NA")),
    ]
    for words in ("4e86cfd8-ba96", "1.10.7.3 (Python 3.8)", "y: no, yes", "a.b float32"):
        assert words in repr(found)


def test_the_slim_copy_holds_what_travels_and_no_more(tmp_path):
    """Wheel, metadata and tmp/ travel; core wheels do not; equal exports give equal digests."""
    zipped = ScoringPipeline(write(tmp_path / "scorer.zip", WHOLE))
    flat = ScoringPipeline(write(tmp_path / "flat.zip", WHOLE, top=""))
    nested = ScoringPipeline(write(tmp_path / "nested.zip", WHOLE, top="a/b/"))
    with zipfile.ZipFile(tmp_path / "scorer.zip") as archive:
        archive.extractall(tmp_path / "folder")
    folder = ScoringPipeline(tmp_path / "folder")
    assert zipped.digest == flat.digest == nested.digest == folder.digest
    with zipfile.ZipFile(zipped.slim_path) as slim:
        assert sorted(slim.namelist()) == ["pipeline.json", WHEEL, "tmp/contrib/recipe.py"]
        # Another build of zlib would give the same pipeline another digest.
        assert {one.compress_type for one in slim.infolist()} == {zipfile.ZIP_STORED}
    assert zipped.slim_path.stat().st_size < 2000


def test_another_wheel_is_another_pipeline(tmp_path):
    """The digest is the identity of what scores."""
    one = ScoringPipeline(write(tmp_path / "one.zip", WHOLE))
    other = ScoringPipeline(
        write(tmp_path / "other.zip", {**WHOLE, WHEEL: wheel("class Scorer: x = 1")})
    )
    assert one.digest != other.digest


def test_statistics_stand_in_for_an_example(tmp_path):
    """Without example.py the column statistics tell the columns, also when encoded twice."""
    stats = {
        "n": {"data_type": "int", "data": [1, None], "stats": {"is_numeric": True}},
        "s": {"data_type": "str", "data": ["a"], "stats": {"is_numeric": False}},
        "y": {"data_type": "str", "data": ["no"], "stats": {}},
    }
    members = {k: v for k, v in WHOLE.items() if k != "example.py"}
    members["training_data_column_stats.json"] = json.dumps(json.dumps(stats))
    found = ScoringPipeline(write(tmp_path / "scorer.zip", members))
    assert [(c.name, c.is_number) for c in found.columns] == [("n", True), ("s", False)]


def test_an_export_without_core_wheel_tells_no_version(tmp_path):
    """What is not told is None, and the repr says why."""
    found = ScoringPipeline(write(tmp_path / "scorer.zip", {WHEEL: wheel()}))
    assert (found.dai_version, found.python, found.target, found.columns) == (None, None, None, ())
    assert "not told" in repr(found)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"pipeline.mojo": b"", "mojo2-runtime.jar": b""}, "is a MOJO pipeline"),
        ({"scoring_mli_experiment_a-1.0.0-py3-none-any.whl": b""}, "k-LIME"),
        ({"readme.txt": b""}, "holds no scoring wheel"),
        (
            {WHEEL: b"", WHEEL.replace("4e86", "5e86"): b""},
            r"holds 2 scoring wheels \(.*4e86.*5e86",
        ),
    ],
)
def test_what_is_no_pipeline_is_refused_by_name(tmp_path, members, words):
    """A MOJO, a k-LIME pipeline, no wheel and two wheels each have a sentence of their own."""
    with pytest.raises(NotAPipelineError, match=words):
        ScoringPipeline(write(tmp_path / "x.zip", members))


def test_a_path_without_file_and_a_file_without_zip_are_refused(tmp_path):
    """The path stands in the message."""
    with pytest.raises(PipelineNotFoundError, match=r"No scoring pipeline lies at .*gone\.zip"):
        ScoringPipeline(tmp_path / "gone.zip")
    (tmp_path / "cut.zip").write_bytes(b"PK\x03\x04 cut")
    with pytest.raises(NotAPipelineError, match="not a readable zip"):
        ScoringPipeline(tmp_path / "cut.zip")
