"""What numbers and flags of a caller may be: checked, and brought to Python's own types."""

import math
import numbers
import operator
from typing import Any

from dai_spark.errors import OptionError

__all__ = ["LONGEST_S", "flag", "number", "seconds", "whole_number"]

# What waits is told its limit in milliseconds of 32 bits, which end after 24 days.
LONGEST_S = 7 * 24 * 3600.0


def whole_number(name: str, value: Any, least: int, most: int) -> int:
    """A whole number within a range, also one of numpy's; refuses all else by the option's name.

    Raises
    ------
    OptionError
    """
    found = None
    if not _is_flag(value):
        try:
            found = operator.index(value)
        except TypeError:
            found = None
    if found is None or not least <= found <= most:
        raise OptionError(
            f"{name}={_shown(value)} must be a whole number from {least:,} to {most:,}."
        )
    return found


def number(name: str, value: Any, least: float, most: float) -> float:
    """A number within a range, also one of numpy's; refuses all else by the option's name.

    Raises
    ------
    OptionError
    """
    is_number = isinstance(value, numbers.Real) and not _is_flag(value)
    if not is_number or not least <= value <= most:
        raise OptionError(f"{name}={_shown(value)} must be a number from {least:g} to {most:g}.")
    return float(value)


def seconds(name: str, value: Any) -> float:
    """A time of more than nothing and at most `LONGEST_S`; refuses all else by the option's name.

    Raises
    ------
    OptionError
    """
    is_number = isinstance(value, numbers.Real) and not _is_flag(value)
    # NaN is neither more nor less than anything.
    if not is_number or not 0 < value <= LONGEST_S or not math.isfinite(value):
        raise OptionError(
            f"{name}={_shown(value)} must be a number of seconds, more than 0 and at most "
            f"{LONGEST_S:,.0f} (7 days)."
        )
    return float(value)


def flag(name: str, value: Any) -> bool:
    """True or False, also numpy's; refuses all else, since most texts would count as true.

    Raises
    ------
    OptionError
    """
    if not _is_flag(value):
        raise OptionError(f"{name}={_shown(value)} must be True or False.")
    return bool(value)


def _is_flag(value: Any) -> bool:
    # numpy's own has the name bool_ up to 1.x and bool from 2.0 on.
    return isinstance(value, bool) or type(value).__name__ in ("bool_", "bool")


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
