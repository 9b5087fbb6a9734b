"""Tables of a real Hive metastore, in every storage that Spark's Hive brings."""

import pytest


@pytest.fixture(scope="module")
def found(run_program, packed_environment, license_file, tmp_path_factory):
    """What the program saw."""
    from linear import build_linear

    pipeline = build_linear(tmp_path_factory.mktemp("line") / "line.zip")
    words = {
        "env": packed_environment.path,
        "license_file": license_file,
        "pipeline": pipeline,
    }
    made = run_program("hive_tables.py", words, timeout_s=280)
    assert made.exit_code == 0, made.stderr
    return made.findings


def day(number):
    """Of the program's first rows."""
    return f"2026-01-0{number % 2 + 1}" if number < 6 else "2026-01-03"


ROWS = [[i, float(i), day(i)] for i in range(8)]


@pytest.mark.long
@pytest.mark.parametrize("kind", ["parquet", "orc", "textfile"])
def test_a_table_of_the_metastore_is_a_source(found, kind):
    """New rows are found by key and by mark; a repeated run where Spark lists the table's files."""
    seen = found[kind]
    assert seen["first night"] == ["done 6", "done 6"]
    assert seen["next night"] == ["done 2", "done 2"]
    assert seen["rows"] == [ROWS, ROWS]
    if kind == "textfile":
        assert "give --run-id" in seen["without a run id"]
    else:
        assert (seen["without a run id"], seen["again"]) == ("done 6", "already done 0")


@pytest.mark.long
@pytest.mark.parametrize("kind", ["parquet", "orc", "textfile"])
def test_a_table_of_hives_own_is_never_made_anew(found, kind):
    """Spark's own overwrite would drop its partitions, its storage and its place."""
    seen = found[kind]
    assert all("is a table of Hive's own" in message for message in seen["own"]), seen["own"]
    assert seen["own rows"] == [[99, 99.0, "2025-12-31"]]
    assert seen["own is as it was"]


@pytest.mark.long
def test_sparks_own_tables_in_a_metastore_are_targets(found):
    """External ones keep their place; a table is one table in each spelling."""
    assert found["external"] == ["done 8", "already done 0", "done 3"]
    assert found["external rows"] == ROWS
    assert found["view"] == ["done 4", "already done 0"]
