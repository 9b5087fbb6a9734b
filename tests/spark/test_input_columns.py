"""What the pipeline is given of a column, in every form of call: Spark's own values, unchanged."""

from collections.abc import Iterator
from functools import partial

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pyspark.sql import functions as F
from pyspark.sql.pandas.functions import pandas_udf

from dai_spark import score_udf
from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.driver.filesystem.uris import fetch, read_bytes
from dai_spark.driver.isolated_dataframe import isolated_dataframe
from dai_spark.driver.prepare import prepare
from dai_spark.errors import ColumnError, from_spark
from dai_spark.plan.request import ScoringRequest
from dai_spark.plan.spark_versions import has_arrow_udfs

# Zones that the system's rules and Java's tell apart, summer times, and every other form that
# Spark takes.
ZONES = [
    "America/New_York",
    "Asia/Kolkata",
    "Europe/Paris",
    "Europe/Amsterdam",
    "Australia/Lord_Howe",
    "Africa/Monrovia",
    "Pacific/Apia",
    "America/Sao_Paulo",
    "Asia/Tehran",
    "Africa/Casablanca",
    "UTC",
    "Z",
    "GMT+5",
    "GMT+08:00",
    "UTC-8",
    "UTC+05:30",
    "UT+3",
    "+1:00",
    "-03:30",
    "+02:00:30",
    "GMT0",
    "PST",
    "EST",
    "IST",
]
# Two regions whose rules differ between Java and other databases, and each way to write an offset.
ONE_OF_EACH_KIND = [
    "America/New_York",
    "Europe/Amsterdam",
    "Z",
    "GMT+5",
    "UTC+05:30",
    "-03:30",
    "+02:00:30",
    "PST",
]
# Some of each kind: ends of the calendar, the years that calendars and clocks were changed in,
# what nanoseconds do not reach, and summer times by rules that go on for ever.
INSTANTS_S = [
    -62_135_596_800,
    -12_219_292_800,
    -2_208_988_800,
    -2_840_140_800,
    -1_025_000_000,
    0,
    1_588_959_000,
    4_102_444_800 + 200 * 86_400,
    40_000_000_000,
    253_402_214_400,
    253_402_390_000,
    300_000_000_000,
]
INSTANTS = st.integers(-62_135_596_800, 300_000_000_000) | st.sampled_from(INSTANTS_S)


def cast_body(wanted, form):
    """A UDF's body that answers what a pipeline would be sent, as text."""

    def sent(batch):
        from dai_spark.client.executor import current_executor
        from dai_spark.client.pieces import cast_piece

        cast = cast_piece(batch, 0, current_executor(), wanted, "error")
        if isinstance(cast, ColumnError):
            raise cast
        return cast.cast.column(0).cast(pa.string())

    if form == "arrow":

        def through_arrow(batches):
            for batch in batches:
                yield pa.RecordBatch.from_arrays([batch.column(0), sent(batch)], names=["x", "y"])

        return through_arrow

    def through_pandas(columns):
        from dai_spark.client.spark_hooks.arrow_columns import arrow_columns
        from dai_spark.client.udf_bodies import batch_of_pandas_column

        for batch in map(batch_of_pandas_column, arrow_columns(columns)):
            yield sent(batch).to_pandas()

    # Spark reads the kind of UDF from the annotations.
    through_pandas.__annotations__ = {
        "columns": Iterator[pd.DataFrame],
        "return": Iterator[pd.Series],
    }
    return through_pandas


def sent_of(frame, wanted, form):
    """Pairs of what Spark shows of column x and what the pipeline is sent."""
    wanted = {"x": PipelineColumn("x", wanted)}
    shown = F.col("x").cast("string").alias("shown")
    body = cast_body(wanted, form)
    if form == "pandas":
        made = pandas_udf(body, "string").asNondeterministic()
        rows = frame.select(shown, made(F.struct("x")).alias("y")).collect()
        return [(row[0], row[1]) for row in rows]
    kind = frame.schema["x"].dataType.simpleString()
    rows = frame.mapInArrow(body, f"x {kind}, y string").select(shown, "y").collect()
    return [(row[0], row[1]) for row in rows]


@pytest.fixture
def zone(spark):
    """Sets the session's time zone; the former one is set again."""
    before = spark.conf.get("spark.sql.session.timeZone")
    yield lambda name: spark.conf.set("spark.sql.session.timeZone", name)
    spark.conf.set("spark.sql.session.timeZone", before)


@pytest.mark.parametrize("zones", [ONE_OF_EACH_KIND, pytest.param(ZONES, marks=pytest.mark.long)])
@pytest.mark.parametrize("form", ["arrow", "pandas"])
def test_a_time_is_sent_as_spark_shows_it(spark, zone, form, zones):
    """In every form of zone, from the year 1 to beyond 9999, with nulls among them."""

    @settings(max_examples=4, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.sampled_from(zones), st.lists(INSTANTS | st.none(), max_size=20))
    def holds(name, instants):
        zone(name)
        values = [*INSTANTS_S, None, *instants]
        frame = spark.createDataFrame([(v,) for v in values], "s long").coalesce(1)
        found = sent_of(frame.select(F.timestamp_seconds("s").alias("x")), "object", form)
        assert len(found) == len(values)
        assert [pair for pair in found if pair[0] != pair[1]] == []

    for name in zones:
        holds = example(name, [])(holds)
    holds()


