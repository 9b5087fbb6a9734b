"""PipelineColumn: one input column of a pipeline, as its export declares it."""

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import Optional, Tuple

__all__ = ["UNKNOWN", "PipelineColumn"]

# The type of a column that the export says nothing of.
UNKNOWN = "unknown"

# pandas' names and Driverless AI's own.
_NUMBER = re.compile(
    r"(u?int(eger)?|float|double|real|bool(ean)?|number|numeric)\d*(\[pyarrow\])?", re.IGNORECASE
)
_INTEGER = re.compile(r"u?int(eger)?\d*(\[pyarrow\])?", re.IGNORECASE)
_TEXT = re.compile(r"(object|str|cat|enum|date|time|image|text|unicode|id\b)", re.IGNORECASE)
_IMAGE_ENDINGS = frozenset(
    (".jpg", ".jpeg", ".png", ".bmp", ".ppm", ".tif", ".tiff", ".gif", ".webp", ".jp2", ".dcm")
)


@dataclass(frozen=True)
class PipelineColumn:
    """One input column as the export's example declares it.

    Attributes
    ----------
    name : str
    dtype : str
        pandas' name of the type: ``"float32"`` for every number since DAI 1.7 (also for
        integers), ``"object"`` for text and dates, ``"unknown"`` where the export does not tell.
    samples : tuple of (str or None)
        The example's values, as text; None where missing.
    has_missing : bool or None
        Whether the training data had rows without a value; None where the export does not tell.
    limits : (float, float) or None
        Least and largest number of the training data, where the export tells them.
    """

    name: str
    dtype: str
    samples: Tuple[Optional[str], ...] = ()
    has_missing: Optional[bool] = None
    limits: Optional[Tuple[float, float]] = None

    @property
    def is_number(self) -> bool:
        """Whether the pipeline wants numbers in this column; False where that is not known."""
        return _is_number(self.dtype) is True

    @property
    def is_integer(self) -> bool:
        """Whether the export declares a type of whole numbers, as those of before DAI 1.7 do."""
        return _INTEGER.fullmatch(self.dtype) is not None

    @property
    def is_known(self) -> bool:
        """Whether the export tells if the pipeline wants numbers or text in this column."""
        return _is_number(self.dtype) is not None

    def as_kind(self, *, is_number: bool) -> "PipelineColumn":
        """The same column with a type that is known."""
        return replace(self, dtype="float64" if is_number else "object")

    @property
    def holds_paths(self) -> bool:
        """Whether its type is image, or all of the example's values are names of image files."""
        if self.dtype.lower().startswith("image"):
            return True
        texts = [text for text in self.samples if text is not None and text.strip()]
        return (
            not self.is_number
            and bool(texts)
            and all(PurePosixPath(text).suffix.lower() in _IMAGE_ENDINGS for text in texts)
        )


# Asked of each column for each batch.
@lru_cache(maxsize=1024)
def _is_number(dtype: str) -> Optional[bool]:
    if _NUMBER.fullmatch(dtype):
        return True
    return False if _TEXT.match(dtype) else None
