"""A driver that scores a table day by day into a target, and says when all days are there.

Killed at any moment and started again, it goes on where it was: every run has an id, and every kind
of table tells which runs it has.  Arguments are one JSON object: folder, kind, mode, master, files.
"""

import json
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]


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
    )
    for name, value in lakehouse.settings(Path(told["folder"])).items():
        builder = builder.config(name, value)
    spark = builder.getOrCreate()
    spark.sparkContext.setLogLevel("ERROR")
    return spark


def main():
    """Score all days."""
    told = json.loads(sys.argv[1])
    spark = session(told)
    from dai_spark import score_table

    for day in told["days"]:
        words = {
            "source": told["source"],
            "target": told["target"],
            "mode": told["mode"],
            "keep": ["flight_id", "day"],
            "key": ["flight_id"],
            "run_id": f"day {day}",
            "where": f"day = {day}",
        }
        if told["mode"] == "overwrite":
            # Each day replaces what was there with everything up to it.
            words["where"] = f"day <= {day}"
        if told["mode"] == "overwrite-partitions":
            words["partition_by"] = ["day"]
        if told["kind"] == "delta catalog":
            words["target_format"] = "delta"
        report = score_table(
            told["pipeline"],
            told["env"],
            license_file=told["license_file"],
            spark=spark,
            progress=False,
            say=lambda text: None,
            **words,
        )
        print(f"day {day}: {report.status}", flush=True)
    kind, _, path = told["target"].partition(":")
    found = spark.read.format(kind).load(path) if path else spark.table(told["target"])
    found.select("flight_id", "day", "prediction").coalesce(1).write.mode("overwrite").parquet(
        told["found"]
    )
    print("all days are there", flush=True)
    spark.stop()


if __name__ == "__main__":
    main()
