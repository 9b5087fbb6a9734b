"""What stands below the options in ``--help``: modes, examples, exit statuses."""

from typing import Mapping

from dai_spark.table_job.report.outcome import EXIT_STATUSES
from dai_spark.table_job.settings.job import INCREMENTAL, MODES

__all__ = ["help_text"]

_TABLES = """\
SRC, DST and TABLE are a catalog table (lake.db.customers) or FORMAT:PATH (parquet:/data/customers,
delta:s3a://lake/scores).  Every option is a key of --config too; flags win.
"""
_EXAMPLES = """\
examples:
  Check everything, show ten scored rows, write nothing:
    spark-submit jobs/score_table.py --pipeline scorer.zip --env dai-1.10.tar.zst \\
        --license-file license.sig --source lake.customers --target lake.scores --dry-run

  Each night, replace the day's partition; run twice, it is written once:
    spark-submit jobs/score_table.py --config s3a://jobs/customers.toml \\
        --mode overwrite-partitions --partition-by day --where "day = '2026-05-08'" \\
        --run-id customers-2026-05-08

  Score what is new or was scored by another model, set bad rows aside, fail when predictions move:
    spark-submit jobs/score_table.py --config customers.toml \\
        --mode merge --key customer_id --incremental missing \\
        --quarantine lake.bad_customers --max-bad-rows 0.1% \\
        --fail-on-drift 0.25 --report customers.json,customers.html
"""


def help_text() -> str:
    """Return the text, with the job's own tables."""
    statuses = {str(number): meaning for number, meaning in EXIT_STATUSES.items()}
    return "\n".join(
        (
            _TABLES,
            _table("--mode, the first is the default:", MODES),
            _table("--incremental, by default every row of the source is scored:", INCREMENTAL),
            _EXAMPLES,
            _table("exit status:", statuses),
        )
    )


def _table(head: str, rows: Mapping[str, str]) -> str:
    width = max(len(name) for name in rows)
    return "\n".join([head, *(f"  {name:<{width}}  {rows[name]}" for name in rows), ""])
