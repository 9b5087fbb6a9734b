"""What a run is, and what it remembers: tables under other names, restored, created anew."""

import shutil
from pathlib import Path
from uuid import uuid4

import pytest

from dai_spark import score_table
from dai_spark.errors import OptionError, TableJobError
from dai_spark.table_job.run import identity
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.source.moment import moment_of
from dai_spark.table_job.source.source import Source


def long(kind):
    """A kind that is only tried by `make test-long`, since another one stands for it."""
    return pytest.param(kind, marks=pytest.mark.long)


class Lake:
    """Tables of one format in a catalog, under names that are nobody else's."""

    def __init__(self, spark, kind, rows):
        self.spark, self.kind, self.rows = spark, kind, rows
        self.suffix = uuid4().hex[:8]
        self.made = set()

    def name(self, of):
        """The whole name of a table."""
        prefix = "ice.db" if self.kind == "iceberg" else "default"
        self.made.add(f"{prefix}.{of}_{self.suffix}")
        return f"{prefix}.{of}_{self.suffix}"

    def create(self, of, where):
        """Create a table of some flights, in the place of one that is there."""
        self.sql(f"DROP TABLE IF EXISTS {self.name(of)}")
        self.rows.where(where).writeTo(self.name(of)).using(self.kind).tableProperty(
            "delta.enableChangeDataFeed", "true"
        ).create()
        return self.name(of)

    def add(self, of, where):
        """Append some flights."""
        self.rows.where(where).writeTo(self.name(of)).append()

    def sql(self, text):
        """Rows of a statement."""
        return self.spark.sql(text).collect()

    def n_rows(self, of="target"):
        """Rows, and how many flights they are."""
        counted = self.sql(f"SELECT count(*), count(DISTINCT flight_id) FROM {self.name(of)}")
        return tuple(counted[0])

    def restore(self, of, n_back):
        """Make a table what it was before its last commits of rows."""
        name = self.name(of)
        if self.kind == "delta":
            history = self.sql(f"DESCRIBE HISTORY {name}")
            versions = [r["version"] for r in history if r["operation"] != "SET TBLPROPERTIES"]
            self.sql(f"RESTORE TABLE {name} TO VERSION AS OF {versions[n_back]}")
            return
        ids = self.sql(f"SELECT snapshot_id FROM {name}.snapshots ORDER BY committed_at DESC")
        short = name.partition(".")[2]
        self.sql(f"CALL ice.system.rollback_to_snapshot('{short}', {ids[n_back][0]})")


@pytest.fixture
def lake(spark, request, flights_frame):
    """A lake of the format that the test asks for; a day has some thirty flights."""
    spark.sql("CREATE NAMESPACE IF NOT EXISTS ice.db")
    found = Lake(spark, getattr(request, "param", "delta"), flights_frame.where("month = 1"))
    yield found
    for name in found.made:
        spark.sql(f"DROP TABLE IF EXISTS {name}")


@pytest.fixture
def job(spark, export, with_scorer, lake):
    """The job from `source` to `target`, appending rows of new days."""

    def run(**words):
        words = {
            "source": lake.name("source"),
            "target": lake.name("target"),
            "mode": "append",
            "keep": ["flight_id", "day", "time_hour"],
            **({"target_format": lake.kind} if lake.kind == "delta" else {}),
            **words,
        }
        pipeline = words.pop("pipeline", export())
        return score_table(pipeline, **with_scorer, spark=spark, **words)

    return run


SINCE = {"incremental": "since", "since": "day"}
CHANGES = {"incremental": "changes", "mode": "merge", "key": ["flight_id"]}


@pytest.mark.parametrize("lake", ["delta", long("iceberg")], indirect=True)
def test_a_mark_belongs_to_its_rows_and_not_to_a_name(lake, job, export):
    """Another source or filter under one name is refused; another name changes nothing."""
    lake.create("source", "day <= 2")
    lake.create("other", "day = 5")
    first = job(**SINCE)
    n = first.n_scored
    assert job(**SINCE, job_name="nightly").status == "nothing to do"
    with pytest.raises(TableJobError, match=r"another one: --source .*other.* --job-name"):
        job(**SINCE, source=lake.name("other"))
    with pytest.raises(TableJobError, match=r"another one: --where none, not 'day > 0'"):
        job(**SINCE, where="day > 0")
    with pytest.raises(TableJobError, match=r"another pipeline .* --since-mark '2'"):
        job(**SINCE, pipeline=export(n_trees=21))
    assert lake.n_rows() == (n, n)
    second = job(**SINCE, source=lake.name("other"), job_name="another")
    total = n + second.n_scored
    assert second.n_scored
    lake.add("source", "day = 3")
    assert lake.n_rows() == (total, total)


