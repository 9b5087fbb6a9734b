"""build_image: a pipeline as an image: checked, drafted, built, saved and pushed."""

import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple

from dai_spark._version import __version__
from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.errors import EnvironmentMismatchError, OptionError, PackagerError
from dai_spark.packager.artifact import Artifact, artifact_of
from dai_spark.packager.asked.connections import Connection, connection_named
from dai_spark.packager.asked.pack_file import CliArguments, Pack, RestArguments
from dai_spark.packager.base_image import BaseImage, manifest_path, refuse_by_name
from dai_spark.packager.build_folder import (
    env_name,
    lay_environment,
    lay_package,
    lay_pipeline,
    settle,
)
from dai_spark.packager.credentials import credentials
from dai_spark.packager.dockerfile import SECRETS, ImageParts, dockerfile
from dai_spark.packager.engine import Engine, find_engine
from dai_spark.packager.entity import entity_of
from dai_spark.packager.image_name import ImageName, image_name, template_values
from dai_spark.plan.default_environment import chosen_environment

__all__ = ["Order", "build_image", "check_order", "draft_image"]

_EPOCH = "SOURCE_DATE_EPOCH"


@dataclass(frozen=True)
class Order:
    """What a command line asks for beside the packaging itself.

    Attributes
    ----------
    pack : Pack
    folders : sequence of Path
        Where a relative ``artifactName`` is looked for.
    connections : mapping of str to Connection
    env : str or None
        ``--env``.
    engine : str or None
        ``--engine`` or ``ENGINE``.
    auth_file : str or None
    save : Path or None
        File that the image is written to.
    save_format : str
    variables : mapping of str to str
        Of the environment.
    """

    pack: Pack
    folders: Sequence[Path]
    connections: Mapping[str, Connection] = field(default_factory=dict)
    env: Optional[str] = None
    engine: Optional[str] = None
    auth_file: Optional[str] = None
    save: Optional[Path] = None
    save_format: str = "docker-archive"
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Draft:
    """An image that is thought out, and not built."""

    text: str
    name: ImageName
    base: BaseImage
    artifact: Artifact
    environment: Optional[PackedEnvironment]
    push: Optional[Connection]
    entity_id: str


def draft_image(order: Order, on_message: Callable[[str], None]) -> Tuple[str, Dict[str, Any]]:
    """The Dockerfile and the entity of an image that is not built: ``--dry-run``.

    Nothing is pulled; an engine is asked where there is one.

    Parameters
    ----------
    order : Order
    on_message : callable

    Raises
    ------
    DaiSparkError
        See `build_image`.
    """
    check_order(order)
    engine: Optional[Engine] = None
    try:
        engine = find_engine(order.engine, on_message)
    except PackagerError:
        on_message("no engine is here, so the base image is taken at its name")
    draft = _draft(order, engine, on_message, pulls=False)
    return draft.text, entity_of(order.pack, draft.entity_id)


def build_image(
    order: Order, on_message: Callable[[str], None], on_line: Callable[[str], None]
) -> Dict[str, Any]:
    """Build an image, save and push it.

    Parameters
    ----------
    order : Order
    on_message : callable
        Is told what is done, and what was decided.
    on_line : callable
        Is told what the engine says.

    Returns
    -------
    dict
        The entity, with its results.

    Raises
    ------
    OptionError
        What cannot be meant, before anything is built.
    PipelineError, PackedEnvironmentError, ModelRegistryError
        Pipeline or environment.
    PackagerError
        Engine, base image or registry.
    """
    check_order(order)
    engine = find_engine(order.engine, on_line)
    draft = _draft(order, engine, on_message, pulls=True)
    name = draft.name.text
    epoch_s = _epoch_s(order, draft.base)
    with tempfile.TemporaryDirectory(prefix="dai_spark-image-") as place:
        folder = Path(place)
        lay_pipeline(draft.artifact.pipeline, folder)
        if draft.environment is not None:
            lay_environment(draft.environment, folder, on_message)
        if not draft.base.has_dai_spark:
            lay_package(folder)
        (folder / "Dockerfile").write_text(draft.text, encoding="utf-8")
        settle(folder, epoch_s)
        on_message(f"building {name} with {engine.kind}")
        secrets = {} if draft.base.has_dai_spark else _secrets(order.variables)
        is_server = isinstance(order.pack.arguments, RestArguments)
        engine.build(folder, name, epoch_s, {}, secrets, has_health=is_server)
    facts = engine.facts(name)
    results: List[Tuple[str, str]] = [("image", name)]
    if facts is not None:
        results.append(("id", f"sha256:{facts.id}"))
    if order.save is not None:
        on_message(f"writing {order.save}")
        engine.save(name, order.save, order.save_format)
        results.append(("file", str(order.save)))
    if draft.push is not None:
        on_message(f"pushing {name}")
        with credentials(draft.push, order.auth_file, order.variables) as login:
            digest = engine.push(name, login)
        if digest is not None:
            results.append(("digest", digest))
    return entity_of(order.pack, draft.entity_id, results)


