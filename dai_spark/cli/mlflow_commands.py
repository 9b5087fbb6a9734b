"""The commands ``dai-spark mlflow log``, ``register``, ``alias``, ``promote`` and ``rollback``."""

import argparse
import contextlib
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator

from dai_spark.cli.command import add_command, add_group
from dai_spark.errors import ModelRegistryError, OptionError, first_line
from dai_spark.host.uri import without_password

if TYPE_CHECKING:
    from dai_spark.cli.command import Commands

__all__ = ["add_mlflow_commands"]

_LOG_DETAILS = """\
The model holds the export without the wheels of its dependencies, and names the packed environment
by place and digest; --embed-env copies it into the model.  The pipeline is loaded once to say what
it answers, where this machine can run it; --no-probe reads its export alone.  The licence is in no
part of the model.  What is printed is the URI of the model, and its version if it is registered."""
_LOG_EXAMPLES = """\
  dai-spark mlflow log scorer.zip --env dai-1.10.tar.zst --register flights --alias challenger

  As a classifier of one column, for `mlflow.models.evaluate`:
    dai-spark mlflow log scorer.zip --env dai-1.10.tar.zst --output label"""
_REGISTER_DETAILS = """\
Where a version has the same pipeline, environment, options and signature already, that version is
printed, and no other is made."""
_REGISTER_EXAMPLES = """\
  dai-spark mlflow register runs:/1f0a.../model flights --alias champion
  dai-spark mlflow register models:/m-8c2e... catalog.schema.flights"""
_PROMOTE_DETAILS = """\
The version that the alias named before is remembered, so that `rollback` finds it.  Whoever scores
`models:/NAME@champion` takes the new version with its next load."""
_PROMOTE_EXAMPLES = """\
  dai-spark mlflow promote flights challenger
  dai-spark mlflow promote flights 7 --alias production"""
_ROLLBACK_DETAILS = """\
That works as often as the alias was moved by `promote`, `alias` or --alias, whose moves a tag of
the registered model remembers; what other tools did to it is not known."""


def add_mlflow_commands(commands: "Commands") -> None:
    """Add the group ``mlflow``.

    Parameters
    ----------
    commands : argparse action
        The commands of the program.
    """
    group = add_group(commands, "mlflow", "log pipelines as MLflow models, and move their aliases")
    _add_log(group)
    register = _add(
        group,
        "register",
        _register,
        "make a logged pipeline a version of a registered model",
        details=_REGISTER_DETAILS,
        examples=_REGISTER_EXAMPLES,
    )
    register.add_argument("model_uri", metavar="URI", help="models:/m-... or runs:/RUN/NAME")
    register.add_argument("name", metavar="NAME", help="of the registered model")
    register.add_argument("--alias", help="let this alias name the version")
    alias = _add(group, "alias", _alias, "let an alias name a version", details=_PROMOTE_DETAILS)
    alias.add_argument("name", metavar="NAME", help="of the registered model")
    alias.add_argument("version", metavar="VERSION", help="its number, or another alias")
    alias.add_argument("alias", metavar="ALIAS", help="the alias that is to name it")
    promote = _add(
        group,
        "promote",
        _promote,
        "let the alias champion name a version",
        details=_PROMOTE_DETAILS,
        examples=_PROMOTE_EXAMPLES,
    )
    promote.add_argument("name", metavar="NAME", help="of the registered model")
    promote.add_argument("version", metavar="VERSION", help="its number, or another alias")
    promote.add_argument("--alias", default="champion", help="in place of champion")
    rollback = _add(
        group,
        "rollback",
        _rollback,
        "let the alias champion name the version again that it named before",
        details=_ROLLBACK_DETAILS,
    )
    rollback.add_argument("name", metavar="NAME", help="of the registered model")
    rollback.add_argument("--alias", default="champion", help="in place of champion")


