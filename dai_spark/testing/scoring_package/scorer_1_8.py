"""`Scorer` with the signatures of DAI 1.7 and 1.8."""

from typing import Any, List

import numpy as np

from .scorer import BaseScorer


class Scorer(BaseScorer):
    """A stand-in for the `Scorer` of a DAI 1.8 export."""

    def __init__(self) -> None:
        self._open()

    def get_column_names(self) -> Any:
        """Columns that the model uses, as a tuple."""
        return tuple(self._names)

    def get_target_labels(self) -> Any:
        """Class labels as an array; None for a regression."""
        return np.array(self._labels) if self._labels else None

    def score(
        self,
        row: Any,
        output_margin: bool = False,
        pred_contribs: bool = False,
        fast_approx: bool = False,
    ) -> List[float]:
        """Score one row, its values in the order of `get_column_names()`."""
        return self._score(
            row, output_margin=output_margin, pred_contribs=pred_contribs, fast_approx=fast_approx
        )

    def score_batch(
        self,
        input_frame: Any,
        output_margin: bool = False,
        pred_contribs: bool = False,
        fast_approx: bool = False,
    ) -> Any:
        """Score a pandas or datatable frame; returns float32 columns of pandas, a row for a row."""
        return self._score_batch(
            input_frame,
            output_margin=output_margin,
            pred_contribs=pred_contribs,
            fast_approx=fast_approx,
        )
