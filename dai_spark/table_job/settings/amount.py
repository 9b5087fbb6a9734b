"""Amounts of rows: ``N`` or ``P%``."""

import re
from typing import Tuple

from dai_spark.errors import OptionError

__all__ = ["amount"]


def amount(name: str, text: str) -> "Tuple[float, bool]":
    """Return how much a text says, and whether that is percent.

    Parameters
    ----------
    name : str
        The setting's.
    text : str

    Raises
    ------
    OptionError
    """
    match = re.fullmatch(r"([0-9]{1,18}(?:\.[0-9]{1,18})?)(%?)", text.strip())
    if match is None or (not match.group(2) and "." in match.group(1)):
        raise OptionError(
            f"{name}={text!r} is neither a number of rows nor a percentage, such as 100 or 0.5%."
        )
    return float(match.group(1)) if match.group(2) else int(match.group(1)), bool(match.group(2))
