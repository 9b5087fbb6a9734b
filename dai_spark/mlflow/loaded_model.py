"""load_model: a logged model, loaded on this machine; and what MLflow itself calls to load one."""

import sys
from contextvars import ContextVar
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, Mapping, Optional

import mlflow
import yaml
from mlflow.types.schema import Schema

from dai_spark.errors import DaiSparkError
from dai_spark.mlflow.call_params import OUTPUT, check_output
from dai_spark.mlflow.error_codes import mlflow_exception
from dai_spark.mlflow.found_environment import Environment
from dai_spark.mlflow.pipeline_model import PipelineModel
from dai_spark.mlflow.unchanged_input import keep_unchanged
from dai_spark.plan.options import ScoringOptions
from dai_spark.registry.logged_pipeline import LoggedPipeline

if TYPE_CHECKING:
    from mlflow.pyfunc import PyFuncModel
    from typing_extensions import Unpack

    from dai_spark.plan.option_arguments import OptionArguments

__all__ = ["ENV", "load_model"]

# The key of a model's configuration beside the options of scoring.
ENV = "env"
# MLflow's server imports it to load its model; a model that does not load must not say it is ready.
_SERVER = "mlflow.pyfunc.scoring_server.app"


@dataclass(frozen=True)
class _Given:
    """What a caller of `load_model` gave; a licence must not pass through MLflow's hands."""

    env: Optional[Environment] = None
    license: Optional[str] = None
    license_file: Optional[str] = None
    options: Mapping[str, Any] = field(default_factory=dict)


_given: "ContextVar[Optional[_Given]]" = ContextVar("dai_spark.mlflow.load_model", default=None)


def load_model(
    model_uri: str,
    *,
    env: Optional[Environment] = None,
    license: Optional[str] = None,
    license_file: Optional[str] = None,
    output: Optional[str] = None,
    dst_path: Optional[str] = None,
    **options: "Unpack[OptionArguments]",
) -> "PyFuncModel":
    """Load a logged pipeline on this machine.

    As ``mlflow.pyfunc.load_model``, which does as well where nothing but the URI is to be given.
    Reads files and starts nothing: the pipeline itself is loaded with the first rows, once for all
    threads and all models of the same content in this process, and ends with the process.

    Parameters
    ----------
    model_uri : str
        ``models:/flights@champion``, ``models:/flights/3``, ``models:/m-...``, ``runs:/.../model``,
        or the path of a model's folder.
    env : str, Path or PackedEnvironment, optional
        A packed environment in place of the one that the model was logged with.
    license, license_file : str, optional
        See `score_udf`.  By default that of this host.
    output : str, optional
        Answer one column: ``"label"``, ``"probability"`` (of the positive class, or of the most
        probable one of more than two), or a column's name.
    dst_path : str, optional
        Folder to download the model to.
    **options
        Fields of `ScoringOptions`, in place of those that the model was logged with.

    Returns
    -------
    mlflow.pyfunc.PyFuncModel

    Raises
    ------
    OptionError, PipelineError
    mlflow.exceptions.MlflowException
        The model is not there, or its pipeline is not the one that was logged.
    """
    ScoringOptions.resolve(None, options)
    check_output(output)
    words: Dict[str, Any] = dict(options)
    if output is not None:
        words[OUTPUT] = output
    token = _given.set(_Given(env, license, license_file, words))
    try:
        return mlflow.pyfunc.load_model(model_uri, dst_path=dst_path)
    finally:
        _given.reset(token)


def _load_pyfunc(path: str, model_config: Optional[Mapping[str, Any]] = None) -> PipelineModel:
    """What MLflow calls, in whichever process it loads the model.

    Parameters
    ----------
    path : str
        The model's folder.
    model_config : mapping, optional
        ``env`` and fields of `ScoringOptions`, as ``mlflow.pyfunc.load_model(model_config=)``,
        ``spark_udf(model_config=)`` and MLflow's servers give them; None says nothing.
    """
    folder = Path(path).absolute()
    model = _mlmodel(folder)
    told = (model.get("signature") or {}).get("inputs")
    keep_unchanged(Schema.from_json(told) if told else None)
    given = _given.get() or _Given()
    config = {name: value for name, value in (model_config or {}).items() if value is not None}
    env = given.env if given.env is not None else config.pop(ENV, None)
    config.pop(ENV, None)
    label = f"the model {model.get('model_id') or model.get('model_uuid') or folder.name}"
    try:
        loaded = PipelineModel(
            folder,
            LoggedPipeline.from_flavors(model.get("flavors") or {}, label),
            label,
            env,
            given.license,
            given.license_file,
            {**config, **given.options},
        )
        if _SERVER in sys.modules:
            loaded.warm()
    except DaiSparkError as error:
        raise mlflow_exception(error) from error
    return loaded


def _mlmodel(folder: Path) -> Dict[str, Any]:
    """What stands in ``MLmodel``, by the fast parser: each task of Spark's reads it."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    found: Dict[str, Any] = yaml.load(
        (folder / "MLmodel").read_text(encoding="utf-8"), Loader=loader
    )
    return found
