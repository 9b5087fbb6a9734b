"""What an export's small files say, damaged in every way: it scores all the same, and says so."""

import io
import json
import logging
import zipfile

import pytest

from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.plan.doubts import doubts
from dai_spark.plan.options import ScoringOptions
from dai_spark.plan.plan import Description, ScoringPlan, ShippedFile

PACKAGE = "scoring_h2oai_experiment_4e86cfd8_ba96"
WHEEL = f"{PACKAGE}-1.0.0-py3-none-any.whl"
SUMMARY = "h2oai_experiment_summary_4e86cfd8-ba96.zip"
STATISTICS = "training_data_column_stats.json"
EXAMPLE = """\
# -----------------------------------
# Name       Type      Range
# -----------------------------------
# month      float32   [1.0, 12.0]
# late arr.  object    -
# -----------------------------------
columns = [
    pd.Series(['1.5', None], name='month', dtype='float32'),
    pd.Series(['x', 'ü'], name='late arr.', dtype='object'),
]
scorer.fit_transform_batch(train)
pd.Series(['0'], name='target', dtype='float64')
"""
STATS = {
    "month": {"data_type": "real", "data": [1.5, None], "stats": {"is_numeric": True}},
    "late arr.": {"data_type": "str", "data": ["x"], "stats": {"is_numeric": False}},
    "y": {"data_type": "str", "data": ["no"], "stats": {}},
}
TOLD = [("month", "float32"), ("late arr.", "object")]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DAI_SPARK_CACHE", str(tmp_path / "cache"))


def packed(members):
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return sink.getvalue()


def summary(content):
    return packed({"summary/summary.json": content})


@pytest.fixture
def export(tmp_path):
    """An export of a wheel and these files."""

    def make(**files):
        names = {"example": "example.py", "statistics": STATISTICS, "summary": SUMMARY}
        members = {names.get(name, name): content for name, content in files.items()}
        members[WHEEL] = packed({f"{PACKAGE}/__init__.py": "class Scorer: pass"})
        (tmp_path / "scorer.zip").write_bytes(packed(members))
        return ScoringPipeline(tmp_path / "scorer.zip")

    return make


def told(pipeline):
    return [(column.name, column.dtype) for column in pipeline.columns]


def noted(pipeline):
    """The one note of an export, which still has a digest and can be shown."""
    assert len(pipeline.digest) == 64
    (note,) = pipeline.notes
    assert note in repr(pipeline)
    assert "\n" not in note
    assert "Traceback" not in note
    return note


def test_a_whole_export_has_no_notes(export):
    """Nothing is said where nothing is wrong."""
    found = export(
        example=EXAMPLE, statistics=json.dumps(STATS), summary=summary('{"target": "y"}')
    )
    assert told(found) == TOLD
    assert found.notes == ()


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + EXAMPLE.encode(),
        EXAMPLE.encode("utf-16"),
        b"# -*- coding: latin-1 -*-\n" + EXAMPLE.encode("latin-1"),
        b"# -*- coding: no-such -*-\n" + EXAMPLE.encode(),
        EXAMPLE.encode("latin-1"),
        EXAMPLE.replace("\n", "\r\n").encode(),
        EXAMPLE.encode().replace(b"'x'", b"'\\d'"),
    ],
    ids=["mark", "utf-16", "declared", "unknown", "undeclared", "windows", "backslash"],
)
def test_an_example_is_read_whichever_editor_wrote_it(export, content):
    """Byte order marks, declared encodings, none, and escapes that Python warns of."""
    found = export(example=content)
    assert told(found) == TOLD
    assert found.notes == ()


@pytest.mark.parametrize(
    ("example", "types"),
    [
        ("pd.Series([1], name='a', dtype=np.float32)", [("a", "float32")]),
        ("Series([1], name='a', dtype=object)", [("a", "object")]),
        ("dict(name='a', type='float32')", [("a", "float32")]),
        ("pd.Series(['x'], dtype='category', name='a')", [("a", "category")]),
        (EXAMPLE.partition("columns")[0], TOLD),
        (EXAMPLE + "\nprint 'python 2'", TOLD),
        (EXAMPLE.replace("\n]", "\n"), TOLD),
    ],
)
def test_an_example_of_another_shape_tells_what_it_has(export, example, types):
    """Types by their names in NumPy, and the table in the comments where the program is none."""
    assert told(export(example=example)) == types


