"""Rows as bytes: each value reaches the table as it was given, or is named and refused."""

import contextlib
import csv
import io
import json
import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import ColumnError, OptionError, RefusedValuesError, UnreadableRowsError
from dai_spark.row_formats.csv_rows import csv_tables
from dai_spark.row_formats.prediction_bytes import FORMS, arrow_bytes, csv_bytes, json_bytes
from dai_spark.row_formats.row_formats import FORMATS, format_of_media_type, format_of_name
from dai_spark.row_formats.row_formats import read_rows as read

WANTED = {
    "n": PipelineColumn("n", "float32"),
    "i": PipelineColumn("i", "int32"),
    "t": PipelineColumn("t", "object"),
}
GOOD = {"n": 1.5, "i": 7, "t": "x"}


def rows(value, column, form):
    """One good row and one with the value, as JSON of a form."""
    texts = [
        {name: json.dumps(found) for name, found in GOOD.items()},
        {**{name: json.dumps(found) for name, found in GOOD.items()}, column: value},
    ]
    objects = ["{" + ",".join(f'"{k}":{v}' for k, v in row.items()) + "}" for row in texts]
    if form == "records":
        return "[" + ",".join(objects) + "]"
    if form == "jsonl":
        return "\n".join(objects)
    if form == "split":
        data = ",".join("[" + ",".join(row.values()) + "]" for row in texts)
        return f'{{"columns":{json.dumps(list(GOOD))},"data":[{data}]}}'
    columns = [f'"{name}":[{",".join(row[name] for row in texts)}]' for name in GOOD]
    return "{" + ",".join(columns) + "}"


@pytest.mark.parametrize("form", ["records", "split", "columns", "jsonl"])
@pytest.mark.parametrize(
    ("column", "value", "why"),
    [
        ("i", "5.9", "5.9 (the pipeline wants a whole number)"),
        ("n", "9007199254740993", "9007199254740993 (a float would round it)"),
        ("n", "1" + "0" * 400, "a float would round it"),
        ("n", '"1545"', '"1545" (it is text'),
        ("n", "true", "true (the pipeline wants a number; send 1 or 0)"),
        ("n", "1e400", "1e400 (it is no number that a float holds"),
        ("n", "-1e-400", "-1e-400 (it is no number that a float holds"),
        ("n", "NaN", "NaN (it is no number"),
        ("i", "-Infinity", "-Infinity (it is no number"),
        ("n", "[1]", "[1] (it is a list"),
        ("n", '{"a":1}', "(it is an object"),
        ("t", "5.9", "5.9 (the pipeline wants text"),
        ("t", "false", "false (the pipeline wants text"),
        ("t", r'"\ud800"', "half of a surrogate pair"),
    ],
)
def test_a_value_that_does_not_fit_is_named(column, value, why, form):
    """By row, column and value, whatever form the rows have."""
    name = "jsonl" if form == "jsonl" else "json"
    with pytest.raises(RefusedValuesError) as caught:
        read(rows(value, column, form).encode(), name, WANTED)
    assert f"row 1, column {column}: " in caught.value.message
    assert why in caught.value.message
    assert [found[:2] for found in caught.value.offenders] == [(1, column)]


