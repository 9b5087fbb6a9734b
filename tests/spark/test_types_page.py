"""docs/types.md says what happens to each Spark type."""

import pytest
import types_page


@pytest.mark.long
def test_the_page_says_what_happens(spark, packed_environment, tmp_path):
    """Every cell of both tables is made again, and compared."""
    before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", "UTC")
    try:
        made = types_page.page(spark, packed_environment, tmp_path)
    finally:
        spark.conf.set("spark.sql.session.timeZone", before)
    assert made == types_page.PAGE.read_text(encoding="utf-8")