@pytest.mark.parametrize(
    ("example", "words"),
    [
        ("", "declares no columns in a way that is known"),
        ("columns = [", "is no Python program ('[' was never closed, line 1)"),
        ("x = 1\0", "is no Python program"),
        ("df = pd.read_csv('x.csv')", "declares no columns in a way that is known"),
        ("f(" * 5000, "is no Python program"),
        ("x = " + "-" * 100_000 + "1", "is no Python program"),
        ("x = " + ".a" * 100_000, "is no Python program"),
        (" " * (17 << 20), "has more than 17 MB"),
    ],
    ids=["empty", "open", "zero", "another", "calls", "signs", "attributes", "huge"],
)
def test_an_example_that_tells_nothing_is_noted(export, example, words):
    """And statistics stand in for it, if there are any."""
    found = export(example=example)
    assert told(found) == []
    assert any(words in note for note in found.notes), found.notes
    assert "types of its columns are not known" in found.notes[-1]
    assert len(found.digest) == 64
    found = export(example=example, statistics=json.dumps(STATS), summary=summary('{"target":"y"}'))
    assert told(found) == TOLD
    assert f"are taken from {STATISTICS}" in found.notes[-1]


def test_no_example_is_noted(export):
    """The one file that every export has."""
    assert "is not there, or cannot be read; the types of its columns are not known" in noted(
        export()
    )


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + json.dumps(STATS).encode(),
        json.dumps(STATS).encode("utf-16"),
        json.dumps(json.dumps(STATS)).encode(),
        json.dumps({**STATS, "odd": 5, "none": None, "list": [1]}).encode(),
    ],
    ids=["mark", "utf-16", "twice", "odd"],
)
def test_statistics_are_read_whichever_tool_wrote_them(export, content):
    """Columns that are none are left out."""
    found = export(statistics=content, summary=summary('{"target": "y"}'))
    assert told(found) == TOLD


