"""pack.yaml: what is packed, in Odahu's fields; flags of the command line win over it."""

import re
from dataclasses import dataclass
from typing import Any, Dict, List, Mapping, Optional, Tuple, Type, Union

from pydantic import Field, field_validator, model_validator
from pydantic.alias_generators import to_camel

from dai_spark._version import __version__
from dai_spark.errors import OptionError
from dai_spark.packager.asked.document import Fields, checked, documents
from dai_spark.packager.asked.quantity import quantity

__all__ = ["CLI", "REST", "CliArguments", "Pack", "RestArguments", "Target", "pack_of"]

REST, CLI = "docker-rest", "docker-cli"
_DEFAULT_NAME = "{{ Name }}-{{ Version }}:{{ RandomUUID }}"
_TARGETS = ("docker-push", "docker-pull")
_HOST = re.compile(r"[0-9A-Za-z.:_%-]+")
_FOLDER = re.compile(r"(/[A-Za-z0-9._-]+)+/?")


class CliArguments(Fields):
    """Arguments of both integrations."""

    image_name: str = _DEFAULT_NAME
    dockerfile_base_image: str = f"localhost/dai-spark-serving:{__version__}"
    dockerfile_add_conda_installation: bool = True
    dockerfile_conda_envs_location: str = "/opt/conda/envs/"

    @field_validator("dockerfile_base_image")
    @classmethod
    def _a_reference(cls, value: str) -> str:
        # It becomes a line of the Dockerfile.
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._:/@-]*", value):
            raise ValueError(f"{value!r} is no name of an image")
        return value

    @field_validator("dockerfile_conda_envs_location")
    @classmethod
    def _a_folder(cls, value: str) -> str:
        if not _FOLDER.fullmatch(value) or ".." in value:
            raise ValueError(f"{value!r} is no absolute path of letters, digits, '.', '_' and '-'")
        return value.rstrip("/") + "/"


class RestArguments(CliArguments):
    """Arguments of docker-rest."""

    port: int = Field(5000, ge=1, le=65_535)
    timeout: int = Field(60, ge=1, le=604_800)
    workers: int = Field(1, ge=1, le=10_000)
    threads: int = Field(4, ge=1, le=4_000)
    host: str = "0.0.0.0"

    @field_validator("host")
    @classmethod
    def _an_address(cls, value: str) -> str:
        if not _HOST.fullmatch(value):
            raise ValueError(f"{value!r} is no address to listen on")
        return value

    @model_validator(mode="after")
    def _calls_are_few_enough(self) -> "RestArguments":
        if self.workers * self.threads > 4_000:
            raise ValueError(
                f"workers x threads is {self.workers * self.threads:,}, and may be 4,000"
            )
        return self


class Amounts(Fields):
    """Processors and memory."""

    cpu: Optional[Union[str, int, float]] = None
    memory: Optional[Union[str, int, float]] = None

    @field_validator("cpu", "memory")
    @classmethod
    def _an_amount(cls, value: Any) -> Any:
        if value is not None:
            quantity(value)
        return value


class Resources(Fields):
    """What a platform gives a container, and what it may take."""

    limits: Amounts = Amounts()
    requests: Amounts = Amounts()

    @model_validator(mode="after")
    def _requests_are_within_limits(self) -> "Resources":
        for name in ("cpu", "memory"):
            most, asked = getattr(self.limits, name), getattr(self.requests, name)
            if most is not None and asked is not None and quantity(asked) > quantity(most):
                raise ValueError(f"{name} is requested {asked} and limited to {most}")
        return self


class Target(Fields):
    """A registry that is pushed to or pulled from, by its connection."""

    name: str
    connection_name: str

    @field_validator("name")
    @classmethod
    def _a_known_one(cls, value: str) -> str:
        if value not in _TARGETS:
            raise ValueError(f"{value!r} is no target; the targets are {', '.join(_TARGETS)}")
        return value


class _Spec(Fields):
    integration_name: str
    artifact_name: str
    resources: Resources = Resources()
    arguments: Dict[str, Any] = Field(default_factory=dict)
    targets: List[Target] = Field(default_factory=list)

    @field_validator("integration_name")
    @classmethod
    def _a_known_one(cls, value: str) -> str:
        if value not in (REST, CLI):
            raise ValueError(f"{value!r} is no integration; there are {REST} and {CLI}")
        return value

    @field_validator("targets")
    @classmethod
    def _each_once(cls, value: List[Target]) -> List[Target]:
        names = [one.name for one in value]
        if len(set(names)) < len(names):
            raise ValueError("one image has one target of each name")
        return value