@pytest.mark.parametrize("form", ["records", "split", "columns", "jsonl"])
@pytest.mark.parametrize(
    ("column", "value", "sent"),
    [
        ("n", "5.9", 5.9),
        ("n", "-0.0", -0.0),
        ("n", "0e5", 0.0),
        ("n", "9007199254740992", 2.0**53),
        # Beyond 2^53, and a float all the same.
        ("n", "1152921504606846976", 2.0**60),
        ("n", "null", None),
        ("i", "5.0", 5.0),
        ("t", "null", None),
        ("t", '"NA"', "NA"),
        ("t", '""', ""),
        ("t", "7", "7"),
        ("t", "123456789012345678901234567890", "123456789012345678901234567890"),
    ],
)
def test_a_value_that_fits_is_what_was_given(column, value, sent, form):
    """And the types of the table are the same whatever its rows."""
    name = "jsonl" if form == "jsonl" else "json"
    table = read(rows(value, column, form).encode(), name, WANTED)
    assert table.schema == pa.schema([("n", pa.float64()), ("i", pa.float64()), ("t", pa.string())])
    assert repr(table[column][1].as_py()) == repr(sent)
    assert table.slice(0, 1).to_pylist() == [GOOD]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is no JSON"),
        (b"[", "line 1, column 2"),
        (b"3", "holds 3 in place of rows"),
        (b"\xff", "byte 0 is 0xff"),
        (b"[" * 100_000, "nested too deeply"),
        (b'[{"n":1,"i":1,"t":"x","n":2}]', "the key 'n' twice"),
        (b'{"n":[1],"i":[1,2],"t":["x"]}', "several numbers of rows: n 1, i 2, t 1"),
        (b'{"columns":["n","i","t"]}', "no list of rows"),
        (b'{"columns":3,"data":[]}', "columns 3 in place of a list of names"),
    ],
)
def test_what_is_no_json_of_rows_is_told_as_such(data, words):
    """Apart from values that do not fit, since a protocol has another code for it."""
    with pytest.raises(UnreadableRowsError) as caught:
        read(data, "json", WANTED)
    assert words in caught.value.message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b'[{"n":1,"i":1,"t":"x"},{"n":1}]', "row 1: it lacks i, t"),
        (b'[{"N":1,"i":1,"t":"x"}]', "lacks n of the 3 columns"),
        (b'[{"n":1,"i":1,"t":"x"},4]', "row 1: 4 (it is no object"),
        (b'{"columns":["n","i","t"],"data":[[1,2,"x"],[1,2],[1,2,"x",4],5]}', "row 1: it has 2"),
        (b'{"columns":["n","n","i","t"],"data":[]}', "several columns of one name, n"),
        (b'{"columns":["n","i"],"data":[]}', "lacks t of the 3"),
    ],
)
def test_rows_without_all_columns_are_refused(data, words):
    """A name that is misspelled would else be scored as a missing value."""
    with pytest.raises(ColumnError) as caught:
        read(data, "json", WANTED)
    assert words in caught.value.message


def test_of_very_many_offenders_the_first_are_named():
    """In the order of rows, with how many more there are."""
    body = json.dumps([{"n": "1", "i": 0.5, "t": 1.5}] * 5000).encode()
    with pytest.raises(RefusedValuesError) as caught:
        read(body, "json", WANTED)
    assert [found[0] for found in caught.value.offenders] == [i // 3 for i in range(20)]
    assert "and 14980 more" in caught.value.message
    assert len(caught.value.message) < 4000


def test_no_rows_are_a_table_without_rows():
    """With the columns and types that it always has."""
    whole = read(rows("1", "n", "records").encode(), "json", WANTED)
    for data in (b"[]", b'{"columns":["n","i","t"],"data":[]}', b'{"n":[],"i":[],"t":[]}'):
        found = read(data, "json", WANTED)
        assert (found.num_rows, found.schema) == (0, whole.schema)
    for data in (b"n,i,t", b"n,i,t\n", b"n,i,t\r\n\r\n"):
        found = read(data, "csv", WANTED)
        assert (found.num_rows, found.schema) == (0, whole.schema)


def test_further_columns_are_passed_over_or_kept():
    """What is kept has the type of its values."""
    body = b'[{"n":1,"key":7,"i":1,"t":"x","more":[1]},{"n":1,"key":8,"i":1,"t":null}]'
    assert read(body, "json", WANTED).column_names == ["n", "i", "t"]
    kept = read(body, "json", WANTED, ["key"])
    assert kept["key"].to_pylist() == [7, 8]
    with pytest.raises(ColumnError, match="lacks wrong"):
        read(b'[{"n":1,"i":1,"t":"x"}]', "json", WANTED, ["wrong"])


# -- CSV ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "column", "sent"),
    [
        ("007", "t", "007"),
        ("NA", "t", "NA"),
        ("", "t", None),
        ('""', "t", ""),
        (" x ", "t", " x "),
        ('"a,""b""\n"', "t", 'a,"b"\n'),
        (" 7 ", "n", 7.0),
        ("+1e3", "n", 1000.0),
        ("True", "n", 1.0),
        ("false", "n", 0.0),
        ("", "n", None),
        ('""', "n", None),
        ("NA", "n", None),
        ("-0", "n", -0.0),
        ("9007199254740992", "n", 2.0**53),
    ],
)
def test_a_field_is_read_by_what_the_pipeline_wants(field, column, sent):
    """Text as it stands, numbers as numbers."""
    fields = {"n": "1", "i": "2", "t": "x", column: field}
    table = read(("n,i,t\n" + ",".join(fields.values()) + "\n").encode(), "csv", WANTED)
    assert repr(table[column][0].as_py()) == repr(sent)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"n,i,t\n1,2,x\nx,5.9,x\n", 'row 1, column n: "x" (it is no number'),
        (b"n,i,t\n1,2,x\nx,5.9,x\n", 'row 1, column i: "5.9" (the pipeline wants a whole number'),
        (b"n,i,t\n9007199254740993,2,x\n", "row 0, column n"),
        (b"n,i,t\n1e400,2,x\n", "row 0, column n"),
        (b"n,i,t\n1e-400,2,x\n", "row 0, column n"),
        (b"n,i,t\n1_000,2,x\n", "row 0, column n"),
        (b"n,i,t\n1,2,\xff\n", "row 0, column t: X'FF' (it is no UTF-8)"),
        (b"n,i,t\n1,2,x\n1,2\n1,2,3,4\n", "row 1: it has 2 fields for 3 columns; row 2: it has 4"),
        (b"n,i\n1,2\n", "lacks t"),
        (b"n,i,t,n\n1,2,x,4\n", "several columns of one name, n"),
        (b"n,\xff,t\n", "byte 2 is 0xff"),
        (b"", "is empty"),
        (b'n,i,t\n1,2,"x\n', "odd number of quotes"),
    ],
)
def test_csv_that_is_wrong_is_told_by_row(data, words):
    """Each field that does not fit, each row of another length."""
    with pytest.raises(ColumnError) as caught:
        read(data, "csv", WANTED)
    assert words in caught.value.message


