"""The format that a client wants its answer in, by its Accept."""

from typing import List, Optional, Tuple

from dai_spark.errors import RequestError
from dai_spark.row_formats.row_formats import FORMATS, RowFormat, format_of_media_type

__all__ = ["accepted_format", "given_format"]

_ANY = ("", "*/*", "application/*")


# What clients send that do not say what they send: curl -d, and forms of pages.
_UNSAID = ("", "application/x-www-form-urlencoded", "text/plain", "application/octet-stream")


def given_format(content_type: Optional[str]) -> RowFormat:
    """The format of a request's rows by its Content-Type; JSON where that says nothing.

    Raises
    ------
    RequestError
        It names a format that is not known.
    """
    told = (content_type or "").partition(";")[0].strip().lower()
    if told in _UNSAID:
        return FORMATS["json"]
    found = format_of_media_type(told)
    if found is None:
        known = ", ".join(one.media_types[0] for one in FORMATS.values())
        raise RequestError(f"Rows of the type {told[:100]!r} are not known; send one of {known}.")
    return found


def accepted_format(accept: Optional[str], given: RowFormat) -> RowFormat:
    """The first known format by the weights of an Accept; that of the request where any will do.

    Parameters
    ----------
    accept : str or None
    given : RowFormat
        Of the request's rows.

    Raises
    ------
    RequestError
        None of those that it names is known.
    """
    parts = _by_weight(accept or "")
    for media_type in parts:
        if media_type in _ANY:
            return given
        found = format_of_media_type(media_type)
        if found is not None:
            return found
    if not parts:
        return given
    known = ", ".join(one.media_types[0] for one in FORMATS.values())
    raise RequestError(f"No answer is of the type {accept}; the types are {known}.")


def _by_weight(accept: str) -> List[str]:
    weighed: List[Tuple[float, int, str]] = []
    for number, part in enumerate(accept.split(",")):
        media_type, *words = (word.strip().lower() for word in part.split(";"))
        weight = 1.0
        for word in words:
            if word.startswith("q="):
                try:
                    weight = float(word[2:])
                except ValueError:
                    weight = 0.0
        if media_type and weight > 0:
            weighed.append((-weight, number, media_type))
    return [media_type for _, _, media_type in sorted(weighed)]
