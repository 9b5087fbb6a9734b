"""Columns of paths to image files, as a pipeline tells of them."""

import re
from typing import Any, List

# ``1_IMAGEVECTORIZER:filename.xception.00`` (an export of DAI 1.9.1): a number, a transformer, then
# the column that it reads and what it made of it.
_OF_IMAGES = re.compile(r"\d+_[^:]*image[^:]*:(.*)", re.IGNORECASE)


def path_columns(scorer: Any) -> List[str]:
    """Columns that image transformers read; none where the pipeline does not tell."""
    try:
        columns = [str(name) for name in scorer.get_column_names()]
        features = [str(name) for name in scorer.get_transformed_column_names()]
    except BaseException:
        # Only to warn of: a pipeline without these names scores all the same.
        return []
    found = [match.group(1) for match in map(_OF_IMAGES.match, features) if match is not None]
    return [name for name in columns if any(_reads(rest, name) for rest in found)]


def _reads(rest: str, name: str) -> bool:
    # Several columns of one transformer stand with colons between them.
    return any(part == name or part.startswith(name + ".") for part in (rest, *rest.split(":")))
