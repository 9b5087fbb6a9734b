"""Frames of any type: the pipeline is given what they hold, or a sentence names column and row."""

import datetime as dt
import decimal
import enum
import logging
import pathlib
import uuid

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from echo import VARIABLE, build_echo, last_given

from dai_spark import open_scorer, score_pandas
from dai_spark.errors import ColumnError

D = decimal.Decimal
KINDS = ("number", "text", "unknown")
NAN, NONE = "nan", "None"


class Colour(enum.Enum):
    """One that is no text."""

    RED = 1


class Broken:
    """A value that nothing can be done with."""

    def __arrow_array__(self, type=None):
        raise KeyError("none")

    def __repr__(self):
        raise ValueError("none")


def of(*values, **words):
    return pd.Series(list(values), **words)


def objects(*values):
    return pd.Series(list(values), dtype=object)


def zone(hours):
    return dt.timezone(dt.timedelta(hours=hours))


NOON = dt.datetime(2020, 5, 8, 12)
ROW_1 = r"not of one type that Arrow knows: v \(row 1: "
ROW_0 = ROW_1.replace("1", "0")
NUMBER = "the pipeline wants a number, found "
TEXT = "the pipeline wants text, found "
NEITHER = "the pipeline wants a number or text, found "
REFUSED = (NUMBER, TEXT, NEITHER)
TEXTS = ("found text; cast it", ["'a'", NONE], ["'a'", NONE])
ONES = (["1.0", NAN], ["'1'", NONE], ["1.0", NAN])
HALVES = (["1.5", NAN], TEXT, ["1.5", NAN])
TRUES = (["1.0", NAN], TEXT, ["1.0", NAN])
DAYS = (NUMBER, ["'2020-05-08'", NONE], ["'2020-05-08'", NONE])
NOONS = (NUMBER, ["'2020-05-08 12:00:00'", NONE], ["'2020-05-08 12:00:00'", NONE])

