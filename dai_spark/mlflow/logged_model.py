"""log_model: a pipeline logged to MLflow, and registered if asked."""

import os
import sys
from typing import TYPE_CHECKING, Any, Mapping, Optional, Sequence, Union

from mlflow.models import Model

from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.mlflow.call_signature import SignatureChoice
from dai_spark.mlflow.found_environment import Environment
from dai_spark.mlflow.registered_versions import register_model

if TYPE_CHECKING:
    from mlflow.models.model import ModelInfo
    from typing_extensions import Unpack

    from dai_spark.plan.option_arguments import OptionArguments

__all__ = ["log_model"]


def log_model(
    pipeline: Union[str, "os.PathLike[str]", ScoringPipeline],
    env: Optional[Environment] = None,
    *,
    name: Optional[str] = None,
    registered_model_name: Optional[str] = None,
    embed_env: bool = False,
    signature: SignatureChoice = "any",
    input_example: Any = None,
    probe: Optional[bool] = None,
    license: Optional[str] = None,
    license_file: Optional[str] = None,
    output: Optional[str] = None,
    tags: Optional[Mapping[str, Any]] = None,
    params: Optional[Mapping[str, Any]] = None,
    metadata: Optional[Mapping[str, Any]] = None,
    code_paths: Sequence[str] = (),
    pip_requirements: Optional[Sequence[str]] = None,
    **options: "Unpack[OptionArguments]",
) -> "ModelInfo":
    """Log a scoring pipeline as an MLflow model, to the run that is active or to none.

    Runs on any system.  On Linux the pipeline is loaded once in its packed environment, so that a
    model that cannot score is not logged; on macOS and Windows it is read alone.

    Parameters
    ----------
    pipeline : str, Path or ScoringPipeline
        The export: a zip (flat, nested or as exported), a tar, or its folder.  Its wheels of
        dependencies, which the packed environment holds, are left out of the model.
    env : str, Path or PackedEnvironment
        The packed environment: a path of this machine, or a URI that MLflow reads.  The model
        names it by place and digest, so that versions do not each store a gigabyte.  By default
        what ``DAI_SPARK_ENV`` names.
    name : str, optional
        Of the logged model.
    registered_model_name : str, optional
        Register it, unless a version has the same content: see `register_model`.
    embed_env : bool, default False
        Copy the environment's archive into the model.
    signature : {"any", "strict"}, ModelSignature or None, default "any"
        See `dai_spark.mlflow.call_signature`.
    input_example : optional
        See ``mlflow.pyfunc.log_model``.
    probe : bool, optional
        True demands, False forbids that the pipeline is loaded to describe its outputs; by default
        it is where this machine can run it.
    license, license_file : str, optional
        See `score_udf`: for the probe, and nowhere in the model.
    output : str, optional
        What the model answers by default, one column: ``"label"``, ``"probability"``, or a name.
    tags, params, metadata : mapping, optional
        Of the logged model.
    code_paths : sequence of str, optional
        Files and folders that the model brings with it: dai_spark itself as a wheel or zip
        (``make dist``), for machines that do not have it.
    pip_requirements : sequence of str, optional
        By default this MLflow and this dai_spark.
    **options
        Fields of `ScoringOptions` that the model scores with by default.

    Returns
    -------
    mlflow.models.model.ModelInfo
        ``registered_model_version`` is that of the version that has this content.

    Raises
    ------
    OptionError, PipelineError, PackedEnvironmentError
    LicenseError, SidecarError, ScoringError
        The pipeline did not load; ``probe=False`` logs it all the same.

    Examples
    --------
    >>> dai_spark.mlflow.log_model(                                     # doctest: +SKIP
    ...     "scorer.zip", env="s3://lake/dai-1.10.tar.zst", registered_model_name="flights"
    ... )
    """
    info = Model.log(
        artifact_path=None,
        name=name or "model",
        flavor=sys.modules["dai_spark.mlflow"],
        tags=dict(tags) if tags is not None else None,
        params=dict(params) if params is not None else None,
        metadata=dict(metadata) if metadata is not None else None,
        pipeline=pipeline,
        env=env,
        embed_env=embed_env,
        signature=signature,
        input_example=input_example,
        probe=probe,
        license=license,
        license_file=license_file,
        output=output,
        code_paths=code_paths,
        pip_requirements=pip_requirements,
        **options,
    )
    if registered_model_name is not None:
        version = register_model(info.model_uri, registered_model_name)
        info.registered_model_version = version.version
    return info
