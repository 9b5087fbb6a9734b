"""Which types of columns a pipeline can be given, told on the driver by the type alone."""

import pyarrow as pa
import pytest

from dai_spark.artifacts.pipeline_columns import PipelineColumn
from dai_spark.errors import ColumnError
from dai_spark.schema.columns import check_columns, parsed_columns

NUMBER = {"x": PipelineColumn("x", "float32")}
TEXT = {"x": PipelineColumn("x", "object")}


@pytest.mark.parametrize(
    ("kind", "wanted"),
    [
        (pa.string(), NUMBER),
        (pa.date32(), NUMBER),
        (pa.timestamp("us"), NUMBER),
        (pa.binary(), NUMBER),
        (pa.list_(pa.int32()), NUMBER),
        ("interval day to second", NUMBER),
        (pa.float64(), TEXT),
        (pa.bool_(), TEXT),
        (pa.decimal128(10, 2), TEXT),
        (pa.struct([("a", pa.int32())]), TEXT),
        (pa.binary(), TEXT),
        ("variant", TEXT),
    ],
)
def test_a_type_without_a_place_is_refused(kind, wanted):
    """What cannot be given unchanged is refused by its type alone, with what to do."""
    with pytest.raises(ColumnError, match=r"x \(the pipeline wants .*cast it"):
        check_columns({"x": kind}, wanted, "Table t")


def test_every_offender_is_named_at_once():
    """One message names all missing and all uncastable columns, and near misses in case."""
    wanted = {n: PipelineColumn(n, "float32") for n in ("a", "b", "c", "d")}
    with pytest.raises(ColumnError) as caught:
        check_columns({"a": pa.string(), "B": pa.int64(), "d": pa.binary()}, wanted, "Table t")
    message = caught.value.message
    assert "Table t lacks b, c" in message
    assert "found B for b" in message
    assert "a (the pipeline wants a number" in message
    assert "d (the pipeline wants a number" in message


def test_text_for_a_number_is_let_through_where_it_is_asked_for():
    """on_cast='warn' and 'null' read it; nothing else becomes possible by them."""
    check_columns({"x": pa.string()}, NUMBER, "Table t", "null")
    assert parsed_columns({"x": pa.string()}, NUMBER) == ["x"]
    assert parsed_columns({"x": pa.string()}, TEXT) == []
    with pytest.raises(ColumnError, match="found date32"):
        check_columns({"x": pa.date32()}, NUMBER, "Table t", "null")
