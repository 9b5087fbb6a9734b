"""Pipelines as MLflow models: logged, loaded, served, and kept as versions of a registered model.

>>> import dai_spark.mlflow                                             # doctest: +SKIP
>>> logged = dai_spark.mlflow.log_model("scorer.zip", env="dai-1.10.tar.zst")   # doctest: +SKIP
>>> model = dai_spark.mlflow.load_model(logged.model_uri)               # doctest: +SKIP
>>> model.predict(frame, params={"contributions": "original"})          # doctest: +SKIP

A logged pipeline is a ``pyfunc`` model of MLflow's, so that each of its tools works with it; it
scores in the user's own Python, by the handle that `open_scorer` gives.

::

    logged_model         a pipeline logged as a model, registered if asked
    model_folder         a model's folder: pipeline, environment, MLmodel
    call_signature       inputs, outputs and params of a model, as MLflow writes them
    probe                what a pipeline answers, asked of it or read in its export
    loaded_model         a logged model loaded; what MLflow itself calls to do so
    found_environment    the packed environment of a logged model, on this machine
    pipeline_model       the object that scores, behind MLflow's own
    call_params          params of a call: options of scoring by MLflow's names
    one_column           one column of a prediction, for tools that want no more
    given_rows           what MLflow's tools give as rows, as a frame
    unchanged_input      rows and params reach the model as they were given
    error_codes          errors as MLflow's own, with a status for HTTP
    registered_versions  versions of a registered model: found again, promoted, rolled back
"""

import warnings

try:
    with warnings.catch_warnings():
        # MLflow warns of its own classes when it is imported.
        warnings.simplefilter("ignore")
        import mlflow.pyfunc as _pyfunc  # noqa: F401
except ModuleNotFoundError as error:
    if error.name != "mlflow":
        raise
    raise ModuleNotFoundError(
        "dai_spark.mlflow needs MLflow, which is not installed here: "
        "pip install 'dai_spark[mlflow]'",
        name="mlflow",
    ) from None

from dai_spark.mlflow.loaded_model import _load_pyfunc as _load_pyfunc
from dai_spark.mlflow.loaded_model import load_model
from dai_spark.mlflow.logged_model import log_model
from dai_spark.mlflow.model_folder import save_model
from dai_spark.mlflow.registered_versions import promote, register_model, rollback
from dai_spark.mlflow.unchanged_input import keep_unchanged

__all__ = [
    "load_model",
    "log_model",
    "promote",
    "register_model",
    "rollback",
    "save_model",
]

# Here as well as where a model is loaded: `spark_udf` looks at params where none is.
keep_unchanged()