def test_csv_does_not_guess_what_the_export_does_not_tell():
    """Whether 007 is a number."""
    with pytest.raises(ColumnError, match="cannot tell numbers from text in u"):
        read(b"u\n007\n", "csv", {"u": PipelineColumn("u", "unknown")})


def test_a_long_csv_comes_in_pieces_with_the_same_rows():
    """Row numbers of errors are those of the file."""
    wanted = {"n": WANTED["n"], "t": WANTED["t"]}
    lines = [f'{i},"text, {i}"' for i in range(20_000)]
    whole = ("n,t\n" + "\n".join(lines) + "\n").encode()
    pieces = list(csv_tables(io.BytesIO(whole), wanted, (), 10_000))
    assert len(pieces) > 10
    assert pa.concat_tables(pieces).equals(read(whole, "csv", wanted))
    lines[17_000] = "x,y"
    spoiled = ("n,t\n" + "\n".join(lines) + "\n").encode()
    with pytest.raises(RefusedValuesError, match='row 17000, column n: "x"'):
        list(csv_tables(io.BytesIO(spoiled), wanted, (), 10_000))
    lines[17_000] = "x"
    ragged = ("n,t\n" + "\n".join(lines) + "\n").encode()
    with pytest.raises(RefusedValuesError, match="row 17000: it has 1 fields"):
        list(csv_tables(io.BytesIO(ragged), wanted, (), 10_000))


def test_of_one_column_an_empty_line_is_a_row():
    """Rows out are rows in."""
    assert read(b"n\n1\n\n3\n", "csv", {"n": WANTED["n"]})["n"].to_pylist() == [1, None, 3]


# -- Arrow and Parquet -------------------------------------------------------------------------

TABLE = pa.table({"x": [1, 2], "t": ["a", None], "n": pa.array([1, 2], "int8"), "i": [1.0, 2.5]})


