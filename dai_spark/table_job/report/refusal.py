"""Refusal: an error that was raised before anything was scored."""

from contextlib import contextmanager
from typing import Iterator

from dai_spark.errors import DaiSparkError

__all__ = ["refusing"]


@contextmanager
def refusing() -> Iterator[None]:
    """Mark what is raised in the block as a refusal: nothing has been scored."""
    try:
        yield
    except DaiSparkError as error:
        if error.status == DaiSparkError.status:
            error.status = "refused"
        raise
