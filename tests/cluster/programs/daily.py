"""A driver that scores a table day by day into a target, and says when all days are there.

Killed at any moment and started again, it goes on where it was: every run has an id, and every kind
of table tells which runs it has.  Arguments are one JSON object, see `tests/kills.py`.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

# A way is a mode, or an incremental kind with the mode that it is used with.
INCREMENTAL = {
    "missing": {"incremental": "missing", "mode": "append"},
    "since": {"incremental": "since", "since": "day", "mode": "append"},
    "changes": {"incremental": "changes", "mode": "merge"},
    "stream append": {"incremental": "stream", "mode": "append"},
    "stream merge": {"incremental": "stream", "mode": "merge"},
}


def session(told):
    """A session with both table formats."""
    import lakehouse
    from pyspark.sql import SparkSession

    builder = (
        SparkSession.builder.master(told["master"])
        .appName("daily")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.executor.memory", "900m")
        # Executors may be killed without end, and the job goes on.
        .config("spark.task.maxFailures", "100")
        .config("spark.stage.maxConsecutiveAttempts", "100")
        .config("spark.deploy.maxExecutorRetries", "-1")
    )
    for name, value in lakehouse.settings(Path(told["folder"])).items():
        builder = builder.config(name, value)
    if told["kind"].endswith("catalog"):
        # Spark's own catalog in memory would be gone with its driver.
        metastore = f"jdbc:derby:;databaseName={told['folder']}/metastore;create=true"
        builder = builder.config("spark.hadoop.javax.jdo.option.ConnectionURL", metastore)
        builder = builder.enableHiveSupport()
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def words_of(told, day):
    """What tells one day's run from another's."""
    way = told["way"]
    words = {
        "source": told["source"],
        "target": told["target"],
        "keep": ["flight_id", "day"],
        "key": ["flight_id"],
        "job_name": "daily",
        **INCREMENTAL.get(way, {"mode": way, "run_id": f"day {day}"}),
    }
    if told["kind"] == "delta catalog":
        words["target_format"] = "delta"
    if way == "changes":
        return {**words, "source": told["changing"], "source_version": told["versions"][day]}
    if way.startswith("stream"):
        # Its checkpoint says what is new: a file a day, a micro-batch each.
        one = {"maxFilesPerTrigger": "1"}
        return {**words, "source_options": one, "checkpoint": f"{told['found']}-checkpoint"}
    if way == "since":
        # Its filter is part of what its mark belongs to, so it is the source that grows.
        files = ",".join(f"day-{one}.parquet" for one in told["days"] if one <= day)
        return {**words, "source_options": {"pathGlobFilter": f"{{{files}}}"}}
    # What is incremental finds out by itself which of these are new; an overwrite replaces what
    # was there with everything up to the day.
    grows = way == "overwrite" or way in INCREMENTAL
    words["where"] = f"day <= {day}" if grows else f"day = {day}"
    if way == "overwrite-partitions":
        words["partition_by"] = ["day"]
    if way == "fail":
        del words["where"]
    return words


def write_changing(spark, told):
    """A Delta table that grows by a day, and updates and deletes earlier rows; its versions."""
    rows = spark.read.parquet(told["source"].partition(":")[2])
    path = told["changing"].partition(":")[2]
    versions = {}
    for day in told["days"]:
        writer = rows.where(f"day = {day}").write.format("delta").mode("append")
        writer.option("delta.enableChangeDataFeed", "true").save(path)
        spark.sql(f"DELETE FROM delta.`{path}` WHERE day < {day} AND flight_id % 50 = {day}")
        spark.sql(
            f"UPDATE delta.`{path}` SET dep_delay = dep_delay + 60 "
            f"WHERE day < {day} AND flight_id % 50 = {20 + day}"
        )
        history = spark.sql(f"DESCRIBE HISTORY delta.`{path}`")
        versions[day] = str(history.agg({"version": "max"}).collect()[0][0])
    Path(told["found"]).with_suffix(".json").write_text(json.dumps(versions))


def main():
    """Score all days."""
    told = json.loads(sys.argv[1])
    told["versions"] = {int(day): version for day, version in told.get("versions", {}).items()}
    spark = session(told)
    from dai_spark import score_table

    print("ready", flush=True)
    if told["way"] == "changing":
        write_changing(spark, told)
    else:
        for day in told["days"]:
            report = score_table(
                told["pipeline"],
                told["env"],
                license_file=told["license_file"],
                spark=spark,
                progress=False,
                on_message=lambda text: None,
                **words_of(told, day),
            )
            print(f"day {day}: {report.status}, {report.n_scored} rows", flush=True)
        kind, _, path = told["target"].partition(":")
        found = spark.read.format(kind).load(path) if path else spark.table(told["target"])
        found = found.select("flight_id", "day", "prediction").coalesce(1)
        found.write.mode("overwrite").parquet(told["found"])
    print("all days are there", flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