def file_bytes(table):
    """An Arrow file, not a stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


@pytest.mark.parametrize("form", ["stream", "file", "parquet"])
def test_arrow_and_parquet_keep_their_types(form):
    """The pipeline's columns in its order."""
    data = {"stream": arrow_bytes, "file": file_bytes}.get(form, FORMATS["parquet"].write)(TABLE)
    found = read(data, "parquet" if form == "parquet" else "arrow", WANTED, ["x"])
    assert found.equals(TABLE.select(["n", "i", "t", "x"]))
    with pytest.raises(ColumnError, match="lacks y"):
        read(data, "parquet" if form == "parquet" else "arrow", WANTED, ["y"])


@pytest.mark.parametrize("form", ["arrow", "parquet"])
@pytest.mark.parametrize("end", [0, 3, 10, 200, -20])
def test_bytes_that_were_cut_off_are_refused(form, end):
    """In a sentence, however far they go."""
    data = FORMATS[form].write(TABLE)[:end]
    with pytest.raises(UnreadableRowsError, match="cannot be read"):
        read(data, form, WANTED)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 255))
def test_a_damaged_arrow_stream_is_read_or_refused(at, byte):
    """Nobody vouches for a request's bytes: no crash, no foreign error."""
    data = bytearray(arrow_bytes(TABLE))
    data[at % len(data)] = byte
    with contextlib.suppress(ColumnError):
        read(bytes(data), "arrow", WANTED).to_pylist()


def test_a_type_that_has_no_place_is_refused_before_a_row_is_read():
    """By the product's table of types."""
    table = pa.table({"n": ["1"], "i": [1], "t": [1.5]})
    with pytest.raises(ColumnError) as caught:
        read(arrow_bytes(table), "arrow", WANTED)
    assert "n (the pipeline wants a number" in caught.value.message
    assert "t (the pipeline wants text" in caught.value.message


def test_compressed_rows_have_a_limit_when_they_are_unpacked():
    """A small body may hold very many."""
    from dai_spark.row_formats.arrow_rows import read_arrow

    table = pa.table({"n": np.zeros(100_000), "i": np.zeros(100_000), "t": [""] * 100_000})
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    with pa.ipc.new_stream(sink, table.schema, options=options) as writer:
        writer.write_table(table, max_chunksize=10_000)
    assert len(sink.getvalue()) < 100_000
    with pytest.raises(UnreadableRowsError, match="more than 500,000 bytes"):
        read_arrow(bytes(sink.getvalue()), WANTED, most_bytes=500_000)


# -- what comes in, and what goes out ----------------------------------------------------------

FINITE = st.floats(allow_nan=False, allow_infinity=False)
NUMBERS = st.none() | FINITE | st.integers(-(2**53), 2**53)
TEXTS = st.none() | st.text(st.characters(exclude_categories=["Cs"]))
TABLES = st.lists(st.tuples(NUMBERS, st.none() | st.integers(-(2**31), 2**31), TEXTS), max_size=8)


@settings(max_examples=100, deadline=None)
@given(TABLES, st.sampled_from(["records", "split", "columns", "jsonl"]))
def test_json_comes_in_as_it_was_given(given_rows, form):
    """Each value, whatever stands beside it."""
    records = [dict(zip(("n", "i", "t"), row)) for row in given_rows]
    if form == "records":
        body = json.dumps(records)
    elif form == "split":
        body = json.dumps({"columns": ["n", "i", "t"], "rows": given_rows})
    elif form == "columns":
        body = json.dumps({n: [row[n] for row in records] for n in ("n", "i", "t")})
    else:
        body = "\n".join(json.dumps(row) for row in records)
    found = read(body.encode(), "jsonl" if form == "jsonl" else "json", WANTED).to_pylist()
    assert [tuple(row.values()) for row in found] == given_rows


