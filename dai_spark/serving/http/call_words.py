"""Options of a call as the texts of a query string, or as values of JSON."""

from typing import Any, Dict, Mapping

from dai_spark.errors import OptionError
from dai_spark.serving.served_model import CALL_OPTIONS

__all__ = ["words_of_params", "words_of_query"]

_FLAGS = {"true": True, "1": True, "false": False, "0": False}
_FLAG_NAMES = ("fast_approx", "intervals", "labels", "margin", "apply_data_recipes")


def words_of_query(query: Mapping[str, str]) -> Dict[str, Any]:
    """Options by the names of `ScoringOptions`, each of its own type.

    Parameters
    ----------
    query : mapping of str to str

    Raises
    ------
    OptionError
        A name that is no option of a call, or a value that is none of its type.
    """
    return words_of_params({name: _value(name, text) for name, text in query.items()})


def words_of_params(params: Any) -> Dict[str, Any]:
    """Options that stand in a body; null is as good as none.

    Raises
    ------
    OptionError
    """
    if params is None:
        return {}
    if not isinstance(params, Mapping):
        raise OptionError("params must be an object of names and values.")
    unknown = [str(name) for name in params if name not in CALL_OPTIONS]
    if unknown:
        raise OptionError(
            f"{', '.join(map(repr, unknown))} is no option of a call; these are "
            f"{', '.join(CALL_OPTIONS)}."
        )
    given = {name: value for name, value in params.items() if value is not None}
    contributions = given.get("contributions")
    if isinstance(contributions, str) and contributions.lower() in _FLAGS:
        given["contributions"] = _FLAGS[contributions.lower()]
    return given


def _value(name: str, text: str) -> Any:
    if name in _FLAG_NAMES:
        if text.lower() not in _FLAGS:
            raise OptionError(f"{name}={text[:100]!r} is neither true nor false.")
        return _FLAGS[text.lower()]
    if name == "threshold":
        try:
            return float(text)
        except ValueError:
            raise OptionError(f"threshold={text[:100]!r} is no number.") from None
    return text
