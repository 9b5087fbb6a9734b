"""PipelineModel: the object that scores behind MLflow's own, with one handle for all its calls."""

import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

from dai_spark.errors import DaiSparkError, OptionError
from dai_spark.mlflow.call_params import call_params
from dai_spark.mlflow.error_codes import mlflow_exception
from dai_spark.mlflow.found_environment import Environment, found_environment
from dai_spark.mlflow.given_rows import frame_of
from dai_spark.mlflow.one_column import output_options, picked_column
from dai_spark.registry.logged_pipeline import LoggedPipeline

if TYPE_CHECKING:
    from dai_spark.local.scorer_handle import Scorer

__all__ = ["PipelineModel"]


class PipelineModel:
    """A logged pipeline that scores.

    MLflow makes one behind each `mlflow.pyfunc.PyFuncModel`, whose ``get_raw_model`` gives it.
    Runs in any process; in a task of Spark's it scores by the sidecar of its executor, which
    `score_udf` shares.

    Parameters
    ----------
    folder : Path
        The model's own.
    logged : LoggedPipeline
    label : str
        What errors call the model.
    env : str, Path, PackedEnvironment or None
        In place of the one that it was logged with.
    license, license_file : str or None
    options : mapping of str to object
        Fields of `ScoringOptions`, and ``output``, in place of those that it was logged with.
    """

    def __init__(
        self,
        folder: Path,
        logged: LoggedPipeline,
        label: str,
        env: Optional[Environment],
        license: Optional[str],
        license_file: Optional[str],
        options: Mapping[str, Any],
    ) -> None:
        words = {**logged.options, **options}
        self._output: Optional[str] = words.pop("output", None)
        self._words = words
        self._folder = folder
        self._logged = logged
        self._label = label
        self._env = env
        self._license = license
        self._license_file = license_file
        self._lock = threading.Lock()
        self._scorer: Optional[Scorer] = None
        self.pipeline = logged.read_pipeline(folder, label)

    def predict(self, model_input: Any, params: Optional[Dict[str, Any]] = None) -> Any:
        """Score rows; from any thread.

        Parameters
        ----------
        model_input : pandas.DataFrame, pyarrow.Table, dict, or list of dicts
        params : dict, optional
            See `dai_spark.mlflow.call_params`.

        Returns
        -------
        pandas.DataFrame, pyarrow.Table or pandas.Series
            The prediction of each row in their order; with ``output`` one column of it.

        Raises
        ------
        mlflow.exceptions.MlflowException
            With the sentence of the error of ours that is its cause.
        """
        try:
            return self._predict(model_input, params)
        except DaiSparkError as error:
            raise mlflow_exception(error) from error

    def get_raw_model(self) -> "PipelineModel":
        """Itself, for ``mlflow.pyfunc.PyFuncModel.get_raw_model``: the way to its handle."""
        return self

    def warm(self) -> None:
        """Load the pipeline now, and not with the first rows."""
        self.scorer().warm()

    def scorer(self) -> "Scorer":
        """The handle, opened when it is first asked for; it stays open until this process ends."""
        with self._lock:
            if self._scorer is None:
                self._scorer = self._open()
            return self._scorer

    def _open(self) -> "Scorer":
        if not sys.platform.startswith("linux"):
            raise OptionError(
                f"{self._label} cannot score on {sys.platform}: Driverless AI's packages exist for "
                "Linux alone. Score in a Linux container, or by a server that runs on Linux."
            )
        # Here, since logging a model works where these cannot be imported.
        from dai_spark.local.kept_scorers import kept_scorer
        from dai_spark.local.local_plan import no_uri
        from dai_spark.plan.options import ScoringOptions
        from dai_spark.plan.request import ScoringRequest

        environment = found_environment(self._logged, self._folder, self._label, self._env)
        options = ScoringOptions.resolve(None, self._words)
        request = ScoringRequest.of(
            self.pipeline,
            environment,
            self._license,
            self._license_file,
            options,
            {},
            no_uri,
            no_uri,
        )
        self._options = options
        return kept_scorer(request)

    def _predict(self, model_input: Any, params: Optional[Mapping[str, Any]]) -> Any:
        asked = call_params(params)
        output = asked.output if asked.output is not None else self._output
        scorer = self.scorer()
        words = {**asked.options, **output_options(output)}
        options = self._options if not words else _laid_over(self._options, words)
        wanted = {column.name: column for column in self.pipeline.columns}
        rows = frame_of(model_input, wanted)
        from dai_spark.local.lease import Limits

        scored = scorer.score_with(rows, options, Limits(None, None))
        if output is None:
            return scored
        if not hasattr(scored, "iloc"):
            scored = scored.to_pandas()
        from dai_spark.schema.prediction import PredictionShape

        plan = scorer.plan_for(options)
        labels = plan.described.labels if plan.described is not None else None
        return picked_column(output, scored, PredictionShape.of(plan).schema, labels)


def _laid_over(options: Any, words: Mapping[str, Any]) -> Any:
    from dai_spark.plan.options import ScoringOptions

    return ScoringOptions.resolve(options, words)
