"""The table job's modes on every kind of table: what a first run does, and what a second one."""

import json
import re
import shutil
from pathlib import Path
from uuid import uuid4

import pytest
from chispa import assert_df_equality
from pyspark.sql import functions as F

from dai_spark import score_table
from dai_spark.errors import TableExistsError, TableJobError


def long(kind):
    """A kind that is only tried by `make test-long`, since another one stands for it."""
    return pytest.param(kind, marks=pytest.mark.long)


@pytest.fixture(scope="module")
def sources(spark, flights_frame, tmp_path_factory):
    """The same 3,000 flights as a Delta table and as Parquet."""
    folder = tmp_path_factory.mktemp("sources")
    rows = flights_frame.limit(3000).coalesce(2).cache()
    rows.write.format("delta").save(f"{folder}/delta")
    rows.write.parquet(f"{folder}/parquet")
    return {"delta": f"delta:{folder}/delta", "parquet": f"parquet:{folder}/parquet"}


@pytest.fixture
def target(spark, request, tmp_path):
    """Name of a table that does not exist yet, of the kind asked for."""
    name = f"t{uuid4().hex[:12]}"
    kind = request.param
    if kind == "iceberg":
        spark.sql("CREATE NAMESPACE IF NOT EXISTS ice.db")
        yield f"ice.db.{name}"
        spark.sql(f"DROP TABLE IF EXISTS ice.db.{name}")
    elif kind.endswith("catalog"):
        yield name
        spark.sql(f"DROP TABLE IF EXISTS {name}")
    else:
        yield f"{kind}:{tmp_path}/{name}"


@pytest.fixture
def job(spark, export, with_scorer, sources, target, request):
    """The job from the flights to the target, by its key, with a format where one is to be said."""
    kind = request.node.callspec.params["target"]
    said = {"target_format": "delta"} if kind == "delta catalog" else {}

    def run(**words):
        words = {
            "source": sources["parquet" if kind.startswith("delta") else "delta"],
            "target": target,
            "keep": ["flight_id", "carrier", "month"],
            "key": ["flight_id"],
            **said,
            **words,
        }
        pipeline, session = words.pop("pipeline", export()), words.pop("spark", spark)
        return score_table(pipeline, **with_scorer, spark=session, **words)

    return run


def read(spark, target):
    """The table as it is."""
    kind, _, path = target.partition(":")
    return spark.read.format(kind).load(path) if path else spark.table(target)


def assert_scores(spark, target, expected, n_rows):
    """Hold the target against the pipeline's own scores, each row once."""
    found = read(spark, target).select("flight_id", "prediction")
    assert found.count() == n_rows
    own = expected.join(found.select("flight_id"), "flight_id", "left_semi")
    assert_df_equality(found, own, ignore_row_order=True, ignore_nullable=True)


def assert_commit_says(spark, target, report):
    """Delta's userMetadata, Iceberg's snapshot, a file beside Parquet: the run's own record."""
    kind, _, path = target.partition(":")
    if not path and not target.startswith("ice."):
        # A catalog's table has its format's commits.
        return
    if kind == "delta":
        text = spark.sql(f"DESCRIBE HISTORY delta.`{path}`").collect()[0]["userMetadata"]
    elif kind == "parquet":
        (file,) = spark.read.format("binaryFile").load(f"{path}/_dai_spark").collect()
        text = bytes(file["content"]).decode()
    else:
        text = spark.sql(f"SELECT summary FROM {target}.snapshots").collect()[0][0]["dai_spark"]
    record = json.loads(text)["dai_spark"]
    assert record["run_id"] == report.run_id
    assert record["pipeline_digest"] == report.pipeline_digest
    assert record["source_version"]