VALUES = {
    "tinyint": st.integers(-128, 127),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "string": st.text(max_size=5),
}


@pytest.mark.parametrize("form", ["arrow", "pandas"])
@pytest.mark.parametrize("kind", VALUES)
def test_nulls_in_any_batch_change_no_other_value(spark, form, kind):
    """Whole numbers and texts are sent as text; the first batch may be without nulls, or all so."""
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", "3")

    @settings(max_examples=3, suppress_health_check=list(HealthCheck), deadline=None)
    @given(st.lists(VALUES[kind] | st.none(), max_size=12))
    def holds(values):
        for lead in ([7, 7, 7], [None, None, None]):
            start = [v if v is None or kind != "string" else str(v) for v in lead]
            rows = [(v,) for v in [*start, *values, None]]
            frame = spark.createDataFrame(rows, f"x {kind}").coalesce(1)
            found = sent_of(frame, "object", form)
            assert len(found) == len(rows)
            assert [pair for pair in found if pair[0] != pair[1]] == []

    try:
        holds()
    finally:
        spark.conf.unset("spark.sql.execution.arrow.maxRecordsPerBatch")


@pytest.mark.parametrize("form", ["arrow", "pandas"])
def test_dates_are_sent_as_spark_shows_them(spark, form):
    """From the year 1 to beyond 9999."""
    days = "array(-719162, -141427, -25567, 0, 2932896, 2932897, 3500000, null)"
    frame = spark.sql(f"SELECT explode({days}) AS d")
    frame = frame.select(F.expr("date_from_unix_date(d)").alias("x")).coalesce(1)
    found = sent_of(frame, "object", form)
    assert len(found) == 8
    assert [pair for pair in found if pair[0] != pair[1]] == []


@pytest.fixture(params=["arrow", "pandas"])
def score(request, spark, export, with_scorer):
    """The scoring function, as an Arrow and as a pandas UDF."""
    if request.param == "arrow" and not has_arrow_udfs(spark):
        pytest.skip("Arrow UDFs came with Spark 4.1")
    return lambda **words: score_udf(
        export(), **with_scorer, udf_type=request.param, spark=spark, **words
    )


def one_value(frame, column, kind, value):
    """A few flights in one batch: one has this value in the column, the others null."""
    given = F.when(F.col("flight_id") == 1, F.expr(value)).cast(kind)
    return frame.where("flight_id < 200").withColumn(column, given).coalesce(1)


def test_a_long_that_no_float_holds_is_refused_beside_a_null(score, flights_frame):
    """With "null" it alone is missing."""
    frame = one_value(flights_frame, "distance", "bigint", "9007199254740993")
    with pytest.raises(Exception, match="dai_spark") as caught:
        frame.select(score()()).collect()
    error = from_spark(caught.value)
    assert isinstance(error, ColumnError)
    assert "Column distance holds 9007199254740993" in error.message
    made = score(on_cast="null")
    assert len(frame.select(made()).collect()) == frame.count()
    assert made.metrics().n_misfits == 1


BAD_TEXT = "CAST(X'52C9' AS STRING)"


def test_a_text_that_is_not_utf8_is_named(score, flights_frame):
    """Its column and bytes; with "null" it is a missing value."""
    frame = one_value(flights_frame, "carrier", "string", BAD_TEXT)
    with pytest.raises(Exception, match="dai_spark") as caught:
        frame.select(score()()).collect()
    error = from_spark(caught.value)
    assert isinstance(error, ColumnError)
    assert "Column carrier holds X'52C9'" in error.message
    assert len(frame.select(score(on_cast="null")()).collect()) == frame.count()


def test_a_text_that_is_not_utf8_is_a_bad_row(spark, export, with_scorer, flights_frame):
    """It alone; a kept column that the pipeline does not use stays what it is."""
    frame = one_value(flights_frame, "carrier", "string", BAD_TEXT)
    frame = frame.withColumn("kept", F.expr(BAD_TEXT))
    request = ScoringRequest.of(
        export(),
        with_scorer["env"],
        None,
        with_scorer["license_file"],
        None,
        {},
        read_uri=partial(read_bytes, spark),
        fetch=partial(fetch, spark, on_message=lambda text: None),
    )
    plan = prepare(spark, request, lambda text: None)
    found = isolated_dataframe(
        frame, plan, ["flight_id", "kept"], "prediction", "error", lambda text: None
    )
    rows = found.select("flight_id", "error", F.hex("kept"), "prediction").collect()
    assert len(rows) == frame.count() > 1
    assert {row[2] for row in rows} == {"52C9"}
    bad = [row for row in rows if row[1] is not None]
    assert [row[0] for row in bad] == [1]
    assert "Column carrier holds X'52C9'" in bad[0][1]
    assert all(row[3] is not None for row in rows if row[0] != 1)
