"""`Scorer` with the signatures of DAI 1.9.0, which brought `apply_data_recipes`."""

from typing import Any, List

from .scorer import BaseScorer


class Scorer(BaseScorer):
    """A stand-in for the `Scorer` of a DAI 1.9 export.  It has no data recipe to apply."""

    def __init__(self) -> None:
        self._open()

    def score(
        self,
        row: Any,
        output_margin: bool = False,
        pred_contribs: bool = False,
        fast_approx: bool = False,
        apply_data_recipes: bool = False,
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
        apply_data_recipes: bool = False,
    ) -> Any:
        """Score a pandas or datatable frame; returns float32 columns of pandas, a row for a row."""
        return self._score_batch(
            input_frame,
            output_margin=output_margin,
            pred_contribs=pred_contribs,
            fast_approx=fast_approx,
        )
