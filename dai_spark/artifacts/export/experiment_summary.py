"""Target and labels, as the summary of an export's experiment tells them."""

import io
import zipfile
import zlib
from typing import Any, Mapping, NamedTuple, Optional, Tuple

from dai_spark.artifacts.export.text import json_of

__all__ = ["Summary", "read_summary"]

_NAME = "summary.json"
_MOST_BYTES = 64 << 20


class Summary(NamedTuple):
    """What is told of the target; None where it is not."""

    target: Optional[str] = None
    labels: Optional[Tuple[str, ...]] = None


def read_summary(content: bytes) -> Summary:
    """Read ``summary.json`` out of the zip ``h2oai_experiment_summary_<id>.zip``.

    Raises
    ------
    ValueError
        It is no zip, or holds no summary of the form that is known.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for name in archive.namelist():
                if name.rpartition("/")[2] == _NAME:
                    with archive.open(name) as stream:
                        return _summary(stream.read(_MOST_BYTES + 1))
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise ValueError(str(error) or type(error).__name__) from error
    return Summary()


def _summary(text: bytes) -> Summary:
    if len(text) > _MOST_BYTES:
        raise ValueError(f"its {_NAME} has more than {_MOST_BYTES >> 20} MB")
    found = json_of(text)
    if not isinstance(found, dict):
        raise ValueError(f"its {_NAME} is no object")
    return Summary(_target(found), _labels(found))


def _target(found: Mapping[str, Any]) -> Optional[str]:
    for key in ("target", "target_column"):
        if isinstance(found.get(key), str) and found[key]:
            return str(found[key])
    return None


def _labels(found: Mapping[str, Any]) -> Optional[Tuple[str, ...]]:
    for key in ("labels", "target_labels"):
        if isinstance(found.get(key), list) and found[key]:
            return tuple(str(label) for label in found[key])
    return None
