"""Rows a second of every way to score, against direct scoring and against bare Spark, in one run.

One table of 22 mixed columns and two weights of model.  All ways go from Parquet to Parquet on two
cores, in turn and repeated:

- direct: two processes of the pipeline's Python, no Spark;
- bare: Spark passes the same columns through a mapInArrow, an Arrow UDF or a pandas UDF that
  scores nothing;
- dai_spark: `score_dataframe` with Spark reading and with tasks that read the files themselves, in
  batches as large as direct's and in larger ones, `score_udf` of both kinds, and the table job with
  its write.

Loading is counted in none.  A way of dai_spark does the work of direct and of the bare one of its
kind, so its time is held against their sum.
"""

import argparse
import uuid
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
from bare import bare_arrow_udf, bare_frame, bare_pandas_udf
from direct import ENVIRONMENT, FOLDER, LICENSE, prepare_files, python_of_pipeline, score_directly
from exports import flights_pipeline
from program import Program, in_turn, medians, tell, took
from pyspark.sql import SparkSession
from session import N_CORES, start_spark, write_parquet
from tables import FEATURES, KEY, written_table

from dai_spark import score_dataframe, score_table, score_udf

N_FILES = 16
TARGETS = FOLDER / "throughput"
FILES = {"env": ENVIRONMENT, "license_file": str(LICENSE)}
LARGE_BATCH_ROWS = 50_000
LARGE = f"score_dataframe, files, {LARGE_BATCH_ROWS:,} rows a batch"
# Each way of dai_spark, and the bare one that does the rest of its work.
BARE_OF = {
    "score_dataframe": "bare mapInArrow",
    "score_dataframe, files": "bare mapInArrow",
    LARGE: "bare mapInArrow",
    "score_udf, Arrow": "bare Arrow UDF",
    "score_udf, pandas": "bare pandas UDF",
    "table job": "bare mapInArrow",
}


def main() -> None:
    """Measure all ways and write the result."""
    program = Program(__file__, __doc__, rows=2_000_000, repeat=3)
    program.parser.add_argument(
        "--trees", type=int, nargs="+", default=[100, 1000], help="(default 100 1000)"
    )
    program.parser.add_argument(
        "--repeat-heavy", type=int, default=1, help="runs with models after the first (default 1)"
    )
    program.parser.add_argument("--only", nargs="*", help="measure these ways alone, and direct")
    program.parser.add_argument("--batch-rows", type=int, default=10_000, help="(default 10000)")
    program.run(measure)


def measure(arguments: argparse.Namespace) -> dict[str, Any]:
    """Measure one weight after the other, the bare ways with each of them."""
    prepare_files()
    source, files = written_table(arguments.rows, N_FILES)
    spark = start_spark(
        batch_rows=arguments.batch_rows, spark__sql__files__minPartitionNum=str(N_FILES)
    )
    models: list[dict[str, Any]] = []
    for n_trees in arguments.trees:
        pipeline = flights_pipeline(n_trees)
        ways = ways_of(spark, pipeline, source, files, arguments.batch_rows)
        chosen = list(BARE_OF)
        if arguments.only:
            chosen = arguments.only
            kept = {"direct", *chosen, *(BARE_OF[name] for name in chosen)}
            ways = {name: way for name, way in ways.items() if name in kept}
        warm_up(spark, pipeline, files[0], arguments, ways)
        repeat = arguments.repeat_heavy if models else arguments.repeat
        seconds = in_turn(ways, repeat, f"{n_trees} trees")
        check_equal(chosen)
        models.append({"trees": n_trees, **compare(seconds, arguments.rows, chosen)})
    spark.stop()
    return {
        "rows": arguments.rows,
        "columns": len(FEATURES),
        "batch_rows": arguments.batch_rows,
        "cores": N_CORES,
        "pipeline_python": python_of_pipeline(),
        "models": models,
    }