def _draft(
    order: Order,
    engine: Optional[Engine],
    on_message: Callable[[str], None],
    *,
    pulls: bool,
) -> _Draft:
    pack = order.pack
    push, pull = check_order(order)
    if engine is not None and order.save is not None:
        engine.check_save(order.save_format)
    adds = pack.arguments.dockerfile_add_conda_installation
    artifact = artifact_of(
        pack.artifact_name, order.folders, on_message, with_env=adds and not order.env
    )
    values = template_values(artifact.name, artifact.version)
    name = image_name(pack.arguments.image_name, values, push.place if push else "", on_message)
    base = _base(order, engine, pull, on_message, pulls=pulls)
    environment = _environment(order, base, artifact, on_message)
    target = None
    if environment is not None:
        location = pack.arguments.dockerfile_conda_envs_location
        target = f"{location}{env_name(environment)}"
        on_message(f"the environment {environment.path} is laid to {target}")
    labels = _labels(pack, artifact, base, environment, on_message)
    parts = ImageParts(
        base, artifact.name, target, environment.interpreter if environment else None, labels
    )
    entity_id = pack.id or f"{artifact.name}-{pack.integration}"
    return _Draft(dockerfile(pack, parts), name, base, artifact, environment, push, entity_id)


def check_order(order: Order) -> Tuple[Optional[Connection], Optional[Connection]]:
    """Refuse what is wrong with words alone, before anything is read, asked or fetched.

    Parameters
    ----------
    order : Order

    Returns
    -------
    tuple of Connection or None
        That is pushed to, and that is pulled from.

    Raises
    ------
    OptionError
    PackagerError
        A base image of which the name says that it will not do.
    """
    refuse_by_name(order.pack.arguments.dockerfile_base_image)
    push, pull = (_connection(order, name) for name in ("docker-push", "docker-pull"))
    example = template_values("name", "version")
    place = "" if push is None else push.place
    image_name(order.pack.arguments.image_name, example, place, lambda text: None)
    return push, pull


def _connection(order: Order, name: str) -> Optional[Connection]:
    target = order.pack.target(name)
    if target is None:
        return None
    return connection_named(target.connection_name, order.connections, may_be_place=False)


def _base(
    order: Order,
    engine: Optional[Engine],
    pull: Optional[Connection],
    on_message: Callable[[str], None],
    *,
    pulls: bool,
) -> BaseImage:
    name = order.pack.arguments.dockerfile_base_image
    default = CliArguments.model_fields["dockerfile_base_image"].default
    base = BaseImage(name, None, is_default=name == default)
    if engine is None:
        return base
    facts = engine.facts(name)
    if pulls and (pull is not None or (facts is None and not name.startswith("localhost/"))):
        on_message(f"pulling {name}")
        with credentials(pull, order.auth_file, order.variables) as login:
            engine.pull(name, login)
        facts = engine.facts(name)
    if facts is None and pulls:
        told = " Build it: make serving-image." if base.is_default else ""
        raise PackagerError(f"dockerfileBaseImage {name} is not on this machine.{told}")
    if facts is None:
        on_message(f"{name} is not on this machine, and is taken at its name")
        return base
    base = replace(base, facts=facts)
    base.check()
    if base.env_folder is not None:
        manifest = engine.read_file(name, manifest_path(base.env_folder))
        base = replace(base, manifest=manifest)
    if base.has_dai_spark and base.version not in (None, __version__):
        on_message(f"the image has dai_spark {base.version} of {name}; here is {__version__}")
    return base