@settings(max_examples=100, deadline=None)
@given(TABLES)
def test_csv_comes_in_as_it_was_given(given_rows):
    """Python's own writer of CSV made it; an empty text is a missing one there."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["n", "i", "t"])
    # Python's writer does not quote what Arrow takes for the end of a line.
    # The largest float is one of Driverless AI's words for a missing value.
    given_rows = [
        (None if n is not None and abs(n) > 1.79e308 else n, i, t and t.replace("\r", ""))
        for n, i, t in given_rows
    ]
    for n, i, t in given_rows:
        writer.writerow([repr(n) if n is not None else "", "" if i is None else i, t or ""])
    found = read(text.getvalue().encode(), "csv", WANTED).to_pylist()
    assert [tuple(row.values()) for row in found] == [(n, i, t or None) for n, i, t in given_rows]


def bits(values, kind):
    """What a client has when it reads numbers of JSON as floats of that kind."""
    return [None if v is None else kind(v).tobytes() for v in values]


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.floats(width=32), max_size=5),
    st.lists(st.floats(), max_size=5),
    st.sampled_from(FORMS),
    st.sampled_from([1, 40]),
)
def test_scores_go_out_with_their_bits(singles, doubles, form, times):
    """As float32 and as float64; NaN is null."""
    n = min(len(singles), len(doubles))
    singles, doubles = singles[:n] * times, doubles[:n] * times
    table = pa.table({"a,b": pa.array(singles, "float32"), 'c"d': pa.array(doubles, "float64")})

    def refuse(word):
        raise AssertionError(word)

    found = json.loads(json_bytes(table, form), parse_constant=refuse)
    if form == "records":
        columns = [[row[name] for row in found] for name in table.column_names]
    elif form == "columns":
        columns = [found[name] for name in table.column_names]
    else:
        data = found["data"] if form == "split" else found
        columns = [[row[i] for row in data] for i in range(2)]
    for values, sent, kind in zip(columns, (singles, doubles), (np.float32, np.float64)):
        assert all(v is None or type(v) is float for v in values)
        assert bits(values, kind) == bits([v if math.isfinite(v) else None for v in sent], kind)


def test_floats_are_the_shortest_that_give_their_bits():
    """0.1 of a float32 is 0.1, and not the 17 digits of the double beside it."""
    table = pa.table({"a": pa.array([0.1, 1.0, 1e-7, 3e38], "float32")})
    assert json_bytes(table, "lists") == b"[[0.1],[1.0],[1e-07],[3e+38]]"
    assert json_bytes(pa.table({"a": [0.1 + 0.2]}), "lists") == b"[[0.30000000000000004]]"


def test_labels_and_maps_go_out():
    """Texts are escaped; a map is an object; CSV holds it as a text of JSON."""
    kinds = pa.map_(pa.string(), pa.float32())
    table = pa.table(
        {
            "label": ['a"b', None, "é"],
            "p": pa.array([[("no", 0.1), ("yes", 0.9)], None, [("no", math.nan)]], kinds),
        }
    )
    expected = [
        {"label": 'a"b', "p": {"no": 0.1, "yes": 0.9}},
        {"label": None, "p": None},
        {"label": "é", "p": {"no": None}},
    ]
    assert json.loads(json_bytes(table)) == expected
    assert [json.loads(line) for line in FORMATS["jsonl"].write(table).splitlines()] == expected
    found = list(csv.reader(io.StringIO(csv_bytes(table).decode())))
    assert found[0] == ["label", "p"]
    assert json.loads(found[1][1]) == {"no": 0.1, "yes": 0.9}


def test_predictions_go_out_as_csv_arrow_and_parquet():
    """NaN is an empty field in CSV, and NaN where there are types."""
    table = pa.table({"a.b": pa.array([0.1, math.nan], "float32"), "k,l": [7, 8]})
    assert csv_bytes(table) == b'a.b,"k,l"\n0.1,7\n,8\n'
    for form in ("arrow", "parquet"):
        data = FORMATS[form].write(table)
        read_back = (
            pq.read_table(pa.BufferReader(data))
            if form == "parquet"
            else pa.ipc.open_stream(data).read_all()
        )
        assert arrow_bytes(read_back) == arrow_bytes(table)


def test_formats_have_names():
    """Of media types, with their parameters, and of files."""
    assert format_of_media_type("Application/JSON; charset=utf-8").name == "json"
    assert format_of_media_type("application/x-ndjson").name == "jsonl"
    assert format_of_media_type("image/png") is None
    assert format_of_name("a/b.CSV").name == "csv"
    with pytest.raises(OptionError, match="does not say its format"):
        format_of_name("rows.xlsx")
    with pytest.raises(OptionError, match="no form"):
        json_bytes(TABLE, "table")
