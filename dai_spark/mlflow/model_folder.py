"""save_model: the folder of a logged pipeline, with MLflow's own files and ours."""

import copy
import logging
import os
import shutil
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, List, Mapping, Optional, Sequence, Union

import mlflow
import yaml
from mlflow.models import Model

from dai_spark._version import __version__
from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.lean_export import lean_export
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.errors import OptionError
from dai_spark.host.uri import is_uri, without_password
from dai_spark.mlflow.call_params import OUTPUT, check_output
from dai_spark.mlflow.call_signature import SignatureChoice, call_signature
from dai_spark.mlflow.found_environment import Environment, named_environment
from dai_spark.mlflow.loaded_model import ENV
from dai_spark.mlflow.probe import Answer, asked_answer, told_answer
from dai_spark.mlflow.unchanged_input import LOADER
from dai_spark.plan.default_environment import chosen_environment
from dai_spark.plan.option_arguments import OptionArguments
from dai_spark.plan.options import ScoringOptions
from dai_spark.registry.logged_pipeline import FLAVOR, LoggedEnvironment, LoggedPipeline

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["save_model"]

_LOG = logging.getLogger("dai_spark")
_PIPELINE = "pipeline/scorer.zip"
_CODE = "code"
_PACKAGED = (".whl", ".zip")


def save_model(
    path: Union[str, "os.PathLike[str]"],
    pipeline: Union[str, "os.PathLike[str]", ScoringPipeline],
    env: Optional[Environment] = None,
    *,
    embed_env: bool = False,
    signature: SignatureChoice = "any",
    input_example: Any = None,
    probe: Optional[bool] = None,
    license: Optional[str] = None,
    license_file: Optional[str] = None,
    output: Optional[str] = None,
    code_paths: Sequence[str] = (),
    pip_requirements: Optional[Sequence[str]] = None,
    metadata: Optional[Mapping[str, Any]] = None,
    mlflow_model: Optional[Model] = None,
    **options: "Unpack[OptionArguments]",
) -> None:
    """Write a pipeline as an MLflow model into a folder.

    Parameters
    ----------
    path : path-like
        A folder that is not there, or is empty.
    pipeline, env, embed_env, signature, input_example, probe, license, license_file, output, \
code_paths, pip_requirements, metadata
        See `log_model`.
    mlflow_model : mlflow.models.Model, optional
        The model as MLflow has begun it.
    **options
        See `log_model`.

    Raises
    ------
    OptionError, PipelineError, PackedEnvironmentError, LicenseError, SidecarError, ScoringError
    """
    check_output(output)
    resolved = ScoringOptions.resolve(None, options)
    folder = Path(path).expanduser().absolute()
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise OptionError(f"{folder} exists and is not empty; give a folder that is not there.")
    given = pipeline if isinstance(pipeline, ScoringPipeline) else ScoringPipeline(pipeline)
    chosen = chosen_environment(env, lambda name: None, _LOG.info)
    environment = named_environment(chosen)
    environment.check_fits(given)
    answer = _answer(given, environment, resolved, output, license, license_file, probe)
    model = mlflow_model if mlflow_model is not None else Model()
    model.signature = call_signature(signature, given.columns, answer.columns)
    if metadata is not None:
        model.metadata = dict(metadata)

    (folder / _PIPELINE).parent.mkdir(parents=True)
    lean = lean_export(given, folder / _PIPELINE)
    logged = LoggedPipeline(
        pipeline=_PIPELINE,
        pipeline_digest=lean.digest,
        env=_environment(environment, chosen, folder if embed_env else None),
        options=_options(options, resolved, output),
        dai_version=given.dai_version,
        experiment_id=given.experiment_id,
        target=given.target,
    )
    if input_example is not None:
        from mlflow.models.utils import _save_example

        _save_example(model, input_example, str(folder))
    requirements = _requirements(pip_requirements, bool(code_paths))
    _write_code(folder / _CODE, code_paths)
    _write_environment_files(folder, requirements)
    mlflow.pyfunc.add_to_model(
        model,
        loader_module=LOADER,
        code=_CODE if code_paths else None,
        conda_env="conda.yaml",
        python_env="python_env.yaml",
        # MLflow lets a caller set these keys and no others.
        model_config=dict.fromkeys((ENV, OUTPUT, *OptionArguments.__annotations__)),
    )
    model.add_flavor(
        FLAVOR,
        **logged.to_flavor(),
        # What the type AnyType of the signature does not say.
        columns={column.name: column.dtype for column in given.columns},
        outputs_from=answer.source,
        dai_spark_version=__version__,
    )
    model.model_size_bytes = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())
    _write_mlmodel(model, folder)