@pytest.mark.parametrize(
    ("column", "dtype"),
    [
        ({"data_type": "int"}, "float32"),
        ({"data_type": "string", "stats": None}, "object"),
        ({"data_type": "time", "stats": {"is_numeric": None}}, "object"),
        ({"stats": {}}, "unknown"),
        ({"data_type": 5, "stats": [], "data": 7}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_statistics_that_do_not_tell_a_type_leave_it_unknown(export, column, dtype):
    """What is not said to be a number is not therefore text."""
    found = export(statistics=json.dumps({"a": column}))
    assert told(found) == [("a", dtype)]


@pytest.mark.parametrize(
    "content",
    [b"", b"null", b"[]", b"5", b'"x"', b"{", b"\xff\xfe\xff", b"[" * 100_000, b'{"a": 1}'[:4]],
)
def test_damaged_statistics_are_noted(export, content):
    """Null, a list, cut off, in no encoding, and too deep to read."""
    assert f"The {STATISTICS} of" in noted(export(example=EXAMPLE, statistics=content))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no zip",
        summary("{}")[:-30],
        summary("null"),
        summary("[]"),
        summary("{"),
        summary(b"\xff"),
        summary("[" * 100_000),
        summary('{"target": "y"}').replace(b'"y"', b'"z"'),
    ],
    ids=["empty", "text", "cut", "null", "list", "half", "bytes", "deep", "checksum"],
)
def test_a_damaged_summary_is_noted(export, content):
    """Target and labels are not told then, and that is all."""
    found = export(example=EXAMPLE, summary=content)
    note = noted(found)
    assert f"The experiment summary {SUMMARY} of" in note
    assert "so target and labels are not told" in note
    assert (found.target, found.labels, told(found)) == (None, None, TOLD)


@pytest.mark.parametrize(
    ("content", "target", "labels"),
    [
        (b"\xef\xbb\xbf" + b'{"target": "y", "labels": ["no", 1]}', "y", ("no", "1")),
        ('{"target": null, "target_column": "y"}'.encode("utf-16"), "y", None),
        (b'{"target": ["y"], "labels": "no"}', None, None),
        (b'{"labels": 5, "target_labels": ["a"]}', None, ("a",)),
        (b"{}", None, None),
    ],
)
def test_a_summary_tells_what_is_of_the_form_that_is_known(export, content, target, labels):
    """Nothing is made of what is of another form."""
    found = export(example=EXAMPLE, summary=summary(content))
    assert (found.target, found.labels, found.notes) == (target, labels, ())


def test_a_huge_summary_is_not_read(export):
    """A megabyte that unpacks to a gigabyte fills no memory."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("summary.json", b" " * (65 << 20))
    assert "has more than 64 MB" in noted(export(example=EXAMPLE, summary=sink.getvalue()))


def test_a_small_file_that_is_damaged_is_noted(tmp_path, export):
    """One byte of it, in the archive."""
    export(example=EXAMPLE)
    path = tmp_path / "scorer.zip"
    path.write_bytes(path.read_bytes().replace(b"'late arr.'", b"'late dep.'"))
    found = ScoringPipeline(path)
    assert any("its file 'example.py' cannot be read (Bad CRC-32" in note for note in found.notes)
    assert told(found) == []
    assert len(found.digest) == 64


# -- what is unknown, and paths --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("dtype", "is_number"),
    [
        *[(name, True) for name in ("float32", "int", "Int64", "bool", "real", "double[pyarrow]")],
        *[(name, False) for name in ("object", "str", "category", "datetime64[ns]", "string")],
        *[(name, None) for name in ("unknown", "", "interval", "vector", "floating point")],
    ],
)
def test_what_a_type_says_of_a_column(dtype, is_number):
    """A word that is neither a number's nor a text's is unknown."""
    column = PipelineColumn("a", dtype)
    assert column.is_known == (is_number is not None)
    assert column.is_number == bool(is_number)


def plan_of(columns, names, paths=()):
    described = Description(
        columns=names,
        output=(("y", "float"),),
        labels=None,
        signatures={},
        load_s=0.0,
        memory_bytes=0,
        versions={},
        start_method="fork",
        path_columns=paths,
    )
    file = ShippedFile("path", "/x", "digest", "scorer.zip")
    return ScoringPlan(file, file, "", tuple(columns), None, ScoringOptions(), described)


def test_what_is_unknown_is_told_by_its_names():
    """Columns that the scorer uses and the export does not declare; not those it does not use."""
    columns = [PipelineColumn("a", "float32"), PipelineColumn("d", "unknown")]
    assert doubts(plan_of(columns, ("a",))) == []
    (doubt,) = doubts(plan_of(columns, ("a", "b", "c")))
    assert "scorer.zip does not tell whether the pipeline wants numbers or text in 2 of its 3" in (
        doubt
    )
    assert "(b, c)" in doubt


@pytest.mark.parametrize(
    ("samples", "holds"),
    [
        (("a.jpg", None, "x/y.PNG"), True),
        (("/data/a.tiff", "s3://b/c.jpeg"), True),
        (("a.jpg", "none"), False),
        ((), False),
        ((None, ""), False),
        (("jpg", "1.5"), False),
    ],
)
def test_columns_of_images_are_known_by_their_examples(samples, holds):
    """All values of the example are names of image files; an export says no more of its columns."""
    column = PipelineColumn("picture", "object", samples)
    assert column.holds_paths == holds
    assert PipelineColumn("picture", "float32", samples).holds_paths is False
    assert PipelineColumn("picture", "Image", samples).holds_paths is True
    (found,) = doubts(plan_of([column], ("picture",))) or [""]
    assert ("Column picture of the pipeline: the values are paths" in found) == holds


def test_columns_of_images_are_known_by_their_transformers():
    """Of which the loaded pipeline tells."""
    columns = [PipelineColumn("picture", "object"), PipelineColumn("b", "object")]
    (found,) = doubts(plan_of(columns, ("picture", "b"), ("picture",)))
    assert "Column picture of the pipeline" in found
    assert "scored as missing, without an error" in found


def test_the_command_line_shows_notes_and_paths(export, tmp_path, capsys):
    """`dai-spark pipeline show` needs no pipeline that loads."""
    from dai_spark.cli.main import main

    export(example="pd.Series(['a.jpg'], name='picture', dtype='object')", summary=b"no zip")
    assert main(["pipeline", "show", str(tmp_path / "scorer.zip")]) in (0, None)
    out = capsys.readouterr().out
    assert "note        The experiment summary" in out
    assert "note        Column picture of the pipeline" in out


def test_a_plan_of_this_host_warns_of_what_is_damaged(export, caplog):
    """Through the logger, as all that may change scores."""
    from dai_spark.local.local_plan import plan_here
    from dai_spark.plan.request import ScoringRequest

    environment = ShippedFile("archive", "env", "digest", "env")
    pipeline = export(example=EXAMPLE, summary=b"no zip")
    request = ScoringRequest(pipeline, environment, None, ScoringOptions())
    with caplog.at_level(logging.WARNING, "dai_spark"):
        plan_here(request)
    assert ["The experiment summary" in record.message for record in caplog.records] == [True]
