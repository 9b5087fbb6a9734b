"""LightGBM and XGBoost behind one face.

The number of threads is left to OMP_NUM_THREADS, as DAI leaves it: a process that forks after
loading has to set it to 1, since a child inherits no thread of OpenMP's pool and would wait for it.
"""

from typing import Any

import numpy as np

FILES = {"lightgbm": "model.txt", "xgboost": "model.bin"}


class LightGBM:
    """A booster loaded from the text that LightGBM saved."""

    def __init__(self, data: bytes, n_outputs: int) -> None:
        import lightgbm

        self._booster = lightgbm.Booster(model_str=data.decode("utf-8"))
        self._n_outputs = n_outputs

    def predict(self, matrix: Any) -> Any:
        """Return response values, shape (rows, outputs)."""
        return self._booster.predict(matrix).reshape(len(matrix), self._n_outputs)

    def margin(self, matrix: Any) -> Any:
        """Return values before the link function, shape (rows, outputs)."""
        return self._booster.predict(matrix, raw_score=True).reshape(len(matrix), self._n_outputs)

    def contributions(self, matrix: Any, fast_approx: bool) -> Any:
        """Return Shapley values and the bias last, shape (rows, outputs, features + 1)."""
        n_rounds = max(1, self._booster.current_iteration() // 2) if fast_approx else -1
        found = self._booster.predict(matrix, pred_contrib=True, num_iteration=n_rounds)
        return np.asarray(found).reshape(len(matrix), self._n_outputs, matrix.shape[1] + 1)


class XGBoost:
    """A booster loaded from the bytes that XGBoost saved."""

    def __init__(self, data: bytes, n_outputs: int) -> None:
        import xgboost

        self._xgboost = xgboost
        self._booster = xgboost.Booster()
        self._booster.load_model(bytearray(data))
        self._n_outputs = n_outputs

    def predict(self, matrix: Any) -> Any:
        """Return response values, shape (rows, outputs)."""
        found = self._booster.predict(self._xgboost.DMatrix(matrix))
        return found.reshape(len(matrix), self._n_outputs)

    def margin(self, matrix: Any) -> Any:
        """Return values before the link function, shape (rows, outputs)."""
        found = self._booster.predict(self._xgboost.DMatrix(matrix), output_margin=True)
        return found.reshape(len(matrix), self._n_outputs)

    def contributions(self, matrix: Any, fast_approx: bool) -> Any:
        """Return Shapley values and the bias last, shape (rows, outputs, features + 1)."""
        found = self._booster.predict(
            self._xgboost.DMatrix(matrix), pred_contribs=True, approx_contribs=fast_approx
        )
        return found.reshape(len(matrix), self._n_outputs, matrix.shape[1] + 1)


def load(model: str, data: bytes, n_outputs: int) -> Any:
    """Return the booster of that kind; `n_outputs` is 1, or the number of classes beyond two."""
    return {"lightgbm": LightGBM, "xgboost": XGBoost}[model](data, n_outputs)
