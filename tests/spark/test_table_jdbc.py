"""A table of a database as target: replaced in one transaction, and no secret in any text."""

import json
from uuid import uuid4

import pytest

from dai_spark.errors import DaiSparkError, OptionError, TableExistsError, TableJobError

SECRET = "hush-hush"


@pytest.fixture
def database(spark):
    """Options of a table in Derby, which Spark ships, in memory; and a way to read it."""
    url = f"jdbc:derby:memory:d{uuid4().hex[:12]}"
    options = {"url": f"{url};create=true", "user": "app", "password": SECRET}
    options["dbtable"] = "SCORES"

    def read(table="SCORES"):
        reader = spark.read.format("jdbc").options(**{**options, "dbtable": table})
        return sorted(tuple(row) for row in reader.load().collect())

    return options, read


def tables_of(spark, options):
    """Names of all tables of the user."""
    query = "(SELECT TABLENAME FROM SYS.SYSTABLES WHERE TABLETYPE = 'T') AS names"
    frame = spark.read.format("jdbc").options(**{**options, "dbtable": query}).load()
    return sorted(row[0] for row in frame.collect())


def test_a_database_is_told_all_or_nothing(spark, score_plain, database, tmp_path, capfd):
    """Fail and overwrite, a second time as well; a run that fails leaves the old rows."""
    options, read = database
    spark.range(4).selectExpr("id", "id * 1.0 AS x").write.parquet(f"{tmp_path}/source")
    words = {
        "source": f"parquet:{tmp_path}/source",
        "target": "jdbc:",
        "target_options": options,
        "keep": ["id"],
        "prediction_layout": "flat",
        "lineage": False,
    }
    told = []
    words["on_message"] = told.append
    with pytest.raises(OptionError, match="wants --target-option url=... --target-option dbtable"):
        score_plain(**{**words, "target_options": {}})
    with pytest.raises(TableJobError, match="mode append cannot be promised"):
        score_plain(**words, mode="append", run_id="1")
    assert score_plain(**words, dry_run=True).status == "dry run"
    assert tables_of(spark, options) == []
    assert score_plain(**words, where="id < 2").n_rows == 2
    assert read() == [(0, 0.0), (1, 0.0)]
    with pytest.raises(TableExistsError, match="jdbc: exists"):
        score_plain(**words)
    report = score_plain(**words, mode="overwrite", report=[f"{tmp_path}/run.json"])
    assert (report.n_rows, read()) == (4, [(i, 0.0) for i in range(4)])
    # What the database refuses, it refuses as a whole.
    with pytest.raises(DaiSparkError) as caught:
        score_plain(**words, mode="overwrite", where="assert_true(id < 2) IS NULL")
    texts = [str(caught.value)]
    limited = {**options, "dbtable": "LIMITED", "createTableColumnTypes": "id SMALLINT"}
    assert score_plain(**{**words, "target_options": limited}, where="id = 1").n_rows == 1
    spark.sql("SELECT 70000L AS id, 1.0 AS x").write.parquet(f"{tmp_path}/big")
    limited = {**options, "dbtable": "LIMITED"}
    big = {**words, "source": f"parquet:{tmp_path}/big", "target_options": limited}
    with pytest.raises(DaiSparkError, match="SMALLINT|range") as caught:
        score_plain(**big, mode="overwrite", report=[f"{tmp_path}/failed.json"])
    texts.append(str(caught.value))
    assert (read("LIMITED"), read()) == ([(1, 0.0)], [(i, 0.0) for i in range(4)])
    assert tables_of(spark, options) == ["LIMITED", "SCORES"]
    wrong = {**options, "url": f"jdbc:none://app:{SECRET}@host/db?password={SECRET}"}
    with pytest.raises(DaiSparkError, match="No suitable driver|no JDBC driver") as caught:
        score_plain(**{**words, "target_options": wrong})
    texts.append(str(caught.value))
    for name in ("run.json", "failed.json"):
        texts.append((tmp_path / name).read_text())
        json.loads(texts[-1])
    assert SECRET not in "".join([*texts, *told, *capfd.readouterr()])
