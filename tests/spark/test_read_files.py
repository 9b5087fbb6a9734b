"""Tasks that read files themselves give what Spark's reader gives, or Spark reads."""

import datetime as dt
import decimal
import os

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from both_readings import chosen, given_rows, read_both, written

from dai_spark.errors import OptionError

UTC = dt.timezone.utc
INSTANTS = [
    dt.datetime(1, 1, 1, tzinfo=UTC),
    dt.datetime(1582, 10, 4, 12, tzinfo=UTC),
    dt.datetime(1899, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    dt.datetime(1970, 1, 1, tzinfo=UTC),
    dt.datetime(2024, 2, 29, 1, 2, 3, 456789, tzinfo=UTC),
    dt.datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    None,
]
DAYS = [None if moment is None else moment.date() for moment in INSTANTS]
LOCAL = [None if moment is None else moment.replace(tzinfo=None) for moment in INSTANTS]
ODD_FLOATS = [0.0, -0.0, float("nan"), float("inf"), -5e-324, 1.7976931348623157e308, None]
TEXTS = ["", "a", "\u00e9\0\U0001f600", "null", " ", "x" * 1000, None]
BYTES = [b"", b"\xff\xfe", b"\0", None, b"a", b"b", b"c"]
SEVEN = [0, 1, 2, 3, 4, 5, None]


def ends(bits, signed=True):
    """The ends of an integer type, and some between."""
    low = -(2 ** (bits - 1)) if signed else 0
    high = 2 ** (bits - signed) - 1
    return [low, high, low + 1, 0, 1, None, 7]


def decimals(precision, scale):
    """The ends of a decimal type, and some between."""
    digits = [10**precision - 1, 1 - 10**precision, 0, 1, -1, 10 ** (precision - 1), None]
    with decimal.localcontext(prec=60):
        return [None if n is None else decimal.Decimal(n).scaleb(-scale) for n in digits]


def alike():
    """A table with a column of every type that both readers give alike, as pyarrow has it."""
    nan = np.array([0x7FF8000000000123, 0xFFF0000000000001], dtype="uint64").view("float64")
    return {
        "truth": pa.array([True, False, None, True, True, False, False]),
        "tiny": pa.array(ends(8), pa.int8()),
        "small": pa.array(ends(16), pa.int16()),
        "plain": pa.array(ends(32), pa.int32()),
        "big": pa.array(ends(64), pa.int64()),
        "unsigned 8": pa.array(ends(8, False), pa.uint8()),
        "unsigned 16": pa.array(ends(16, False), pa.uint16()),
        "unsigned 32": pa.array(ends(32, False), pa.uint32()),
        "real": pa.array(ODD_FLOATS, pa.float64()).cast(pa.float32(), safe=False),
        "double": pa.array(ODD_FLOATS, pa.float64()),
        "NaNs": pa.array([*nan, *nan, *nan, 1.0], pa.float64()),
        "text": pa.array(TEXTS, pa.string()),
        "large text": pa.array(TEXTS, pa.large_string()),
        "words": pa.array(TEXTS, pa.string()).dictionary_encode(),
        "no text": pa.StringArray.from_buffers(
            7, *pa.array([b or b"" for b in BYTES], pa.binary()).buffers()[1:]
        ),
        "bytes": pa.array(BYTES, pa.binary()),
        "large bytes": pa.array(BYTES, pa.large_binary()),
        "decimal in 4": pa.array(decimals(9, 2), pa.decimal128(9, 2)),
        "decimal in 8": pa.array(decimals(18, 0), pa.decimal128(18, 0)),
        "decimal in 16": pa.array(decimals(38, 18), pa.decimal128(38, 18)),
        "day": pa.array(DAYS, pa.date32()),
        "instant": pa.array(INSTANTS, pa.timestamp("us", "UTC")),
        "instant elsewhere": pa.array(INSTANTS, pa.timestamp("us", "Asia/Tehran")),
        "instant in ms": pa.array(INSTANTS, pa.timestamp("us", "UTC")).cast(
            pa.timestamp("ms", "UTC"), safe=False
        ),
        "local": pa.array(LOCAL, pa.timestamp("us")),
        "local in ms": pa.array(LOCAL, pa.timestamp("us")).cast(pa.timestamp("ms"), safe=False),
        "all null": pa.array([None] * 7, pa.int32()),
        "a.b `c`": pa.array(SEVEN, pa.int32()),
    }


@pytest.mark.parametrize(
    "words",
    [
        pytest.param({"row_group_size": 3}, id="as pyarrow writes"),
        pytest.param(
            {"store_schema": False, "use_dictionary": False, "data_page_version": "2.0"},
            id="without Arrow's types",
            marks=pytest.mark.long,
        ),
        pytest.param(
            {"store_decimal_as_integer": True, "compression": "zstd", "version": "2.6"},
            id="decimals in integers",
            marks=pytest.mark.long,
        ),
    ],
)
def test_every_type_of_the_table_is_read_alike(spark, tmp_path, words):
    """The same bits in the same Arrow types: ends of all types, NaNs, bytes that are no text."""
    path = written(tmp_path / "t", alike(), **words)
    assert len(read_both(spark.read.parquet(path))) == 7


@pytest.mark.parametrize(
    ("instants", "legacy"),
    [
        ("INT96", "true"),
        *(
            pytest.param(instants, legacy, marks=pytest.mark.long)
            for instants in ("TIMESTAMP_MICROS", "TIMESTAMP_MILLIS", "INT96")
            for legacy in ("false", "true")
            if (instants, legacy) != ("INT96", "true")
        ),
    ],
)
def test_what_spark_has_written_is_read_alike(spark, conf, tmp_path, instants, legacy):
    """Every way in which Spark itself writes times and decimals."""
    conf(spark__sql__parquet__outputTimestampType=instants)
    conf(spark__sql__parquet__writeLegacyFormat=legacy)
    table = alike()
    kept = ["tiny", "text", "no text", "decimal in 4", "decimal in 8", "decimal in 16", "day"]
    kept += ["instant", "local"]
    path = written(tmp_path / "t", {name: table[name] for name in kept})
    spark.read.parquet(path).coalesce(1).write.parquet(str(tmp_path / "again"))
    read_both(spark.read.parquet(str(tmp_path / "again")))


@pytest.mark.long
def test_times_come_in_the_zone_of_the_action(spark, conf, tmp_path):
    """A zone that is set behind the plan counts, as it does where Spark reads."""
    path = written(tmp_path / "t", {"at": alike()["instant"]})
    readings = [chosen(spark.read.parquet(path), way) for way in ("files", "spark")]
    conf(spark__sql__session__timeZone="Asia/Kolkata")
    by_tasks, by_spark = [given_rows(reading) for reading in readings]
    assert by_tasks == by_spark
    assert "Asia/Kolkata" in next(iter(by_tasks[1]))


@pytest.mark.long
def test_large_types_are_sent_where_spark_sends_them(spark, conf, tmp_path):
    """With useLargeVarTypes texts have other offsets."""
    conf(spark__sql__execution__arrow__useLargeVarTypes="true")
    path = written(tmp_path / "t", {"text": pa.array(TEXTS)})
    assert len(read_both(spark.read.parquet(path))) == 7


NESTED = pa.array([[1], None, []], pa.list_(pa.int64()))
REFUSED = {
    "nanoseconds": (pa.array([1, 2, None], pa.timestamp("ns")), {}),
    "unsigned 64": (pa.array([1, 2**64 - 1, None], pa.uint64()), {}),
    "arrays": (NESTED, {}),
    "structs": (pa.array([{"a": 1}, None, {"a": None}]), {}),
    "maps": (pa.array([[("a", 1)], None, []], pa.map_(pa.string(), pa.int64())), {}),
    "INT96 of others": (
        pa.array([1, 2, None], pa.timestamp("us")),
        {"use_deprecated_int96_timestamps": True},
    ),
    "LZ4": (pa.array([1, 2, 3]), {"compression": "lz4"}),
}


@pytest.mark.parametrize(
    "case",
    [
        "nanoseconds",
        *(
            pytest.param(one, marks=pytest.mark.long)
            for one in sorted(set(REFUSED) - {"nanoseconds"})
        ),
    ],
)
def test_other_types_are_sparks_to_read(spark, conf, tmp_path, case):
    """Auto lets Spark read and says why; files refuses in a sentence."""
    conf(spark__sql__legacy__parquet__nanosAsLong="true")
    conf(spark__sql__parquet__int96RebaseModeInRead="EXCEPTION")
    column, words = REFUSED[case]
    frame = spark.read.parquet(
        written(tmp_path / "t", {"x": column, "y": pa.array(range(3))}, **words)
    )
    reading = chosen(frame)
    assert (reading.way, reading.files) == ("spark", None)
    assert reading.why.startswith("Spark reads the rows, since ")
    with pytest.raises(OptionError, match="read='files' .* cannot be done for the DataFrame"):
        chosen(frame, "files")
    if case != "LZ4":
        # What is not read does not matter.
        assert len(read_both(frame, ["y"])) == 3


def with_metadata(column, **metadata):
    """A table whose file says of itself that Spark has written it so."""
    table = pa.table({"x": column})
    named = {f"org.apache.spark.{name}": value for name, value in metadata.items()}
    return table.replace_schema_metadata(named)


@pytest.mark.parametrize(
    ("metadata", "mode", "way"),
    [
        ({"version": "2.4.8"}, "CORRECTED", "spark"),
        ({"version": "3.5.1", "legacyDateTime": ""}, "CORRECTED", "spark"),
        ({"version": "3.5.1"}, "EXCEPTION", "files"),
        ({}, "EXCEPTION", "spark"),
        ({}, "LEGACY", "spark"),
        ({}, "CORRECTED", "files"),
    ],
)
@pytest.mark.parametrize("name", ["day", pytest.param("instant", marks=pytest.mark.long)])
def test_days_of_another_calendar_are_sparks_to_reckon(
    spark, conf, tmp_path, metadata, mode, way, name
):
    """By who has written the file, and by the setting for those that do not say it."""
    conf(spark__sql__parquet__datetimeRebaseModeInRead=mode)
    (tmp_path / "t").mkdir()
    pq.write_table(with_metadata(alike()[name], **metadata), tmp_path / "t" / "a.parquet")
    frame = spark.read.parquet(str(tmp_path / "t"))
    assert chosen(frame).way == way
    if way == "files":
        read_both(frame)


@pytest.mark.parametrize(
    ("metadata", "settings", "way"),
    [
        ({"version": "3.0.1"}, {}, "spark"),
        ({"version": "3.1.0", "legacyINT96": ""}, {}, "spark"),
        ({"version": "3.1.0"}, {}, "files"),
        ({"version": "3.1.0"}, {"int96TimestampConversion": "true"}, "spark"),
        ({}, {"int96RebaseModeInRead": "CORRECTED"}, "files"),
        ({}, {"int96RebaseModeInRead": "LEGACY"}, "spark"),
    ],
)
def test_int96_by_writer_and_setting(spark, conf, tmp_path, metadata, settings, way):
    """The same for the times of old Sparks and of Impala."""
    conf(**{f"spark__sql__parquet__{name}": value for name, value in settings.items()})
    (tmp_path / "t").mkdir()
    pq.write_table(
        # Beyond these years nanoseconds do not reach, so pyarrow writes none.
        with_metadata(pa.array(INSTANTS[2:5], pa.timestamp("us")), **metadata),
        tmp_path / "t" / "a.parquet",
        use_deprecated_int96_timestamps=True,
    )
    frame = spark.read.parquet(str(tmp_path / "t"))
    assert chosen(frame).way == way
    if way == "files":
        read_both(frame)


def test_files_of_other_columns_and_types(spark, conf, tmp_path):
    """A column that one file lacks is null there; one of two types is Spark's to read."""
    written(tmp_path / "t", {"x": pa.array([1, 2]), "y": pa.array(["a", "b"])}, "a.parquet")
    written(tmp_path / "t", {"x": pa.array([3, 4])}, "b.parquet")
    written(tmp_path / "t", {"x": pa.array([5], pa.int64())}, "c.parquet", row_group_size=1)
    merged = spark.read.option("mergeSchema", "true").parquet(str(tmp_path / "t"))
    assert len(read_both(merged)) == 5
    written(tmp_path / "t", {"x": pa.array([3, 4], pa.int32())}, "d.parquet")
    given = spark.read.schema("x long, y string").parquet(str(tmp_path / "t"))
    assert "column c0" not in chosen(given).why
    assert "column x is bigint to Spark and INT32" in chosen(given).why
    # Binary that Spark takes for text.
    conf(spark__sql__parquet__binaryAsString="true")
    frame = spark.read.parquet(written(tmp_path / "b", {"x": pa.array([b"a"])}))
    assert frame.schema["x"].dataType.simpleString() == "string"
    assert chosen(frame).way == "spark"


@pytest.mark.long
def test_names_by_case(spark, conf, tmp_path):
    """As Spark finds a file's column for a table's, or Spark finds it."""
    written(tmp_path / "t", {"ID": pa.array([1]), "x": pa.array([2])}, "a.parquet")
    written(tmp_path / "t", {"id": pa.array([3]), "X": pa.array([4])}, "b.parquet")
    schema = "Id long, x long"
    frame = spark.read.schema(schema).parquet(str(tmp_path / "t"))
    assert read_both(frame) == [(1, 2), (3, 4)]
    conf(spark__sql__caseSensitive="true")
    frame = spark.read.schema(schema).parquet(str(tmp_path / "t"))
    assert read_both(frame) == [(None, 2), (None, None)]
    conf(spark__sql__caseSensitive="false")
    twice = written(tmp_path / "twice", {"x": pa.array([1]), "X": pa.array([2])})
    assert "several columns" in chosen(spark.read.schema("x long").parquet(twice)).why
    odd = written(tmp_path / "odd", {"\u00c9": pa.array([1])})
    assert "whose case" in chosen(spark.read.schema("`\u00e9` long").parquet(odd)).why


def test_values_of_partitions_are_as_spark_types_them(spark, tmp_path):
    """Inferred, given, null, with signs that a path escapes; and only such columns."""
    rows = spark.createDataFrame(
        [
            (1, "a/b =%\u00e9", 7, dt.date(2024, 2, 29), 1.5),
            (2, None, None, None, None),
            (3, "01", 2**40, dt.date(1500, 1, 1), -0.25),
        ],
        "x long, s string, n long, d date, f double",
    )
    rows.write.partitionBy("s", "n", "d", "f").parquet(str(tmp_path / "t"))
    frame = spark.read.parquet(str(tmp_path / "t"))
    kinds = dict(frame.dtypes)
    assert (kinds["s"], kinds["n"], kinds["d"], kinds["f"]) == (
        "string",
        "bigint",
        "date",
        "double",
    )
    assert len(read_both(frame)) == 3
    assert len(read_both(frame, ["n", "s"])) == 3
    given = spark.read.schema("x long, s string, n decimal(20,0), d timestamp, f float")
    assert len(read_both(given.parquet(str(tmp_path / "t")))) == 3
    one = spark.read.option("basePath", str(tmp_path / "t")).parquet(
        str(next((tmp_path / "t").glob("s=01")))
    )
    assert len(read_both(one)) == 1


def test_a_partition_column_that_files_have_too(spark, tmp_path):
    """Which of the two counts is Spark's to say."""
    written(tmp_path / "t=1", {"t": pa.array([5]), "x": pa.array([1])})
    assert "files and folders" in chosen(spark.read.parquet(str(tmp_path))).why


@pytest.mark.long
def test_files_that_spark_passes_over(spark, tmp_path):
    """Hidden files, files that options leave out, empty files and empty tables."""
    folder = tmp_path / "t"
    written(folder, {"x": pa.array([1, 2, 3])}, "a.parquet")
    written(folder, {"x": pa.array([9])}, "_hidden.parquet")
    written(folder, {"x": pa.array([9])}, ".hidden.parquet")
    written(folder, {"x": pa.array([], pa.int64())}, "empty.parquet")
    written(folder, {"x": pa.array([4])}, "old.parquet")
    os.utime(folder / "old.parquet", (10**9, 10**9))
    (folder / "_SUCCESS").touch()
    assert read_both(spark.read.parquet(str(folder))) == [(1,), (2,), (3,), (4,)]
    assert read_both(spark.read.parquet(str(folder), pathGlobFilter="a*")) == [(1,), (2,), (3,)]
    late = spark.read.parquet(str(folder), modifiedAfter="2020-01-01T00:00:00")
    assert read_both(late) == [(1,), (2,), (3,)]
    written(folder / "below", {"x": pa.array([5])})
    deep = spark.read.parquet(str(folder), recursiveFileLookup=True)
    assert len(read_both(deep)) == 5
    empty = written(tmp_path / "e", {"x": pa.array([], pa.int64())})
    assert read_both(spark.read.parquet(empty)) == []
    assert read_both(spark.read.schema("x long").parquet(str(folder / "below"), empty)) == [(5,)]
