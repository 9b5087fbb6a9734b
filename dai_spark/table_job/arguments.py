"""The command line of the table job: parsed, handed to `score_table`, and nothing else."""

import argparse
from typing import Any, Callable, Dict

from dai_spark.table_job.job import MODES
from dai_spark.table_job.report import Report

__all__ = ["add_arguments", "run"]

_EPILOG = """\
examples:
  spark-submit jobs/score_table.py --pipeline scorer.zip --env dai-1.10.tar.gz \\
      --license-file license.sig --source lake.customers --target lake.scores --dry-run
  spark-submit jobs/score_table.py --pipeline scorer.zip --env dai-1.10.tar.gz \\
      --source parquet:/data/customers --target parquet:/data/scores \\
      --mode overwrite --keep customer_id,region

The target gets the kept columns, then `prediction`: a struct with the pipeline's own output names.
Exit status: 0 done, 1 refused or failed (one sentence on standard error says why), 2 usage.
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Give a parser the options of the table job."""
    parser.epilog = _EPILOG
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--pipeline", required=True, metavar="ZIP", help="scorer.zip as Driverless AI exports it"
    )
    parser.add_argument(
        "--env",
        required=True,
        metavar="ENV",
        help="packed environment (.tar.gz or .tar.zst, shipped to the executors), an absolute "
        "folder that is on every executor, or the name behind # of an archive in --archives",
    )
    parser.add_argument(
        "--license-file",
        metavar="URI",
        help="Driverless AI licence: a path, or any URI that Spark reads; without it "
        "DRIVERLESS_AI_LICENSE_FILE, DRIVERLESS_AI_LICENSE_KEY and ~/.driverlessai/license.sig "
        "are looked at, on the driver and then on the executors",
    )
    parser.add_argument(
        "--source", required=True, metavar="SRC", help="db.table or parquet:PATH, what is scored"
    )
    parser.add_argument(
        "--target", required=True, metavar="DST", help="db.table or parquet:PATH, gets the scores"
    )
    modes = "; ".join(f"{name}: {meaning}" for name, meaning in MODES.items())
    parser.add_argument(
        "--mode", choices=list(MODES), default="fail", help=f"{modes} (default fail)"
    )
    parser.add_argument(
        "--keep",
        metavar="COL,COL",
        type=lambda text: [name for name in text.split(",") if name],
        help="source columns to carry through, in this order (default all)",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check everything, score five rows, write nothing"
    )
    parser.add_argument(
        "--batch-rows", type=int, metavar="N", help="most rows the pipeline is given at once"
    )
    parser.add_argument(
        "--max-scorers",
        type=int,
        metavar="N",
        help="most scorers of an executor at the same time, where memory is short (default: as "
        "many as tasks)",
    )
    parser.add_argument(
        "--max-batches-per-scorer",
        type=int,
        metavar="N",
        help="replace a scorer after so many batches, for pipelines that leak",
    )
    parser.add_argument(
        "--start-timeout-s", type=float, metavar="S", help="limit for loading (default 300)"
    )
    parser.add_argument(
        "--batch-timeout-s", type=float, metavar="S", help="limit for one batch (default 600)"
    )
    parser.add_argument(
        "--start-method",
        choices=["auto", "fork", "spawn"],
        help="how each task gets its scorer (default auto: fork where the pipeline bears it)",
    )
    parser.add_argument("--json", action="store_true", help="print the report as JSON")


def run(arguments: argparse.Namespace, score_table: Callable[..., Report]) -> Report:
    """Call `score_table` with what was parsed, in a session that is made if there is none."""
    from pyspark.sql import SparkSession

    names = (
        "batch_rows",
        "max_scorers",
        "max_batches_per_scorer",
        "start_timeout_s",
        "batch_timeout_s",
        "start_method",
    )
    options: Dict[str, Any] = {
        name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None
    }
    spark = SparkSession.builder.appName("dai_spark score_table").getOrCreate()
    return score_table(
        arguments.pipeline,
        arguments.env,
        source=arguments.source,
        target=arguments.target,
        mode=arguments.mode,
        keep=arguments.keep,
        dry_run=arguments.dry_run,
        license_file=arguments.license_file,
        spark=spark,
        **options,
    )