class _Document(Fields):
    id: Optional[str] = None
    spec: _Spec
    # Of an entity that was packed before: written anew.
    status: Any = None


@dataclass(frozen=True)
class Pack:
    """A packaging that can be meant.

    Attributes
    ----------
    id : str or None
    integration : str
        ``"docker-rest"`` or ``"docker-cli"``.
    artifact_name : str
        As it was written.
    resources : Resources
    arguments : CliArguments or RestArguments
    targets : tuple of Target
    """

    id: Optional[str]
    integration: str
    artifact_name: str
    resources: Resources
    arguments: Union[RestArguments, CliArguments]
    targets: Tuple[Target, ...]

    def target(self, name: str) -> Optional[Target]:
        """The target of this name; None where there is none."""
        return next((one for one in self.targets if one.name == name), None)


def pack_of(file: Optional[str], flags: Mapping[str, Any]) -> Pack:
    """Read what is to be packed.

    Parameters
    ----------
    file : str or None
        Path of ``pack.yaml``; None where flags say all.
    flags : mapping
        What the command line says: ``id``, ``integration_name``, ``artifact_name``, ``docker-push``
        and ``docker-pull`` (names of connections), and arguments; None where it is silent.

    Raises
    ------
    OptionError
    """
    where = "The command line" if file is None else f"The pack file {file}"
    found: Dict[str, Any] = {}
    if file is not None:
        there = documents(file, "pack file")
        if len(there) != 1:
            raise OptionError(f"{where} must hold one packaging, and holds {len(there)}.")
        found = _with_spec(there[0], where)
    spec = dict(found.get("spec") or {})
    given = {name: value for name, value in flags.items() if value is not None}
    if "id" in given:
        found["id"] = given.pop("id")
    for name in ("integration_name", "artifact_name"):
        if name in given:
            spec[to_camel(name)] = given.pop(name)
    spec.setdefault("integrationName", REST)
    if "artifactName" not in spec:
        raise OptionError("Give the PIPELINE to pack, or -f FILE with spec.artifactName.")
    for name in _TARGETS:
        if name in given:
            others = [one for one in spec.get("targets") or [] if one.get("name") != name]
            spec["targets"] = [*others, {"name": name, "connectionName": given.pop(name)}]
    arguments = spec.get("arguments") or {}
    if not isinstance(arguments, Mapping):
        raise OptionError(f"{where}: spec.arguments must be fields with names.")
    spec["arguments"] = {**arguments, **{to_camel(name): value for name, value in given.items()}}
    # Keys without a value.
    found["spec"] = {name: value for name, value in spec.items() if value is not None}
    document = checked(_Document, found, where)
    return Pack(
        id=document.id,
        integration=document.spec.integration_name,
        artifact_name=document.spec.artifact_name,
        resources=document.spec.resources,
        arguments=_arguments(document.spec, where),
        targets=tuple(document.spec.targets),
    )


def _with_spec(document: Any, where: str) -> Dict[str, Any]:
    if not isinstance(document, Mapping) or not isinstance(document.get("spec", {}), Mapping):
        raise OptionError(f"{where} must have the fields id and spec, and fields in spec.")
    targets = document.get("spec", {}).get("targets") or []
    if not isinstance(targets, list) or not all(isinstance(one, Mapping) for one in targets):
        raise OptionError(f"{where}: spec.targets must be a list of fields name, connectionName.")
    return dict(document)


def _arguments(spec: _Spec, where: str) -> Union[RestArguments, CliArguments]:
    kind: Type[CliArguments] = RestArguments if spec.integration_name == REST else CliArguments
    if kind is CliArguments:
        of_server = set(RestArguments.model_fields) - set(CliArguments.model_fields)
        wrong = sorted({to_camel(name) for name in of_server} & set(spec.arguments))
        if wrong:
            raise OptionError(
                f"{where}: {', '.join(wrong)} is of {REST} alone; an image of {CLI} has no server."
            )
    return checked(kind, spec.arguments, where, "spec.arguments")
