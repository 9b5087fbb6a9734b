"""What of a job's options nobody else may read, and texts without it."""

import re
from contextlib import contextmanager
from typing import Iterator, List, Mapping

from dai_spark.errors import DaiSparkError
from dai_spark.table_job.settings.job import TableJob

__all__ = ["SECRET_NAME", "hiding_secrets", "without_secrets"]

SECRET_NAME = re.compile(
    r"(password|passwd|passphrase|secret|token|(access|account|api|private|secret)[._-]?key)$",
    re.IGNORECASE,
)
_IN_ADDRESS = re.compile(r"(?:password|passwd|pwd|secret|token)=([^&;]+)", re.IGNORECASE)
_OF_USER = re.compile(r"://[^/@:]*:([^/@]+)@")
# A shorter one would be found in every word.
_LEAST_CHARS = 3


def without_secrets(text: str, job: TableJob) -> str:
    """Return a text with three stars for each secret of the options of source and target.

    Databases say in their errors what they were given.

    Parameters
    ----------
    text : str
    job : TableJob
    """
    for secret in sorted(_secrets(job.source_options) + _secrets(job.target_options), key=len)[
        ::-1
    ]:
        text = text.replace(secret, "***")
    return text


@contextmanager
def hiding_secrets(job: TableJob) -> Iterator[None]:
    """Take the secrets of a job out of what is raised in the block.

    Parameters
    ----------
    job : TableJob
    """
    try:
        yield
    except DaiSparkError as error:
        error.message = without_secrets(error.message, job)
        error.details = without_secrets(error.details, job)
        error.args = (error.message, error.details)
        raise


def _secrets(options: Mapping[str, str]) -> List[str]:
    found = [value for name, value in options.items() if SECRET_NAME.search(name)]
    for value in options.values():
        found += _IN_ADDRESS.findall(value) + _OF_USER.findall(value)
    return [secret for secret in found if len(secret) >= _LEAST_CHARS]
