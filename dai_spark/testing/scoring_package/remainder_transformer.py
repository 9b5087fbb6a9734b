"""A custom recipe as an experiment's owner writes one: a transformer of numeric columns.

`build_export(custom_recipe=True)` puts this file into the export's `tmp/contrib/transformers`, and
not into the wheel: a scorer that does not find it there cannot score.
"""

from typing import Any

import numpy as np


class RemainderTransformer(object):
    """What is left of a number after the tens: no threshold on the number itself tells it."""

    def transform(self, values: Any) -> Any:
        """Return an array of the same length; what is missing stays so."""
        return np.mod(values, 10.0)