def _answer(
    pipeline: ScoringPipeline,
    environment: PackedEnvironment,
    options: ScoringOptions,
    output: Optional[str],
    license: Optional[str],
    license_file: Optional[str],
    probe: Optional[bool],
) -> Answer:
    asked: Optional[Answer] = None
    if probe is not False:
        asked = asked_answer(pipeline, environment, options, output, license, license_file)
    if asked is not None:
        return asked
    if probe:
        raise OptionError(
            "probe=True lets the pipeline describe itself, and this machine cannot run its packed "
            "environment; leave probe out, and outputs are read in the export."
        )
    told = told_answer(pipeline, options, output)
    names = ", ".join(field.name for field in told.columns)
    _LOG.warning(
        "The pipeline was not run while it was logged, so the outputs of its signature are %s.",
        f"those that its export tells ({names})" if names else "not known",
    )
    return told


def _environment(
    found: PackedEnvironment, chosen: Environment, folder: Optional[Path]
) -> LoggedEnvironment:
    """Where a model has its environment; copied into a folder where one is given."""
    if folder is not None:
        if found.is_folder:
            raise OptionError(
                f"embed_env=True wants an archive, and {found.path} is a folder; give the archive "
                "that it was unpacked from."
            )
        (folder / "environment").mkdir()
        shutil.copyfile(found.path, folder / "environment" / found.path.name)
        return LoggedEnvironment(found.digest, path=f"environment/{found.path.name}")
    if isinstance(chosen, str) and is_uri(chosen):
        if without_password(chosen) != chosen:
            raise OptionError(
                f"The URI of the environment, {without_password(chosen)}, holds a password, which "
                "would stand in the model; give a URI without, and let this machine's and the "
                "scoring machines' own credentials open it."
            )
        return LoggedEnvironment(found.digest, uri=chosen)
    return LoggedEnvironment(found.digest, uri=str(found.path))


def _options(
    given: Mapping[str, Any], resolved: ScoringOptions, output: Optional[str]
) -> Dict[str, Any]:
    """The options as plain data, those alone that were given."""
    kept = {name: getattr(resolved, name) for name in given}
    kept = {n: list(v) if isinstance(v, tuple) else v for n, v in kept.items()}
    if "env_vars" in kept:
        kept["env_vars"] = dict(kept["env_vars"])
    return {**kept, OUTPUT: output} if output is not None else kept


def _requirements(given: Optional[Sequence[str]], has_code: bool) -> List[str]:
    if given is not None:
        return list(given)
    from importlib.metadata import version

    # With the package itself among the model's files, what it needs.
    own = [f"pandas=={version('pandas')}", f"pyarrow=={version('pyarrow')}"]
    return [f"mlflow=={mlflow.__version__}", *(own if has_code else [f"dai_spark=={__version__}"])]


def _write_code(folder: Path, code_paths: Sequence[str]) -> None:
    """Copy files and folders; a wheel or zip is unpacked, so that it is found beside them."""
    for name in code_paths:
        path = Path(name).expanduser()
        if not path.exists():
            raise OptionError(f"code_paths names {path}, which is not there.")
        folder.mkdir(exist_ok=True)
        if path.is_file() and path.suffix in _PACKAGED:
            with zipfile.ZipFile(path) as archive:
                # Names are taken as unzip takes them, so that nothing lies outside.
                archive.extractall(folder)
        elif path.is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "*.pyc")
            shutil.copytree(path, folder / path.name, ignore=ignored)
        else:
            shutil.copyfile(path, folder / path.name)


def _write_environment_files(folder: Path, requirements: List[str]) -> None:
    """What MLflow makes a Python environment of.

    Of Python no more than the minor version: of the exact one MLflow wants an interpreter that a
    machine without network cannot get.
    """
    python = f"{sys.version_info[0]}.{sys.version_info[1]}"
    (folder / "requirements.txt").write_text("\n".join(requirements) + "\n", encoding="utf-8")
    conda = {
        "name": "mlflow-env",
        "channels": ["conda-forge"],
        "dependencies": [f"python={python}", "pip", {"pip": requirements}],
    }
    (folder / "conda.yaml").write_text(yaml.safe_dump(conda, sort_keys=False), encoding="utf-8")
    python_env = {
        "python": python,
        "build_dependencies": ["pip", "setuptools", "wheel"],
        "dependencies": ["-r requirements.txt"],
    }
    text = yaml.safe_dump(python_env, sort_keys=False)
    (folder / "python_env.yaml").write_text(text, encoding="utf-8")


def _write_mlmodel(model: Model, folder: Path) -> None:
    """Write ``MLmodel`` without paths of this machine, which MLflow itself puts into it."""
    written = copy.copy(model)
    location = getattr(written, "artifact_path", None)
    if location is not None and not is_uri(str(location)):
        written.artifact_path = None
    written.save(str(folder / "MLmodel"))
