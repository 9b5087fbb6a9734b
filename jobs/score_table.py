"""Score a table into a table: ``spark-submit jobs/score_table.py --help``."""

import sys

from dai_spark.cli import main

if __name__ == "__main__":
    sys.exit(main(["score-table", *sys.argv[1:]]))
