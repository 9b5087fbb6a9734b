"""Params of a call: options of scoring by the names and types that MLflow writes down."""

import difflib
from typing import Any, Dict, Mapping, NamedTuple, Optional

from dai_spark.errors import OptionError

__all__ = [
    "OUTPUT",
    "PARAM_TYPES",
    "CallParams",
    "call_params",
    "check_output",
    "check_param_names",
]

OUTPUT = "output"
# The options that change a call and nothing else, and their types in a signature.  Of all of them
# the default is None: as the model was logged.
PARAM_TYPES: Dict[str, str] = {
    "contributions": "string",
    "margin": "boolean",
    "labels": "boolean",
    "threshold": "double",
    OUTPUT: "string",
    "apply_data_recipes": "boolean",
    "batch_rows": "long",
    "fast_approx": "boolean",
    "intervals": "boolean",
    "on_cast": "string",
    "nan": "string",
}
# A string by the signature, and in ScoringOptions also True and False.
_FLAGS = {"true": True, "false": False}


class CallParams(NamedTuple):
    """What a call asks for.

    Attributes
    ----------
    options : dict of str to object
        Fields of `ScoringOptions`.
    output : str or None
        See `dai_spark.mlflow.one_column`.
    """

    options: Dict[str, Any]
    output: Optional[str]


def call_params(params: Optional[Mapping[str, Any]]) -> CallParams:
    """Read the params of a call; None as a value is as good as none.

    Raises
    ------
    OptionError
        A name that is none of a model's params, with the nearest that is.
    """
    check_param_names(params)
    given = {name: value for name, value in (params or {}).items() if value is not None}
    contributions = given.get("contributions")
    if isinstance(contributions, str):
        given["contributions"] = _FLAGS.get(contributions.lower(), contributions)
    output = given.pop(OUTPUT, None)
    check_output(output)
    return CallParams(given, output or None)


def check_param_names(params: Optional[Mapping[str, Any]]) -> None:
    """Refuse params that no model of a pipeline has.

    Raises
    ------
    OptionError
    """
    if params is None:
        return
    if not isinstance(params, Mapping):
        raise OptionError(
            f"params= must be a mapping of names to values, not of type {type(params).__name__}."
        )
    unknown = [str(name) for name in params if name not in PARAM_TYPES]
    if unknown:
        raise OptionError(
            f"{'; '.join(map(_refused, unknown))}. The params are {', '.join(PARAM_TYPES)}."
        )


def check_output(output: Any) -> None:
    """Refuse an ``output`` that cannot be the name of a column.

    Raises
    ------
    OptionError
    """
    if output is not None and not isinstance(output, str):
        raise OptionError(
            f"output={output!r} must be 'label', 'probability' or the name of a column."
        )


def _refused(name: str) -> str:
    near = difflib.get_close_matches(name, PARAM_TYPES, n=1)
    meant = f", did you mean {near[0]}?" if near else ""
    return f"{name!r} is no param of this model{meant}"
