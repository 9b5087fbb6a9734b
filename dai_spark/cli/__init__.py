"""dai-spark: every face from a shell."""

from dai_spark.cli.main import main

__all__ = ["main"]