# What becomes of a column where a number, a text, or the pipeline does not tell what is wanted:
# values as the pipeline saw them, or what the error says.
CASES = {
    "integers": (of(1, None, dtype="Int64"), *ONES),
    "unsigned": (of(1, None, dtype="UInt8"), *ONES),
    "floats": (of(1.5, None), *HALVES),
    "nullable floats": (of(1.5, None, dtype="Float64"), *HALVES),
    "float32": (of(1.5, None, dtype="float32"), *HALVES),
    "half": (of(1.5, None, dtype="float16"), *HALVES),
    "booleans": (of(True, None, dtype="boolean"), *TRUES),
    "boolean objects": (objects(True, None), *TRUES),
    "decimals": (objects(D("1.5"), None), *HALVES),
    "decimal NaN": (objects(D("1.5"), D("NaN")), *HALVES),
    "large decimals": (objects(D("1.5"), D("1E+60")), ["1.5", "1e+60"], TEXT, ["1.5", "1e+60"]),
    "strings": (of("a", None, dtype="string"), *TEXTS),
    "arrow strings": (of("a", None, dtype="string[pyarrow]"), *TEXTS),
    "objects": (objects("a", None), *TEXTS),
    "NumPy's strings": (objects(np.str_("a"), np.nan), *TEXTS),
    "missing of all kinds": (objects("a", pd.NaT), *TEXTS),
    "categories": (of("a", None, dtype="category"), *TEXTS),
    "categories of integers": (of(1, None, dtype="Int64").astype("category"), *ONES),
    "categories of times": (of(NOON, None).astype("category"), *NOONS),
    "dates": (objects(dt.date(2020, 5, 8), None), *DAYS),
    "times": (of(NOON, None), *NOONS),
    "times in a zone": (of(NOON, None).dt.tz_localize("Asia/Tokyo"), *NOONS),
    "time objects": (objects(NOON, None), *NOONS),
    "zoned objects": (objects(NOON.replace(tzinfo=zone(5)), None), *NOONS),
    "NumPy's numbers": (objects(np.int64(1), None), *ONES),
    "sparse": (of(1.5, None, dtype=pd.SparseDtype(float)), *HALVES),
    "sparse integers": (of(1, 0, dtype=pd.SparseDtype(int)), ["1.0", "0.0"], ["'1'", "'0'"],
                        ["1.0", "0.0"]),
    "sparse text": (of("a", None, dtype=pd.SparseDtype(object)), *TEXTS),
    "arrow decimals": (of(D("1.5"), None, dtype=pd.ArrowDtype(pa.decimal128(5, 2))), *HALVES),
    "arrow dictionary": (of("a", None, dtype=pd.ArrowDtype(pa.dictionary(pa.int32(), pa.string()))),
                         *TEXTS),
    "arrow large text": (of("a", None, dtype=pd.ArrowDtype(pa.large_string())), *TEXTS),
    "nothing": (objects(None, None), [NAN, NAN], [NONE, NONE], [NONE, NONE]),
    "arrow nothing": (of(None, None, dtype=pd.ArrowDtype(pa.null())), [NAN, NAN], [NONE, NONE],
                      [NONE, NONE]),
    "infinities": (of(np.inf, -np.inf), ["inf", "-inf"], TEXT, ["inf", "-inf"]),
    # What Arrow has a type for, and a pipeline has not.
    "timedeltas": (of(dt.timedelta(1), None), *REFUSED),
    "times of day": (objects(dt.time(5), None), *REFUSED),
    "periods": (of(*pd.period_range("2020", periods=2)), *REFUSED),
    "intervals": (of(*pd.interval_range(0, 2)), *REFUSED),
    "categories of intervals": (pd.cut(of(1, 2), 2), *REFUSED),
    "bytes": (objects(b"a", None), *REFUSED),
    "text and bytes": (objects("a", b"b"), *REFUSED),
    "tuples": (objects((1, 2), None), *REFUSED),
    "lists": (objects([1], None), *REFUSED),
    "sets": (objects({1}, None), *REFUSED),
    "dictionaries": (objects({"a": 1}, None), *REFUSED),
    "arrays": (objects(np.array([1, 2]), None), *REFUSED),
    "UUIDs": (objects(uuid.UUID(int=1), None), *REFUSED),
    # What Arrow has no type for, or would change.
    "complex": (of(1j, 2j), *[ROW_0] * 3),
    "long doubles": (of(1.5, 2, dtype=np.longdouble), *[ROW_0] * 3),
    "text behind numbers": (objects(1, "a"), *[ROW_1] * 3),
    "numbers behind text": (objects("a", 1.5), *[ROW_1] * 3),
    "mixed categories": (objects(1, "a").astype("category"), *[ROW_1] * 3),
    "floats behind booleans": (objects(True, 1.5), *[ROW_1] * 3),
    "floats behind decimals": (objects(D("1.5"), 1.5), *[ROW_1] * 3),
    "large integers": (objects(1, 2**70), *[ROW_1] * 3),
    "unsigned beside negative": (objects(-1, 2**63 + 1), *[ROW_1] * 3),
    "integers that floats leave out": (objects(1.5, 2**60 + 1), *[ROW_1] * 3),
    "infinite decimals": (objects(D("1.5"), D("Infinity")), *[ROW_1] * 3),
    "lone surrogates": (objects("a", "b\udc80"), *[ROW_1] * 3),
    "lone surrogates of strings": (of("a", "b\udc80", dtype="string"), *[ROW_1] * 3),
    "lone surrogates of categories": (of("a", "b\udc80", dtype="category"), *[ROW_1] * 3),
    "times behind dates": (objects(dt.date(2020, 5, 8), NOON),
                           *[ROW_1 + "a time without zone behind a date"] * 3),
    "stamps behind dates": (objects(dt.date(2020, 5, 8), pd.Timestamp(NOON)), *[ROW_1] * 3),
    "dates behind times": (objects(NOON, dt.date(2020, 5, 8)), *[ROW_1] * 3),
    "two zones": (objects(NOON.replace(tzinfo=zone(1)), NOON.replace(tzinfo=zone(2))),
                  *[ROW_1 + r"a time of zone UTC\+02:00 behind a time of zone UTC\+01:00"] * 3),
    "zoned behind plain": (objects(NOON, NOON.replace(tzinfo=zone(2))), *[ROW_1] * 3),
    "categories of two zones": (objects(NOON, NOON.replace(tzinfo=zone(2))).astype("category"),
                                *[ROW_1] * 3),
    "nanoseconds of objects": (objects(pd.Timestamp(NOON), pd.Timestamp(NOON) + pd.Timedelta(7)),
                               *[ROW_1 + "a time with nanoseconds"] * 3),
    "enumerations": (objects(Colour.RED, None), *[ROW_0] * 3),
    "paths": (objects(pathlib.Path("a"), None), *[ROW_0] * 3),
    "things": (objects(object(), None), *[ROW_0] * 3),
    "broken things": (objects(None, Broken()), *[ROW_1] * 3),
}  # fmt: skip


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    return tmp_path_factory.mktemp("echo") / "told"


