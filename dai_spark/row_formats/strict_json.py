"""JSON in which nothing is passed over: no NaN, no key twice, no digits that are lost."""

import json
from typing import Any, Dict, List, NoReturn, Tuple

from dai_spark.errors import UnreadableRowsError

__all__ = ["UnreadNumber", "json_value"]

_BOM = b"\xef\xbb\xbf"


class UnreadNumber:
    """A number that no float is near, or NaN: whoever takes the value refuses it by its place.

    Parameters
    ----------
    text : str
        As it was written.
    """

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text if len(self._text) <= 60 else f"{self._text[:60]}..."


class _TwiceError(Exception):
    """A key stands twice in one object."""


def json_value(data: bytes, what: str = "The body", *, nan_is_null: bool = False) -> Any:
    """Read JSON.

    Whole numbers are exact whatever their size.  What no float is near (1e400, 1e-400) and the
    words NaN and Infinity, which are no JSON, become an `UnreadNumber`.

    Parameters
    ----------
    data : bytes
        UTF-8.
    what : str
        What an error calls it.
    nan_is_null : bool, default False
        Take the word NaN for null: for protocols whose own clients are Python's, which write
        missing numbers so.

    Raises
    ------
    UnreadableRowsError
        It is no JSON, no UTF-8, nested too deeply, or has an object with a key twice.
    """
    try:
        text = data[3:].decode() if data.startswith(_BOM) else data.decode()
    except UnicodeDecodeError as error:
        raise UnreadableRowsError(
            f"{what} is no UTF-8: byte {error.start} is 0x{data[error.start]:02x}; JSON is sent as "
            "UTF-8."
        ) from None
    try:
        return (_DECODER_OF_NAN if nan_is_null else _DECODER).decode(text)
    except _TwiceError as error:
        raise UnreadableRowsError(
            f"{what} has an object with the key {str(error)!r} twice, and either value may be "
            "meant; send it once."
        ) from None
    except json.JSONDecodeError as error:
        raise UnreadableRowsError(
            f"{what} is no JSON ({error.msg}, line {error.lineno}, column {error.colno})."
        ) from None
    except RecursionError:
        raise UnreadableRowsError(f"{what} is JSON that is nested too deeply.") from None
    except ValueError:
        # Python reads no whole number of more than 4,300 digits.
        raise UnreadableRowsError(f"{what} has a number of thousands of digits.") from None


def _object(pairs: List[Tuple[str, Any]]) -> Dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        _twice(pairs)
    return found


def _twice(pairs: List[Tuple[str, Any]]) -> NoReturn:
    names = [name for name, _ in pairs]
    raise _TwiceError(next(name for i, name in enumerate(names) if name in names[:i]))


def _float(text: str) -> Any:
    value = float(text)
    # 0 is written in digits that are all 0; anything else that becomes it is too small.
    if value - value != 0 or (value == 0 and text.lower().partition("e")[0].strip("-0.")):
        return UnreadNumber(text)
    return value


def _nan_as_null(text: str) -> Any:
    return None if text == "NaN" else UnreadNumber(text)


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_constant=UnreadNumber
)
_DECODER_OF_NAN = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_float, parse_constant=_nan_as_null
)
