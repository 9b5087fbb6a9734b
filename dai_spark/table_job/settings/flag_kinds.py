"""Kinds of flags: lists of names, switches both ways, NAME=VALUE, and the defaults they tell."""

import argparse
import dataclasses
from typing import Any, Tuple

from dai_spark.plan.options import ScoringOptions
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.settings.toml_config import split_names

__all__ = ["DEFAULTS", "add_names", "add_switch", "flag", "pair"]

DEFAULTS = {
    field.name: field.default
    for owner in (TableJob, ScoringOptions)
    for field in dataclasses.fields(owner)
}


def flag(name: str) -> str:
    """Return the flag of a setting.

    Parameters
    ----------
    name : str
    """
    return "--" + name.replace("_", "-")


def add_names(group: "argparse._ArgumentGroup", flag: str, metavar: str, what: str) -> None:
    """Add a flag whose value is names, split at commas.

    Parameters
    ----------
    group : argparse group
    flag, metavar, what : str
        Its name, what stands for its value, and its help.
    """
    group.add_argument(flag, action="extend", type=split_names, metavar=metavar, help=what)


def add_switch(group: "argparse._ArgumentGroup", flag: str, what: str, **words: Any) -> None:
    """Add a flag that is said or, with ``--no-``, taken back.

    Parameters
    ----------
    group : argparse group
    flag, what : str
        Its name and its help.
    **words
        For argparse.
    """
    # Both ways, so that a flag can take back what the configuration says.  The help is set behind
    # the call, since Python before 3.13 would add a default to it: that of an option left out.
    group.add_argument(flag, action=argparse.BooleanOptionalAction, **words).help = what


def pair(text: str) -> Tuple[str, str]:
    """Read NAME=VALUE.

    Parameters
    ----------
    text : str

    Raises
    ------
    argparse.ArgumentTypeError
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=VALUE")
    return key.strip(), value
