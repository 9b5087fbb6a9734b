"""A real database, PostgreSQL, as source and as target."""

import pytest
from postgres import programs, server

from dai_spark.errors import ColumnError, TableJobError

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed"),
]
SECRET = "hush-hush"


@pytest.fixture(scope="module")
def database():
    """A server with one user."""
    with server(SECRET) as running:
        yield running


def options(database, table, **more):
    """What Spark is told of a table."""
    words = {"url": database.url, "user": "owner", "password": SECRET, "dbtable": table}
    return {**words, "driver": "org.postgresql.Driver", **more}


def source(database, table, **more):
    """Words of a job that reads a table, and keeps what tells a row."""
    return {"source": "jdbc:", "source_options": options(database, table, **more), "keep": ["id"]}


def target(database, table, **more):
    """Words of a job that replaces a table."""
    return {
        "target": "jdbc:",
        "target_options": options(database, table, **more),
        "prediction_layout": "flat",
        "lineage": False,
        "keep": ["id"],
        "mode": "overwrite",
    }


def test_a_table_of_every_type_is_a_source(nights, database):
    """All of PostgreSQL's usual types are carried through; new rows are found by key."""
    database.sql(
        "CREATE TABLE kinds (id bigint PRIMARY KEY, x numeric(12,3), t timestamptz DEFAULT now(), "
        "d date, s text, u uuid DEFAULT gen_random_uuid(), j jsonb DEFAULT '{\"a\": 1}', "
        "a int[] DEFAULT '{1, 2}', b bytea, f real, i interval DEFAULT '1 day', ok boolean);"
        "INSERT INTO kinds (id, x, f) SELECT g, g::numeric / 8, g FROM generate_series(1, 40) g"
    )
    of = nights("delta")
    words = {**source(database, "kinds"), "keep": None, "incremental": "missing"}
    assert of.run(**words).n_scored == 40
    assert of.run(**words).status == "nothing to do"
    database.sql("INSERT INTO kinds (id, x) VALUES (41, 5.25)")
    assert of.run(**words).n_scored == 1
    assert of.target_rows() == [*((i, i / 8) for i in range(1, 41)), (41, 5.25)]
    query = {**options(database, ""), "query": "SELECT id, x FROM kinds WHERE id < 5"}
    del query["dbtable"]
    few = nights("delta")
    assert few.run(**{**source(database, ""), "source_options": query}).n_scored == 4


@pytest.mark.parametrize("since", ["t", "id", "x", "u"])
def test_a_mark_is_of_the_databases_types(nights, database, since):
    """Times, numbers and identifiers: what the mark says is what the database compares with."""
    name = f"since_{since}"
    database.sql(
        f"CREATE TABLE {name} (id bigint, x numeric(12,3), t timestamptz, u uuid); INSERT INTO "
        f"{name} SELECT g, g / 8.0, '2024-03-31 01:30:00.123456+01'::timestamptz + g * "
        "interval '20 minutes', ('00000000-0000-0000-0000-0000000000' || (10 + g))::uuid "
        "FROM generate_series(1, 9) g"
    )
    of = nights("delta")
    words = {**source(database, name), "incremental": "since", "since": since, "mode": "append"}
    assert of.run(**words).n_scored == 9
    assert of.run(**words).status == "nothing to do"
    database.sql(
        f"INSERT INTO {name} VALUES (90, 90, '2025-01-01+00', "
        "'ff000000-0000-0000-0000-000000000000')"
    )
    assert of.run(**words).n_scored == 1
    assert len(of.target_rows()) == 10


def test_a_mark_of_texts_does_not_go_by_the_databases_collation(nights, database):
    """The database puts 'a' before 'B', Spark and the mark put it behind."""
    database.sql(
        'CREATE TABLE words (id bigint, x float8, s text COLLATE "en-US-x-icu");'
        "INSERT INTO words VALUES (1, 1, 'B'), (2, 2, 'a')"
    )
    of = nights("delta")
    words = {**source(database, "words"), "incremental": "since", "since": "s", "mode": "append"}
    assert of.run(**words).n_scored == 2
    assert of.run(**words).status == "nothing to do"
    database.sql("INSERT INTO words VALUES (3, 3, 'b')")
    assert of.run(**words).n_scored == 1
    assert of.target_rows() == [(1, 1), (2, 2), (3, 3)]


