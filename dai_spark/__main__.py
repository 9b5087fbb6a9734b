"""``python -m dai_spark`` is ``dai-spark``, where the console script is not on PATH."""

import sys

from dai_spark.cli.main import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
