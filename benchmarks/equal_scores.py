"""Scores all 336,776 flights in every way there is and compares the scores bit for bit.

Held against what the pipeline's own `score_batch` gives in one process of its own Python, for all
rows in one call.  Exit status 1 where one score differs.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from direct import (
    BUILD,
    ENVIRONMENT,
    LICENSE,
    LIMIT_S,
    PIPELINE,
    ROOT,
    SOURCE,
    fresh,
    prepare_files,
    score_directly,
)

FOLDER = BUILD / "equal"
OUTPUTS = ["late.no", "late.yes"]
WAYS = {
    "job": "table job by spark-submit, local[2]",
    "pandas": "score_pandas, no Spark",
    "local": "local[2]",
    "local-cluster": "local-cluster[2,2,1024]",
    "connect": "Spark Connect",
}


def main() -> None:
    """Score in all ways and compare."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--way", choices=list(WAYS), action="append", help="(default all)")
    parser.add_argument("--in-this-process", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.in_this_process:
        score(*arguments.way)
        return
    prepare_files()
    fresh(FOLDER)
    rows = pq.read_table(SOURCE)
    whole = FOLDER / "source.parquet"
    pq.write_table(rows, whole)
    score_directly([whole], FOLDER / "direct", 1, rows.num_rows)
    expected = read(FOLDER / "direct")
    print(f"{expected.num_rows:,} rows scored by the pipeline itself\n")
    print(f"{'':44}{'rows':>9}{'scores that differ':>20}")
    differ = [compare(name, found, expected) for name, found in all_ways(arguments.way or WAYS)]
    sys.exit(int(any(differ)))


def all_ways(ways: "list[str]") -> "list[tuple[str, Path]]":
    """Score in each way, in a process of its own, and return names and folders of the scores."""
    for way in ways:
        print(f"scoring: {WAYS[way]}", file=sys.stderr, flush=True)
        if way == "job":
            command = [sys.executable, str(ROOT / "examples" / "demo.py")]
        else:
            command = [sys.executable, __file__, "--in-this-process", "--way", way]
        subprocess.run(command, check=True, timeout=LIMIT_S, stdout=subprocess.DEVNULL)
    found = [(WAYS["job"], BUILD / "tables" / "flight_scores")] if "job" in ways else []
    for way in ways:
        found += [
            (f"{WAYS[way]}, {folder.name}" if folder.name != way else WAYS[way], folder)
            for folder in sorted((FOLDER / way).glob("*"))
        ]
    return found


def score(way: str) -> None:
    """Score in one way and write the scores."""
    if way == "pandas":
        from dai_spark import score_pandas

        rows = pq.read_table(SOURCE)
        scores = score_pandas(
            rows.to_pandas(), PIPELINE, env=ENVIRONMENT, license_file=str(LICENSE)
        )
        scores.insert(0, "flight_id", rows["flight_id"].to_numpy())
        folder = fresh(FOLDER / way / way)
        pq.write_table(pa.Table.from_pandas(scores, preserve_index=False), folder / "0.parquet")
        return

    from dai_spark import score_dataframe, score_udf

    spark = start_spark(way)
    flights = spark.read.parquet(str(SOURCE))
    files = {"env": ENVIRONMENT, "license_file": str(LICENSE)}
    scored = {
        f"{kind} UDF": flights.select(
            "flight_id", score_udf(PIPELINE, spark=spark, udf_type=kind, **files)().alias("p")
        )
        for kind in ("arrow", "pandas")
    }
    scored["score_dataframe"] = score_dataframe(
        flights, PIPELINE, keep=["flight_id"], prediction="p", **files
    )
    for name, frame in scored.items():
        frame.select("flight_id", "p.*").write.parquet(str(FOLDER / way / name))
    spark.stop()


def start_spark(way: str) -> Any:
    """Start the kind of Spark that a way names."""
    from pyspark.sql import SparkSession

    os.environ["SPARK_LOCAL_HOSTNAME"] = "localhost"
    if way == "connect":
        return SparkSession.builder.remote("local[2]").getOrCreate()
    master = {"local": "local[2]", "local-cluster": "local-cluster[2,2,1024]"}[way]
    return (
        SparkSession.builder.master(master)
        .config("spark.ui.enabled", "false")
        .config("spark.sql.files.minPartitionNum", "8")
        .getOrCreate()
    )


def read(folder: Path) -> pa.Table:
    """Read scores in the order of the flights, the job's struct spread over columns."""
    table = pq.read_table(folder)
    if "prediction" in table.column_names:
        table = table.select(["flight_id", "prediction"]).flatten()
        table = table.rename_columns(["flight_id", *OUTPUTS])
    return table.select(["flight_id", *OUTPUTS]).sort_by("flight_id").combine_chunks()


def compare(name: str, folder: Path, expected: pa.Table) -> bool:
    """Print one line and return whether any row or bit differs."""
    found = read(folder)
    n_differ = -1
    if found["flight_id"].equals(expected["flight_id"]):
        n_differ = sum(
            pc.sum(pc.not_equal(bits(found[output]), bits(expected[output]))).as_py()
            for output in OUTPUTS
        )
    shown = "other rows" if n_differ < 0 else f"{n_differ:,}"
    print(f"{name:44}{found.num_rows:9,}{shown:>20}", flush=True)
    return n_differ != 0


def bits(column: pa.ChunkedArray) -> pa.Array:
    """View float32 scores as integers, so that NaN equals NaN and 0 is not -0."""
    (values,) = column.chunks or [pa.array([], column.type)]
    assert values.type == pa.float32()
    assert values.null_count == 0
    return values.view(pa.uint32())


if __name__ == "__main__":
    main()