def _environment(
    order: Order, base: BaseImage, artifact: Artifact, on_message: Callable[[str], None]
) -> Optional[PackedEnvironment]:
    """The environment to add; None where the base has one that does."""
    pipeline = artifact.pipeline
    fault = base.environment_fault(pipeline)
    if not order.pack.arguments.dockerfile_add_conda_installation:
        if fault is not None:
            raise EnvironmentMismatchError(
                "dockerfileAddCondaInstallation is false, so the base image must have the "
                f"environment, and: {fault}."
            )
        return None
    if order.env is None and fault is None:
        on_message(f"{base.name} has an environment that fits, so none is added")
        return None
    environment = _opened(order, artifact, fault, on_message)
    environment.check_fits(pipeline)
    if fault is None and base.manifest == environment.manifest_text:
        on_message(f"{base.name} has this very environment, so it is not added twice")
        return None
    return environment


def _opened(
    order: Order, artifact: Artifact, fault: Optional[str], on_message: Callable[[str], None]
) -> PackedEnvironment:
    try:
        found = chosen_environment(order.env or artifact.env, lambda name: None, on_message)
    except OptionError as error:
        raise OptionError(f"The image lacks an environment: {fault}. {error.message}") from None
    return found if isinstance(found, PackedEnvironment) else PackedEnvironment(found)


def _labels(
    pack: Pack,
    artifact: Artifact,
    base: BaseImage,
    environment: Optional[PackedEnvironment],
    on_message: Callable[[str], None],
) -> Dict[str, str]:
    pipeline: ScoringPipeline = artifact.pipeline
    labels = {
        "org.opencontainers.image.title": artifact.name,
        "org.opencontainers.image.version": artifact.version,
        "org.opencontainers.image.description": "An H2O Driverless AI pipeline, by dai_spark",
        "org.opencontainers.image.base.name": base.name,
        "dai_spark.version": base.version or __version__,
        "dai_spark.packager.integration": pack.integration,
        "dai_spark.pipeline.digest": f"sha256:{pipeline.digest}",
        "dai_spark.pipeline.experiment": pipeline.experiment_id,
        "dai_spark.pipeline.dai_version": pipeline.dai_version or "",
        "dai_spark.pipeline.model": artifact.uri,
    }
    if environment is not None:
        labels["dai_spark.environment.digest"] = f"sha256:{environment.digest}"
    amounts = {
        f"{kind}.{name}": str(value)
        for kind in ("limits", "requests")
        for name, value in getattr(pack.resources, kind).model_dump(exclude_none=True).items()
    }
    labels.update({f"dai_spark.resources.{name}": value for name, value in amounts.items()})
    if amounts:
        told = ", ".join(f"{name} {value}" for name, value in amounts.items())
        on_message(
            f"resources stand in the image as labels ({told}); who runs it sets them: "
            "--cpus and --memory, or a Kubernetes container's resources"
        )
    return {name: value for name, value in labels.items() if value}


def _epoch_s(order: Order, base: BaseImage) -> int:
    told = order.variables.get(_EPOCH, "")
    if not told:
        return base.created_s()
    if not told.isdigit() or len(told) > 12:
        raise OptionError(f"{_EPOCH}={told[:50]!r} is no number of seconds since 1970.")
    return int(told)


def _secrets(variables: Mapping[str, str]) -> Dict[str, Path]:
    """Files with credentials and certificates for pip, which a step of the build sees."""
    found: Dict[str, Path] = {}
    for name, secret in SECRETS.items():
        told = variables.get(name)
        if told:
            path = Path(told).expanduser()
            if not path.is_file():
                raise OptionError(f"There is no file {path}, which {name} names.")
            found[secret] = path
    return found