@pytest.mark.parametrize(
    "target",
    ["delta", long("delta catalog"), long("iceberg"), "parquet", long("parquet catalog")],
    indirect=True,
)
def test_a_second_run_writes_nothing_twice(spark, job, target, expected):
    """Fail, append and overwrite: rows once, lineage of the run, and the second run says so."""
    report = job()
    assert (report.status, report.n_rows) == ("done", 3000)
    assert_scores(spark, target, expected, 3000)
    assert_commit_says(spark, target, report)
    assert job().status == "already done"
    with pytest.raises(TableExistsError, match="exists; give --mode append or --mode overwrite"):
        job(run_id="another")
    assert job(mode="append", run_id="monday").n_rows == 3000
    assert job(mode="append", run_id="monday").status == "already done"
    assert read(spark, target).count() == 6000
    runs = {row[0] for row in read(spark, target).select("scoring.run_id").distinct().collect()}
    assert runs == {report.run_id, "monday"}
    report = job(mode="overwrite")
    assert (report.status, report.n_rows) == ("done", 3000)
    assert job(mode="overwrite").status == "already done"
    assert_scores(spark, target, expected, 3000)


@pytest.mark.parametrize(
    "target",
    [long("delta"), long("delta catalog"), "iceberg", long("parquet"), long("parquet catalog")],
    indirect=True,
)
def test_only_the_partitions_scored_are_replaced(spark, job, target, expected):
    """Other months keep their rows and their lineage."""
    first = job(partition_by=["month"])
    assert_commit_says(spark, target, first)
    n_january = read(spark, target).where("month = 1").count()
    words = {"mode": "overwrite-partitions", "partition_by": ["month"], "where": "month = 1"}
    second = job(**words)
    assert (second.status, second.n_rows) == ("done", n_january)
    found = read(spark, target)
    january = found.where("month = 1").select("scoring.run_id").distinct().collect()
    assert [row[0] for row in january] == [second.run_id]
    others = found.where("month <> 1").select("scoring.run_id").distinct().collect()
    assert [row[0] for row in others] == [first.run_id]
    assert job(**words).status == "already done"
    assert_scores(spark, target, expected, 3000)


@pytest.mark.parametrize("target", ["delta", long("delta catalog"), long("iceberg")], indirect=True)
def test_a_merge_touches_only_what_has_changed(spark, job, target, expected, export):
    """New keys are inserted, changed scores updated, the others keep the first run's lineage."""
    first = job(mode="merge", where="month <= 6")
    n_first = read(spark, target).count()
    assert 0 < n_first < 3000
    second = job(mode="merge")
    assert_scores(spark, target, expected, 3000)
    runs = {
        row["run_id"]: row["count"]
        for row in read(spark, target).groupBy("scoring.run_id").count().collect()
    }
    assert runs == {first.run_id: n_first, second.run_id: 3000 - n_first}
    assert job(mode="merge").status == "already done"
    third = job(mode="merge", pipeline=export(n_trees=21))
    changed = read(spark, target).where(F.col("scoring.run_id") == third.run_id).count()
    assert changed > 2000
    assert read(spark, target).count() == 3000


@pytest.mark.parametrize("target", ["delta catalog"], indirect=True)
def test_a_table_that_was_being_created_is_begun_anew(spark, job, target, tmp_path):
    """An empty table that a killed run has written, and whose catalog does not know it yet.

    What somebody else has put there stays, and is told of.
    """
    there = Path(spark.catalog.getDatabase("default").locationUri.removeprefix("file:")) / target
    there.mkdir()
    (there / "part-0.parquet").write_text("somebody's")
    with pytest.raises(TableJobError, match="is not empty"):
        job(run_id="1")
    (there / "part-0.parquet").unlink()
    spark.sql(
        f"CREATE TABLE {target} (other INT) USING delta "
        "TBLPROPERTIES ('dai_spark.created_for' = 'another')"
    )
    shutil.copytree(there, tmp_path / "kept")
    spark.sql(f"DROP TABLE {target}")
    shutil.copytree(tmp_path / "kept", there)
    assert job(run_id="2").status == "done"
    assert spark.table(target).count() == 3000


