"""tell: a message to whoever sits at a command line."""

import sys

from dai_spark.driver.progress.messages import log_message

__all__ = ["tell"]


def tell(text: str) -> None:
    """Write a message to standard error, and to the log as well: for command lines alone."""
    log_message(text)
    sys.stderr.write(f"dai_spark: {text}\n")
    sys.stderr.flush()