def test_a_table_is_replaced_in_one_transaction(nights, database):
    """Defaults are left to the database, grants and views stay, a constraint leaves the old rows.

    A schema and a table whose names are quoted are told as the database spells them.
    """
    of = nights("delta").create()
    assert of.run(**target(database, "scores")).n_rows == 6
    assert of.run(**target(database, "scores"), where="id < 3").n_rows == 3
    assert database.sql("SELECT * FROM scores ORDER BY id") == ["0|0", "1|1", "2|2"]
    database.sql('CREATE SCHEMA "My Schema"')
    assert of.run(**target(database, '"My Schema"."Of Night"')).n_rows == 6
    assert database.sql('SELECT count(*) FROM "My Schema"."Of Night"') == ["6"]
    database.sql(
        "CREATE TABLE kept (n bigserial PRIMARY KEY, id bigint NOT NULL CHECK (id < 4), "
        "y double precision, at timestamptz NOT NULL DEFAULT now()); CREATE VIEW seen AS "
        "SELECT id, y FROM kept WHERE at IS NOT NULL; INSERT INTO kept (id, y) VALUES (0, 7)"
    )
    with pytest.raises(TableJobError, match=r"violates check constraint .* change the constraint"):
        of.run(**target(database, "kept"))
    assert database.sql("SELECT * FROM seen") == ["0|7"]
    of.run(**target(database, "kept"), where="id < 4")
    assert database.sql("SELECT * FROM seen ORDER BY id") == ["0|0", "1|1", "2|2", "3|3"]
    assert [
        name for name in database.sql("SELECT relname FROM pg_class") if "dai_spark" in name
    ] == []


@pytest.mark.parametrize("kind", ["numeric(4,2)", "real", "bigint"])
def test_what_the_database_would_round_is_refused(nights, database, kind):
    """Before a row is scored, with column and types; a type that holds all values is taken."""
    of = nights("delta").create()
    name = f"rounded_{kind[:4]}"
    database.sql(f"CREATE TABLE {name} (id int, y {kind})")
    with pytest.raises(TableJobError, match=r"would round values \(y: target .*, scored double"):
        of.run(**target(database, name), dry_run=True)
    database.sql(f"ALTER TABLE {name} ALTER COLUMN y TYPE float8")
    assert of.run(**target(database, name)).n_rows == 6


def test_what_a_database_refuses_is_one_sentence(nights, database, capfd):
    """Whom it does not know, what is not there or not allowed, and a server that is gone."""
    database.sql(
        "CREATE TABLE rows_of_night (id bigint, x float8); CREATE TABLE scores_of_night AS SELECT "
        f"1::bigint AS id, 1::float8 AS y; CREATE ROLE other LOGIN PASSWORD '{SECRET}'"
    )
    of = nights("delta").create()
    rows, scores = source(database, "rows_of_night"), target(database, "scores_of_night")

    def changed(words, **more):
        name = next(name for name in words if name.endswith("_options"))
        return {**words, name: {**words[name], **more}}

    cases = [
        (changed(rows, password="wrong-" + SECRET), "password authentication failed"),
        (changed(scores, password="wrong-" + SECRET), "password authentication failed"),
        (changed(rows, user="other"), "permission denied for table rows_of_night"),
        (changed(scores, user="other"), "permission denied for table scores_of_night"),
        (changed(rows, dbtable="nonesuch"), '"nonesuch" does not exist'),
        (changed(scores, url=database.url + "none"), 'database "postgresnone" does not exist'),
    ]
    told = []
    for words, sentence in cases:
        with pytest.raises(TableJobError, match=sentence) as caught:
            of.run(**words)
        told.append(caught.value.message)
    for mode in ("append", "merge"):
        with pytest.raises(TableJobError, match="cannot be promised for jdbc"):
            of.run(**{**scores, "mode": mode, "run_id": "1"})
    database.sql("INSERT INTO rows_of_night VALUES (NULL, 1)")
    with pytest.raises(ColumnError, match="is null, which no later run would find"):
        of.run(**rows, incremental="since", since="id")
    database.stop()
    try:
        for words in (rows, scores):
            with pytest.raises(TableJobError, match="a server cannot be reached") as caught:
                of.run(**words)
            told.append(caught.value.message)
    finally:
        database.start()
    assert database.sql("SELECT * FROM scores_of_night") == ["1|1"]
    assert all("\tat " not in text and "\n" not in text.strip() for text in told), told
    assert SECRET not in "".join([*told, *capfd.readouterr()])