@pytest.mark.long
@pytest.mark.parametrize("lake", ["delta", "iceberg"], indirect=True)
def test_a_mark_that_is_said_counts_once(lake, job, export):
    """For another pipeline, which begins behind it; then its own mark counts, as each name's."""
    lake.create("source", "day <= 2")
    lake.create("other", "day = 5")
    total = job(**SINCE).n_scored
    total += job(**SINCE, source=lake.name("other"), job_name="another").n_scored
    lake.add("source", "day = 3")
    more = job(**SINCE, since_mark="2", pipeline=export(n_trees=21))
    assert (
        more.n_scored == lake.sql(f"SELECT count(*) FROM {lake.name('source')} WHERE day = 3")[0][0]
    )
    total += more.n_scored
    with pytest.raises(OptionError, match=r"--since-mark 'monday' is no value of day"):
        job(**SINCE, since_mark="monday")
    # A mark of its own counts before what was once said.
    again = job(**SINCE, since_mark="2", pipeline=export(n_trees=21))
    assert again.status == "nothing to do"
    assert job(**SINCE, source=lake.name("other"), job_name="a third").status == "nothing to do"
    assert lake.n_rows() == (total, total)


@pytest.mark.parametrize("lake", ["delta"], indirect=True)
def test_a_table_is_one_table_however_it_is_spelled(lake, job, spark):
    """Case, catalog, path, a link's name, and settings that change no row: nothing twice."""
    lake.create("source", "day = 1")
    source, target = lake.name("source"), lake.name("target")
    n = job().n_scored
    short = source.rpartition(".")[2]
    folder = spark.sql(f"DESCRIBE DETAIL {source}").collect()[0]["location"]
    target_folder = spark.sql(f"DESCRIBE DETAIL {target}").collect()[0]["location"]
    for words in (
        {"source": f"spark_catalog.{source.upper()}", "job_name": "nightly"},
        {"source": f"delta:{folder.replace('file:', '')}/../{short}", "key": ["flight_id"]},
        {"source": f"delta:{folder}/", "target": target.rpartition(".")[2].upper(), "n_files": 1},
        {"source": short, "target": f"delta:{target_folder}"},
    ):
        assert job(**words).status == "already done", words
    assert lake.n_rows() == (n, n)
    with pytest.raises(TableJobError, match="another one: --incremental none, not 'since'"):
        job(**SINCE, target=f"delta:{target_folder}", job_name="nightly")


@pytest.mark.parametrize("lake", ["delta", long("iceberg")], indirect=True)
def test_a_source_that_is_created_anew_is_another_one(lake, job):
    """DROP and CTAS count versions from 0 again; what was version 1 is no longer done."""
    lake.create("source", "day = 1")
    n_first = job(mode="overwrite").n_scored
    assert job(mode="overwrite").status == "already done"
    lake.create("source", "day <= 2")
    report = job(mode="overwrite")
    assert (report.status, lake.n_rows()[0]) == ("done", report.n_scored)
    assert report.n_scored > n_first
    lake.create("source", "day = 3")
    assert job().status == "done"
    assert lake.n_rows()[0] == lake.n_rows()[1]


@pytest.mark.parametrize("lake", ["delta"], indirect=True)
def test_the_log_of_another_table_does_not_go_on_with_the_first_ones(lake, job):
    """Changes of a source that was created anew: what became of the old rows nothing tells."""
    lake.create("source", "day = 1")
    n = job(**CHANGES).n_scored
    lake.create("source", "day = 2")
    lake.add("source", "day = 3")
    with pytest.raises(TableJobError, match="--delete-missing"):
        job(**CHANGES)
    assert lake.n_rows() == (n, n)


@pytest.mark.parametrize("lake", [long("delta"), "iceberg"], indirect=True)
def test_what_was_restored_away_is_scored_again(lake, job):
    """A record whose commit the table no longer stands on does not count."""
    lake.create("source", "day = 1")
    n_first = job(**SINCE).n_scored
    lake.add("source", "day = 2")
    n = n_first + job(**SINCE).n_scored
    lake.restore("target", 1)
    assert lake.n_rows() == (n_first, n_first)
    assert job(**SINCE).n_scored == n - n_first
    assert lake.n_rows() == (n, n)
    assert job(**SINCE).status == "nothing to do"


