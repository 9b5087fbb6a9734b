"""Baseline: how columns and predictions lay in an earlier population."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Mapping

from dai_spark.drift.distribution import Distribution
from dai_spark.drift.input_column import InputColumn
from dai_spark.errors import OptionError

__all__ = ["Baseline", "read_baseline"]


@dataclass(frozen=True)
class Baseline:
    """What later rows are held against.

    Attributes
    ----------
    inputs : mapping of str to InputColumn
    predictions : mapping of str to Distribution
    """

    inputs: Mapping[str, InputColumn] = field(default_factory=dict)
    predictions: Mapping[str, Distribution] = field(default_factory=dict)


def read_baseline(path: Path) -> Baseline:
    """Read the report of a table job, which has measured what it scored.

    Parameters
    ----------
    path : Path
        Of ``--report``, as JSON.

    Raises
    ------
    OptionError
        It is no such report, or has measured nothing.
    """
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        inputs = {n: InputColumn.from_json(c) for n, c in (told.get("inputs") or {}).items()}
        predictions = {
            name: Distribution.from_json(one)
            for name, one in (told.get("distributions") or {}).items()
        }
    except OSError as error:
        raise OptionError(f"{path} cannot be read ({error.strerror or error}).") from error
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        raise OptionError(
            f"{path} is no report of a table job as JSON; `score-table --report` writes one."
        ) from error
    if not inputs and not predictions:
        raise OptionError(f"The report {path} has measured neither inputs nor predictions.")
    return Baseline(inputs, predictions)