@pytest.fixture(scope="module")
def scorers(packed_environment, license_text, told):
    """A handle for each kind of column, all of one pipeline's source."""
    opened = {}
    for kind in KINDS:
        path = build_echo(told.with_name(f"{kind}.zip"), [("v", kind)])
        opened[kind] = open_scorer(
            path, packed_environment, license=license_text, env_vars={VARIABLE: str(told)}
        )
    yield opened
    for scorer in opened.values():
        scorer.close()


@pytest.mark.parametrize("case", CASES)
def test_a_column_is_given_as_it_is_or_refused_by_row(scorers, told, case):
    """Of short frames, and of long ones, which are converted at once."""
    series, *outcomes = CASES[case]
    frame = pd.DataFrame({"v": series})
    for kind, outcome in zip(KINDS, outcomes):
        if isinstance(outcome, str):
            for given in (frame, frame.iloc[[*range(len(frame)), *[0] * 1001]]):
                with pytest.raises(ColumnError, match=outcome):
                    scorers[kind].score(given)
            continue
        scorers[kind].score(frame)
        assert last_given(told)["v"][1] == outcome
        scorers[kind].score(pd.concat([frame] * 501))
        assert last_given(told)["v"][1] == outcome * 501


def test_a_row_that_is_no_scalar_is_found_among_many(scorers):
    """By its number in the caller's frame, whatever its index."""
    values = ["a"] * 5000
    values[3210] = 7
    frame = pd.DataFrame({"v": values}, index=range(10_000, 15_000))
    with pytest.raises(ColumnError, match=r"v \(row 3210: "):
        scorers["text"].score(frame)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        (["V"], r"lacks v of the 1 columns .*names must match in case: found V for v"),
        ([0], "lacks v of the 1 columns"),
        ([("v", "a")], "have 2 levels"),
        (["v", "v"], "has several columns of one name, v, as a join leaves them"),
        (["b\udc80"], "lacks v"),
        ([b"v"], "lacks v"),
        ([pd.NA], "lacks v"),
        ([np.nan], "lacks v"),
        ([], "lacks v"),
    ],
)
def test_names_of_columns_are_looked_at_as_they_come(scorers, columns, words):
    """What is not there is told with what may be meant."""
    names = pd.MultiIndex.from_tuples(columns) if columns[:1] == [("v", "a")] else columns
    frame = pd.DataFrame([["a"] * len(columns)] * 2, columns=names, dtype=object)
    with pytest.raises(ColumnError, match=words):
        scorers["text"].score(frame)


def test_other_columns_may_be_called_anything(scorers, told):
    """And be twice, and of types that nobody knows."""
    names = [0, "w", "v", "w", pd.NA, ("a", "b"), "b\udc80", None]
    frame = pd.DataFrame([[object()] * 2 + ["a"] + [1j] * 5] * 2, columns=names)
    scorers["text"].score(frame)
    assert last_given(told)["v"][1] == ["'a'", "'a'"]