@pytest.mark.parametrize("lake", ["delta", long("iceberg")], indirect=True)
def test_a_run_that_was_restored_away_is_done_again(lake, job):
    """Told apart by its id alone, which Delta itself has seen."""
    lake.create("source", "day = 1")
    n = job(run_id="sunday").n_scored
    assert job(run_id="monday").status == "done"
    lake.restore("target", 1)
    assert lake.n_rows() == (n, n)
    assert job(run_id="monday").status == "done"
    assert lake.n_rows() == (2 * n, n)
    assert job(run_id="monday").status == "already done"


@pytest.mark.long
@pytest.mark.parametrize("lake", ["delta", "iceberg"], indirect=True)
def test_an_overwrite_that_was_restored_away_is_done_again(lake, job):
    """The newest commit alone counts of it, and that is not in the table any more."""
    lake.create("source", "day = 1")
    n = job(run_id="monday").n_scored
    assert job(run_id="tuesday").status == "done"
    assert job(mode="overwrite").status == "done"
    assert lake.n_rows() == (n, n)
    lake.restore("target", 1)
    assert job(mode="overwrite").status == "done"
    assert lake.n_rows() == (n, n)


def forget(lake, of):
    """What maintenance does: old snapshots, or old commits of the log, are gone."""
    name = lake.name(of)
    if lake.kind == "iceberg":
        short = name.partition(".")[2]
        lake.sql(
            f"CALL ice.system.rewrite_data_files(table => '{short}', options => "
            "map('rewrite-all', 'true', 'min-input-files', '1'))"
        )
        lake.sql(
            f"CALL ice.system.expire_snapshots(table => '{short}', retain_last => 1, "
            "older_than => TIMESTAMP '2100-01-01 00:00:00')"
        )
        return
    logs = lake.spark._jvm.org.apache.spark.sql.delta.DeltaLog
    location = lake.sql(f"DESCRIBE DETAIL {name}")[0]["location"]
    # The clean-up itself waits for a day to be over.
    lake.sql(f"DELETE FROM {name} WHERE false")
    lake.sql(f"ALTER TABLE {name} SET TBLPROPERTIES ('maintained' = 'yes')")
    logs.forTable(lake.spark._jsparkSession, location).checkpoint()
    folder = Path(location.replace("file:", "")) / "_delta_log"
    newest = max(path.name[:20] for path in folder.glob("*.checkpoint.parquet"))
    for path in [*folder.glob("*.json"), *folder.glob("*.crc"), *folder.glob(".*.crc")]:
        if path.name.lstrip(".")[:20] < newest or path.suffix == ".crc":
            path.unlink(missing_ok=True)
    logs.clearCache()


@pytest.mark.parametrize("lake", ["delta", long("iceberg")], indirect=True)
def test_a_mark_outlives_maintenance(lake, job):
    """What the history no longer tells stands in a property of the table."""
    lake.create("source", "day = 1")
    n = job(**SINCE).n_scored
    forget(lake, "target")
    assert job(**SINCE).status == "nothing to do"
    lake.add("source", "day = 2")
    n += job(**SINCE).n_scored
    assert lake.n_rows() == (n, n)


@pytest.mark.parametrize("lake", ["delta", long("iceberg")], indirect=True)
def test_a_mark_that_nothing_tells_any_more_is_asked_for(lake, job):
    """The run was killed between its commit and the property, and the history is cut off."""
    lake.create("source", "day <= 2")
    n = job(**SINCE).n_scored
    names = [
        row["key"]
        for row in lake.sql(f"SHOW TBLPROPERTIES {lake.name('target')}")
        if row["key"].startswith("dai_spark.mark")
    ]
    lake.sql(f"ALTER TABLE {lake.name('target')} UNSET TBLPROPERTIES ('{names[0]}')")
    forget(lake, "target")
    with pytest.raises(TableJobError, match=r"history .* does not reach back .* --since-mark"):
        job(**SINCE)
    lake.add("source", "day = 3")
    n += job(**SINCE, since_mark="2").n_scored
    assert lake.n_rows() == (n, n)
    assert job(**SINCE).status == "nothing to do"