def _add_log(group: "Commands") -> None:
    log = _add(
        group,
        "log",
        _log,
        "log a pipeline as an MLflow model",
        details=_LOG_DETAILS,
        examples=_LOG_EXAMPLES,
    )
    log.add_argument("pipeline", metavar="EXPORT", help="scorer.zip, or the folder it was unpacked")
    log.add_argument("--env", help="packed environment: a path, or a URI that MLflow reads")
    log.add_argument("--embed-env", action="store_true", help="copy the environment into the model")
    log.add_argument("--name", help="of the logged model (default: model)")
    log.add_argument("--register", metavar="NAME", help="make it a version of this model")
    log.add_argument("--alias", help="with --register: let this alias name the version")
    log.add_argument(
        "--signature",
        choices=("any", "strict"),
        default="any",
        help="any: the pipeline's own types judge; strict: MLflow casts to double and string",
    )
    log.add_argument("--output", metavar="COLUMN", help="answer one: label, probability, or a name")
    log.add_argument("--contributions", choices=("transformed", "original"), help="in place of it")
    log.add_argument("--margin", action="store_true", help="the margin in place of the prediction")
    log.add_argument("--labels", action="store_true", help="add the class that is chosen")
    log.add_argument("--no-probe", action="store_true", help="do not load the pipeline")
    log.add_argument("--license-file", metavar="PATH", help="for the probe (default: this host's)")
    log.add_argument(
        "--code",
        metavar="FILE",
        action="append",
        default=[],
        help="the model brings it along: dai_spark.zip, for machines without dai_spark",
    )


def _add(
    group: "Commands",
    name: str,
    function: Callable[[argparse.Namespace], None],
    summary: str,
    **texts: str,
) -> argparse.ArgumentParser:
    """A command of the group: `add_command`, and where MLflow's store is."""
    command = add_command(group, name, function, summary, **texts)
    command.add_argument(
        "--tracking-uri",
        metavar="URI",
        help="MLflow's server or store (default: MLFLOW_TRACKING_URI)",
    )
    return command


def _log(arguments: argparse.Namespace) -> None:
    if arguments.alias and not arguments.register:
        raise OptionError("--alias names a version of a registered model; give --register too.")
    face = _face(arguments)
    options: Dict[str, Any] = {
        name: getattr(arguments, name)
        for name in ("contributions", "margin", "labels")
        if getattr(arguments, name)
    }
    with _told():
        info = face.log_model(
            arguments.pipeline,
            arguments.env,
            name=arguments.name,
            embed_env=arguments.embed_env,
            signature=arguments.signature,
            output=arguments.output,
            probe=False if arguments.no_probe else None,
            license_file=arguments.license_file,
            code_paths=arguments.code,
            **options,
        )
    print(info.model_uri)
    if arguments.register:
        with _told():
            version = face.register_model(info.model_uri, arguments.register, alias=arguments.alias)
        _print(version)


def _register(arguments: argparse.Namespace) -> None:
    face = _face(arguments)
    with _told():
        version = face.register_model(arguments.model_uri, arguments.name, alias=arguments.alias)
    _print(version)


def _alias(arguments: argparse.Namespace) -> None:
    _promote(arguments)


def _promote(arguments: argparse.Namespace) -> None:
    face = _face(arguments)
    with _told():
        version = face.promote(arguments.name, arguments.version, arguments.alias)
    print(f"models:/{version.name}@{arguments.alias} is version {version.version}")


def _rollback(arguments: argparse.Namespace) -> None:
    face = _face(arguments)
    with _told():
        version = face.rollback(arguments.name, arguments.alias)
    print(f"models:/{version.name}@{arguments.alias} is version {version.version}")


def _face(arguments: argparse.Namespace) -> Any:
    try:
        import dai_spark.mlflow as face
    except ModuleNotFoundError as error:
        raise OptionError(f"{error}.") from None
    import mlflow

    if arguments.tracking_uri:
        mlflow.set_tracking_uri(arguments.tracking_uri)
    return face


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """What MLflow raises as an error of ours, which stands on one line."""
    from mlflow.exceptions import MlflowException

    from dai_spark.registry.mlflow_client import registry_place

    try:
        yield
    except MlflowException as error:
        said = without_password(first_line(error, 300))
        raise ModelRegistryError(f"MLflow at {registry_place()} answers: {said}") from error


def _print(version: Any) -> None:
    print(f"models:/{version.name}/{version.version}")
