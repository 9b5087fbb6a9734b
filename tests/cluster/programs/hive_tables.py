"""The table job on tables of a Hive metastore: as source, as target, and what it refuses.

Arguments are one JSON object: `repo`, `out`, `folder`, `env`, `license_file`, `pipeline`.
"""

import json
import sys
from pathlib import Path

told = json.loads(sys.argv[1])
sys.path[:0] = [told["repo"]]

from pyspark.sql import SparkSession

from dai_spark import score_table
from dai_spark.errors import DaiSparkError

STORED = ("PARQUET", "ORC", "TEXTFILE")
KEEP = {"keep": ["id", "day"], "key": ["id"]}


def session():
    """A session whose catalog is a metastore in Derby, as Spark brings it."""
    folder = told["folder"]
    metastore = f"jdbc:derby:;databaseName={folder}/metastore;create=true"
    builder = (
        SparkSession.builder.master("local[2]")
        .appName("hive tables")
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.sql.sources.parallelPartitionDiscovery.parallelism", "4")
        .config("spark.sql.warehouse.dir", f"{folder}/warehouse")
        .config("spark.hadoop.javax.jdo.option.ConnectionURL", metastore)
        .config("spark.hadoop.hive.exec.dynamic.partition.mode", "nonstrict")
    )
    return builder.enableHiveSupport().getOrCreate()


def main():
    """Run the job in every way, and write what came of it."""
    spark = session()
    spark.sparkContext.setLogLevel("OFF")

    def run(source, target, **words):
        try:
            report = score_table(
                told["pipeline"],
                told["env"],
                license_file=told["license_file"],
                spark=spark,
                progress=False,
                on_message=lambda text: None,
                **{"source": source, "target": target, **KEEP, **words},
            )
        except DaiSparkError as error:
            return error.message
        return f"{report.status} {report.n_scored}"

    def insert(table, n_from, n_to, day):
        rows = f"SELECT id, id * 1.0D, {day} FROM range({n_from}, {n_to})"
        spark.sql(f"INSERT INTO {table} {rows}")

    def rows(table):
        found = spark.sql(f"SELECT id, prediction.y AS y, day FROM {table} ORDER BY id, day")
        return [list(row) for row in found.collect()]

    found = {}
    for stored in STORED:
        kind = stored.lower()
        source, own = f"source_{kind}", f"own_{kind}"
        columns = "(id BIGINT, x DOUBLE) PARTITIONED BY (day STRING)"
        spark.sql(f"CREATE TABLE {source} {columns} STORED AS {stored}")
        insert(source, 0, 6, "concat('2026-01-0', id % 2 + 1)")
        seen = found[kind] = {}
        partitioned = {"mode": "append", "partition_by": ["day"]}
        seen["without a run id"] = run(source, f"t_{kind}", **partitioned)
        seen["again"] = run(source, f"t_{kind}", **partitioned)
        since = {"mode": "append", "incremental": "since", "since": "day"}
        missing = {"mode": "append", "incremental": "missing"}
        seen["first night"] = [
            run(source, f"m_{kind}", **missing),
            run(source, f"s_{kind}", **since),
        ]
        insert(source, 6, 8, "'2026-01-03'")
        seen["next night"] = [
            run(source, f"m_{kind}", **missing),
            run(source, f"s_{kind}", **since),
        ]
        seen["rows"] = [rows(f"m_{kind}"), rows(f"s_{kind}")]
        # A target of the metastore's own: never made anew by the way.
        columns = "(id BIGINT, prediction STRUCT<y: DOUBLE>) PARTITIONED BY (day STRING)"
        spark.sql(f"CREATE TABLE {own} {columns} STORED AS {stored}")
        spark.sql(f"INSERT INTO {own} VALUES (99, named_struct('y', 99.0D), '2025-12-31')")
        before = spark.sql(f"SHOW CREATE TABLE {own}").collect()[0][0]
        seen["own"] = [
            run(source, own, mode=mode, run_id=mode, lineage=False)
            for mode in ("append", "overwrite")
        ]
        seen["own rows"] = rows(own)
        seen["own is as it was"] = spark.sql(f"SHOW CREATE TABLE {own}").collect()[0][0] == before
    # What Spark writes with its own formats is the job's, also in this catalog, external as well.
    spark.sql(
        "CREATE TABLE outside (id BIGINT, prediction STRUCT<y: DOUBLE>, day STRING) USING parquet "
        f"PARTITIONED BY (day) LOCATION '{told['folder']}/outside'"
    )
    words = {"lineage": False, "run_id": "1"}
    found["external"] = [
        run("source_parquet", "outside", mode="append", **words),
        run("source_parquet", "OUTSIDE", mode="append", **words),
        run("source_parquet", "default.outside", mode="overwrite-partitions",
            where="day = '2026-01-01'", lineage=False),
    ]  # fmt: skip
    found["external rows"] = rows("outside")
    spark.sql("CREATE VIEW seen AS SELECT * FROM source_parquet WHERE id < 4")
    found["view"] = [run("seen", "of_view", mode="append") for _ in range(2)]
    Path(told["out"], "findings.json").write_text(json.dumps(found))
    spark.stop()


if __name__ == "__main__":
    main()