def test_two_pipelines_do_not_take_turns(lake, job, export):
    """The second night of two jobs into one target, each with a pipeline of its own, is refused."""
    lake.create("source", "day = 1")
    words = {"incremental": "missing", "mode": "merge", "key": ["flight_id"]}
    other = export(n_trees=21)
    n = job(**words).n_scored
    assert job(**words, pipeline=other).n_scored == n
    with pytest.raises(TableJobError, match=r"Two pipelines take turns .* target of its own"):
        job(**words)
    assert job(mode="merge", key=["flight_id"]).status == "done"
    assert job(**words).status == "nothing to do"


@pytest.mark.long
def test_a_new_pipeline_follows_the_changes(lake, job, export):
    """It scores all rows, and what was deleted meanwhile goes; the first one is refused then."""
    lake.create("source", "day <= 2")
    follow, other = {**CHANGES, "target": lake.name("other")}, export(n_trees=21)
    n = job(**follow).n_scored
    assert job(**follow).status == "nothing to do"
    n_gone = lake.sql(f"DELETE FROM {lake.name('source')} WHERE flight_id % 2 = 0")[0][0]
    report = job(**follow, pipeline=other)
    assert (report.n_scored, report.n_deleted) == (n - n_gone, n_gone)
    assert lake.n_rows("other") == (n - n_gone, n - n_gone)
    assert job(**follow, pipeline=other).status == "nothing to do"
    with pytest.raises(TableJobError, match="Two pipelines take turns"):
        job(**follow)
    with pytest.raises(TableJobError, match=r"another one: --where none, not 'day = 1'.*merge"):
        job(**follow, where="day = 1")
    with pytest.raises(TableJobError, match=r"lets other rows through at another time"):
        job(**follow, where="day < dayofyear(current_date())")


@pytest.mark.parametrize("lake", ["iceberg"], indirect=True)
def test_a_record_on_another_branch_does_not_count(lake, job, spark):
    """What was written to a branch is not in main."""
    lake.create("source", "day = 1")
    target = lake.name("target")
    n = job(run_id="first").n_scored
    lake.sql(f"ALTER TABLE {target} SET TBLPROPERTIES ('write.wap.enabled' = 'true')")
    try:
        spark.conf.set("spark.wap.branch", "audit")
        assert job(run_id="monday").status == "done"
    finally:
        spark.conf.unset("spark.wap.branch")
    assert lake.n_rows() == (n, n)
    assert job(run_id="monday").status == "done"
    assert lake.n_rows() == (2 * n, n)


@pytest.mark.long
@pytest.mark.parametrize("lake", ["iceberg"], indirect=True)
def test_a_record_of_a_snapshot_that_is_published_counts(lake, job, spark):
    """A branch, and a snapshot that was staged and not published, are not in main."""
    lake.create("source", "day = 1")
    target = lake.name("target")
    n = job(run_id="first").n_scored
    lake.sql(f"ALTER TABLE {target} SET TBLPROPERTIES ('write.wap.enabled' = 'true')")
    with pytest.raises(TableJobError, match="would write to main"):
        job(target_options={"branch": "audit"})
    try:
        spark.conf.set("spark.wap.branch", "audit")
        assert job(run_id="monday").status == "done"
        assert job(run_id="monday").status == "already done"
    finally:
        spark.conf.unset("spark.wap.branch")
    assert lake.n_rows() == (n, n)
    try:
        spark.conf.set("spark.wap.id", "staged")
        assert job(run_id="monday").status == "done"
    finally:
        spark.conf.unset("spark.wap.id")
    assert lake.n_rows() == (n, n)
    assert job(run_id="tuesday").status == "done"
    lake.sql(f"CALL ice.system.publish_changes('{target.partition('.')[2]}', 'staged')")
    assert lake.n_rows() == (3 * n, n)
    assert job(run_id="monday").status == "already done"
    assert job(run_id="first").status == "already done"


@pytest.fixture(scope="module")
def day(spark, flights_frame, tmp_path_factory):
    """A Delta table of a day's flights, which no test changes."""
    path = str(tmp_path_factory.mktemp("day") / "flights")
    flights_frame.where("month = 1 AND day = 1").coalesce(1).write.format("delta").save(path)
    return f"delta:{path}"


@pytest.mark.parametrize(
    ("expression", "is_done"),
    [
        ("current_date()", True),
        ("CURRENT_DATE", True),
        ("now()", False),
        ("cast('now' as timestamp)", False),
        ("rand()", False),
        ("(SELECT max(t) FROM VALUES (now()) AS v(t))", False),
        ("date'2026-01-01'", True),
        ("concat(current_user(), input_file_name())", True),
    ],
)
def test_what_depends_on_time_is_part_of_a_run(spark, day, expression, is_done):
    """A day's expression makes another run of another day; of now() and rand() each run is one."""
    job = TableJob.of(
        {
            "pipeline": "p",
            "source": day,
            "target": "t",
            "where": "day = 1",
            "columns": {"carrier": f"cast({expression} AS string)"},
        }
    )
    moment = moment_of(Source.of(spark, job), job)
    assert (moment is not None) == is_done
    if expression.lower().startswith("current_date"):
        assert moment == str(spark.sql("SELECT current_date()").collect()[0][0])