@pytest.mark.parametrize("target", ["iceberg"], indirect=True)
def test_what_another_session_has_written_is_seen(spark, job, target):
    """Iceberg keeps tables as each session has read them; a run by its id is written once."""
    job(mode="append", run_id="1")
    spark.table(target).count()
    assert job(mode="append", run_id="2", spark=spark.newSession()).status == "done"
    assert job(mode="append", run_id="2").status == "already done"
    assert spark.table(target).count() == 6000


@pytest.mark.parametrize("target", ["parquet"], indirect=True)
def test_files_refuse_a_merge(job):
    """A promise that cannot be kept is refused, with what to use instead."""
    with pytest.raises(TableJobError, match="cannot be promised .* Delta or Iceberg table"):
        job(mode="merge")


@pytest.mark.parametrize("target", ["delta", long("delta catalog"), long("iceberg")], indirect=True)
def test_new_columns_are_added_only_when_allowed(spark, job, target):
    """A column more needs --evolve-schema; a column less is refused always."""
    job(keep=["flight_id", "month"], mode="append")
    with pytest.raises(TableJobError, match=r"carrier: target has none, scored string.*evolve"):
        job(mode="append", run_id="2")
    job(mode="append", run_id="2", evolve_schema=True)
    assert read(spark, target).where("carrier IS NOT NULL").count() == 3000
    with pytest.raises(TableJobError, match="carrier: target string, scored has none"):
        job(keep=["flight_id", "month"], mode="append", run_id="3", evolve_schema=True)
    assert read(spark, target).count() == 6000


@pytest.mark.parametrize("target", ["parquet", long("parquet catalog")], indirect=True)
def test_files_never_get_other_columns(spark, job, target):
    """Readers take the columns of one file for those of all, so nothing is added."""
    job(keep=["flight_id", "month"], mode="append")
    with pytest.raises(TableJobError, match="carrier: target has none, scored string"):
        job(mode="append", run_id="2", evolve_schema=True)
    assert read(spark, target).count() == 3000


@pytest.mark.parametrize(
    ("target", "layout"),
    [
        ("delta", "struct"),
        pytest.param("delta", "flat", marks=pytest.mark.long),
        pytest.param("iceberg", "struct", marks=pytest.mark.long),
        pytest.param("iceberg", "flat", marks=pytest.mark.long),
    ],
    indirect=["target"],
)
def test_names_that_a_format_refuses_are_made_safe(
    spark, job, target, export, own_scores, flights, layout
):
    """Class labels with spaces: Delta gets underscores and the label as comment, Iceberg them."""
    told = []
    pipeline = export(kind="multinomial")
    report = job(pipeline=pipeline, prediction_layout=layout, lineage=False, on_message=told.append)
    own = own_scores(pipeline, flights)
    assert tuple(own.columns) == report.prediction
    found = read(spark, target)
    if layout == "struct":
        schema = found.schema["prediction"].dataType
        found = found.select("flight_id", "prediction.*")
    else:
        schema = found.schema
        found = found.drop("carrier", "month")
    names = [name for name in schema.fieldNames() if name.startswith("arrival.")]
    if target.startswith("delta"):
        assert names == [re.sub("[ ,;{}()\n\t=]", "_", name) for name in own.columns]
        assert names != list(own.columns)
        assert sum("are made safe" in text for text in told) == 1
        comments = [schema[name].metadata.get("comment") for name in names]
        changed = [old if old != new else None for old, new in zip(own.columns, names)]
        assert comments == changed
    else:
        assert names == list(own.columns)
    rows = found.orderBy("flight_id").collect()
    expected = own.assign(flight_id=flights["flight_id"].to_numpy()).set_index("flight_id")
    for row in rows[::500]:
        assert list(row[1:]) == [float(value) for value in expected.loc[row[0]]]