def test_rows_of_several_levels_and_none_keep_their_index(scorers):
    """The answer has the frame's own index."""
    index = pd.MultiIndex.from_tuples([("a", 1), ("a", 1), ("b", 2)])
    found = scorers["text"].score(pd.DataFrame({"v": list("xyz")}, index=index))
    assert found.index.equals(index)
    for frame in (pd.DataFrame({"v": []}, dtype=object), pd.DataFrame(columns=["v", "w"])):
        assert list(scorers["text"].score(frame).columns) == ["y"]


def test_texts_as_polars_exports_them(scorers, told):
    """Views, and categories of views, in several pieces with dictionaries of their own."""
    for values, other in ((["a", None], ["b", "a"]), (["a", "a"], [None, None])):
        views = [pa.array(texts, pa.string_view()) for texts in (values, other)]
        codes = [
            pa.DictionaryArray.from_arrays(
                pa.array([None if t is None else "ab".index(t) for t in texts], pa.uint32()),
                pa.array(["a", "b"], pa.string_view()),
            )
            for texts in (values, other)
        ]
        expected = [repr(text) for text in values + other]
        for chunks in (views, codes):
            table = pa.table({"v": pa.chunked_array(chunks)})
            scorers["text"].score(table)
            assert last_given(told)["v"][1] == expected
            scorers["text"].score(table.combine_chunks() if chunks is views else table[:2])
            scorers["text"].score(table, group_by=["v"])
            scorers["unknown"].score(
                pa.RecordBatchReader.from_batches(table.schema, table.to_batches())
            )


def test_types_that_an_export_does_not_tell_are_the_tables_own(
    packed_environment, license_text, told, tmp_path, caplog
):
    """A warning says so, once for a pipeline; text for a number is not refused, since none is."""
    columns = [("a", "unknown"), ("b", "number"), ("c", "unknown"), ("d", "unknown")]
    path = build_echo(tmp_path / "unknown.zip", columns)
    frame = pd.DataFrame(
        {"a": ["7", None], "b": [1, 2], "c": [2**53, 5], "d": np.float32([0.5, np.nan])}
    )
    words = {"license": license_text, "env_vars": {VARIABLE: str(told)}}
    with caplog.at_level(logging.WARNING, "dai_spark"):
        for _ in range(2):
            score_pandas(frame, path, packed_environment, **words)
    assert last_given(told) == {
        "a": ["object", ["'7'", "None"]],
        "b": ["float64", ["1.0", "2.0"]],
        "c": ["float64", ["9007199254740992.0", "5.0"]],
        "d": ["float32", ["0.5", "nan"]],
    }
    (record,) = caplog.records
    assert "wants numbers or text in 3 of its 4 columns (a, c, d)" in record.message
    with pytest.raises(ColumnError, match="holds 9007199254740993, which the pipeline cannot"):
        score_pandas(frame.assign(c=2**53 + 1), path, packed_environment, **words)


def test_columns_of_image_transformers_are_warned_of(
    packed_environment, license_text, told, tmp_path, caplog
):
    """By the names of the features, as an export of DAI 1.9.1 has them."""
    features = ["0_sex", "1_IMAGEVECTORIZER:filename.xception.00", "2_CVTE:sex:name.0"]
    path = build_echo(
        tmp_path / "images.zip", [("sex", "text"), ("filename", "text"), ("name", "text")], features
    )
    variables = {VARIABLE: str(told)}
    with (
        caplog.at_level(logging.WARNING, "dai_spark"),
        open_scorer(path, packed_environment, license=license_text, env_vars=variables) as scorer,
    ):
        assert scorer.describe().path_columns == ("filename",)
    (record,) = caplog.records
    assert record.message.startswith("Column filename of the pipeline: the values are paths")