def ways_of(
    spark: SparkSession, pipeline: Path, source: Path, files: list[Path], batch_rows: int
) -> dict[str, Callable[[], float]]:
    """All ways through the table, each a function that gives its seconds."""
    frame = spark.read.parquet(str(source))

    def scored(read: str, **words: Any) -> Any:
        return score_dataframe(frame, pipeline, keep=[KEY], read=read, **FILES, **words)

    columns: dict[str, Callable[[], Any]] = {
        "bare Arrow UDF": lambda: bare_arrow_udf(FEATURES),
        "bare pandas UDF": lambda: bare_pandas_udf(FEATURES),
        "score_udf, Arrow": score_udf(pipeline, spark=spark, udf_type="arrow", **FILES),
        "score_udf, pandas": score_udf(pipeline, spark=spark, udf_type="pandas", **FILES),
    }
    frames: dict[str, Callable[[], Any]] = {
        "bare mapInArrow": lambda: bare_frame(frame, [KEY], FEATURES),
        "score_dataframe": lambda: scored("spark"),
        "score_dataframe, files": lambda: scored("files"),
        LARGE: lambda: scored("files", batch_rows=LARGE_BATCH_ROWS),
    }
    for name, column in columns.items():
        frames[name] = lambda column=column: frame.select(KEY, column().alias("prediction"))

    def timed(name: str) -> float:
        return took(lambda: write_parquet(frames[name](), TARGETS / name))

    ways: dict[str, Callable[[], float]] = {
        "direct": lambda: score_directly(files, TARGETS / "direct", N_CORES, batch_rows, pipeline)
    }
    ways.update({name: lambda name=name: timed(name) for name in sorted(frames)})
    ways["table job"] = lambda: table_job(spark, pipeline, source)
    return ways


def table_job(spark: SparkSession, pipeline: Path, source: Path) -> float:
    """Run the table job; its checks before the first task are counted."""
    report = score_table(
        pipeline,
        source=f"parquet:{source}",
        target=f"parquet:{TARGETS / 'table job'}",
        mode="overwrite",
        # A run that is repeated would be done already.
        run_id=uuid.uuid4().hex,
        keep=[KEY],
        spark=spark,
        **FILES,
    )
    return report.preparing_s + report.scoring_s


def warm_up(
    spark: SparkSession,
    pipeline: Path,
    file: Path,
    arguments: argparse.Namespace,
    ways: Collection[str],
) -> None:
    """Load the scorer and let the JVM compile, with a sixteenth of the table in every way."""
    tell("warming up")
    for name, way in ways_of(spark, pipeline, file, [file], arguments.batch_rows).items():
        if name in ways and name != "direct":
            way()


def compare(seconds: dict[str, list[float]], n_rows: int, ways: Collection[str]) -> dict[str, Any]:
    """Medians, rows a second, and the ratios that the design promises."""
    median = medians(seconds)
    return {
        "seconds": seconds,
        "median_s": median,
        "rows_per_s": {way: n_rows / taken_s for way, taken_s in median.items()},
        "time_over_bare_and_direct": {
            way: median[way] / (median[BARE_OF[way]] + median["direct"]) for way in ways
        },
        "rows_per_s_over_direct": {way: median["direct"] / median[way] for way in ways},
        "equal_to_direct": True,
    }


def check_equal(ways: Collection[str]) -> None:
    """End here if one way's scores differ from direct's in one bit: its time means nothing."""
    directly = pq.read_table(TARGETS / "direct").sort_by(KEY)
    for way in ways:
        found = pq.read_table(TARGETS / way, columns=[KEY, "prediction"]).sort_by(KEY).flatten()
        names = [name.removeprefix("prediction.") for name in found.column_names]
        if not directly.equals(found.rename_columns(names).cast(directly.schema)):
            raise SystemExit(f"The scores of {way} are not those of direct scoring.")


if __name__ == "__main__":
    main()
