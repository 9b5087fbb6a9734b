"""What a session's clock shows, where no Java runs: `dai_spark.schema.zones`."""

import numpy as np
import pyarrow as pa
import pytest

from dai_spark.errors import ColumnError
from dai_spark.schema.zones import local_seconds


def shift_s(zone):
    return int(local_seconds(np.array([0], "int64"), zone, None)[0])


@pytest.mark.parametrize(
    ("zone", "expected_s"),
    [
        ("Z", 0),
        ("UTC", 0),
        ("GMT+5", 5 * 3600),
        ("GMT+08:00", 8 * 3600),
        ("UTC-8", -8 * 3600),
        ("UTC+05:30", 19_800),
        ("+1:00", 3600),
        ("-03:3", -3 * 3600 - 180),
        ("+0530", 19_800),
        ("+02:00:30", 7230),
        ("EST", -5 * 3600),
    ],
)
def test_an_offset_needs_no_database(monkeypatch, zone, expected_s):
    """Every form that java.time and Spark take."""

    def none(*_, **__):
        raise pa.ArrowInvalid("no database")

    monkeypatch.setattr("pyarrow.compute.strftime", none)
    assert shift_s(zone) == expected_s


def test_a_region_is_looked_up():
    """By Arrow's own rules, and Spark's short names are regions."""
    assert shift_s("Europe/Paris") == 3600
    assert shift_s("PST") == -8 * 3600


def test_a_zone_that_is_not_known_is_one_sentence():
    """It says what to install or to set."""
    with pytest.raises(ColumnError, match="time zone Mars/Base are not found .* tzdata, or set"):
        shift_s("Mars/Base")