def test_a_day_that_has_passed_makes_another_run(lake, job, monkeypatch):
    """The source is the same, and its scores of yesterday are not."""
    lake.create("source", "day = 1")
    words = {"columns": {"day": "day + 0 * year(current_date())"}, "mode": "overwrite"}
    assert job(**words).status == "done"
    assert job(**words).status == "already done"
    monkeypatch.setattr(identity, "moment_of", lambda *_: "2030-01-01")
    assert job(**words).status == "done"


@pytest.mark.long
def test_what_each_moment_makes_another_wants_a_run_id(lake, job):
    """No version tells a run apart whose condition asks for the time."""
    lake.create("source", "day = 1")
    words = {"where": "time_hour < now()", "mode": "append"}
    with pytest.raises(OptionError, match=r"now\(\).* give --run-id"):
        job(**words)
    assert job(**words, run_id="monday").status == "done"


def test_a_lost_checkpoint_is_no_new_stream(lake, job, tmp_path):
    """The target's history holds the stream's batches, whatever the checkpoint knows of them."""
    lake.create("source", "day = 1")
    words = {"incremental": "stream", "checkpoint": f"{tmp_path}/first"}
    n = job(**words).n_scored
    with pytest.raises(TableJobError, match=r"by another checkpoint .* --mode merge"):
        job(**{**words, "checkpoint": f"{tmp_path}/second"})
    assert lake.n_rows() == (n, n)


@pytest.mark.long
def test_a_checkpoint_that_was_put_back_or_moved(lake, job, tmp_path):
    """One that lacks batches is refused, one that was moved goes on, until the target is older."""
    lake.create("source", "day = 1")
    words = {"incremental": "stream", "checkpoint": f"{tmp_path}/first"}
    n = job(**words).n_scored
    shutil.copytree(f"{tmp_path}/first", f"{tmp_path}/old")
    lake.add("source", "day = 2")
    n += job(**words).n_scored
    with pytest.raises(TableJobError, match="was put back or has lost files"):
        job(**{**words, "checkpoint": f"{tmp_path}/old"})
    assert lake.n_rows() == (n, n)
    shutil.move(f"{tmp_path}/first", f"{tmp_path}/moved")
    moved = {**words, "checkpoint": f"{tmp_path}/moved"}
    assert job(**moved).n_scored == 0
    lake.add("source", "day = 3")
    job(**moved)
    lake.restore("target", 1)
    with pytest.raises(TableJobError, match=r"restored to a state before batch 2"):
        job(**moved)
    forget(lake, "target")
    with pytest.raises(TableJobError, match="by another checkpoint"):
        job(**words)
    assert lake.n_rows() == (n, n)


@pytest.mark.parametrize("lake", ["delta", long("iceberg")], indirect=True)
def test_rows_that_others_have_taken_away_are_not_done(lake, job):
    """A deletion of some rows changes nothing; of all rows of a run it does."""
    lake.create("source", "day = 1")
    job(**SINCE)
    target = lake.name("target")
    lake.sql(f"DELETE FROM {target} WHERE flight_id % 2 = 0")
    assert job(**SINCE).status == "nothing to do"
    lake.sql(f"TRUNCATE TABLE {target}")
    with pytest.raises(TableJobError, match=r"no longer in .* --since-mark VALUE"):
        job(**SINCE)


@pytest.mark.parametrize("lake", ["delta", long("iceberg")], indirect=True)
def test_a_run_whose_rows_others_have_taken_away_is_done_again(lake, job):
    """By its id: where some of its rows are left, it is done."""
    lake.create("source", "day = 1")
    target = lake.name("target")
    n = job(run_id="monday").n_rows
    lake.sql(f"DELETE FROM {target} WHERE scoring.run_id = 'monday' AND flight_id % 2 = 0")
    assert job(run_id="monday").status == "already done"
    lake.sql(f"TRUNCATE TABLE {target}")
    assert job(run_id="monday").status == "done"
    assert lake.n_rows() == (n, n)
