"""A file of YAML as checked fields; what is wrong with it is one sentence."""

import difflib
import re
from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple, Type, TypeVar, Union, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel

from dai_spark.errors import OptionError, shortened

__all__ = ["Fields", "checked", "documents"]

_MOST_BYTES = 1 << 20


class Fields(BaseModel):
    """Fields with Odahu's names (``imageName``); unknown ones are refused, values not converted."""

    model_config = ConfigDict(
        alias_generator=to_camel, populate_by_name=False, extra="forbid", strict=True, frozen=True
    )


_Model = TypeVar("_Model", bound=Fields)


class _Loader(yaml.SafeLoader):  # type: ignore[misc,unused-ignore]
    """PyYAML's safe loader; a key that stands twice is refused, where it would take the last."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Dict[Any, Any]:
        seen: List[Any] = []
        for key, _ in node.value:
            name = getattr(key, "value", None)
            if isinstance(name, str) and name in seen and name != "<<":
                raise yaml.MarkedYAMLError(None, None, f"{name} stands there twice", key.start_mark)
            seen.append(name)
        found: Dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def documents(path: Union[str, Path], what: str) -> List[Any]:
    """The documents of a file of YAML, of JSON as well; lists of them are taken apart.

    Parameters
    ----------
    path : str or Path
    what : str
        What errors call the file.

    Raises
    ------
    OptionError
        It cannot be read, or is no YAML.
    """
    try:
        with Path(path).expanduser().open("rb") as stream:
            content = stream.read(_MOST_BYTES + 1)
    except (OSError, RuntimeError) as error:
        told = getattr(error, "strerror", None) or error
        raise OptionError(f"The {what} {path} cannot be read ({told}).") from None
    if len(content) > _MOST_BYTES:
        raise OptionError(f"The {what} {path} has more than {_MOST_BYTES:,} bytes.")
    try:
        found = list(yaml.load_all(content, _Loader))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise OptionError(f"The {what} {path} is not YAML: {_yaml_fault(error)}.") from None
    flat: List[Any] = []
    for one in found:
        flat += one if isinstance(one, list) else [one]
    return [one for one in flat if one is not None]


def _yaml_fault(error: Exception) -> str:
    # Not its own text, which shows the line, and a line may hold a password.
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or type(error).__name__
    return f"{problem} (line {mark.line + 1}, column {mark.column + 1})" if mark else str(problem)


def checked(model: Type[_Model], value: Any, where: str, below: str = "") -> _Model:
    """Check what a document says.

    Parameters
    ----------
    model : type
        Of the fields.
    value : object
        What was read.
    where : str
        What errors call the document.
    below : str
        Path of `value` in it, ``"spec.arguments"``.

    Raises
    ------
    OptionError
        Unknown fields, missing ones, values that cannot be meant: all of them, none of the values
        shown where they may be secrets.
    """
    if not isinstance(value, Mapping):
        raise OptionError(f"{where} must be fields with names, and is {type(value).__name__}.")
    try:
        return model.model_validate(dict(value))
    except ValidationError as error:
        told = [_sentence(model, one, below) for one in error.errors(include_url=False)]
        sentence = f"{where}: {shortened(told, 10)}"
        raise OptionError(sentence if sentence.endswith("?") else f"{sentence}.") from None


def _sentence(model: Type[BaseModel], fault: Any, below: str) -> str:
    parts = [str(part) for part in fault["loc"]]
    path = ".".join(filter(None, [below, *parts]))
    if fault["type"] == "extra_forbidden":
        name = parts[-1]
        known = _names(_model_at(model, fault["loc"][:-1]))
        near = difflib.get_close_matches(name, known, 1, 0.5)
        return f"{path} is no field of it; " + (
            f"did you mean {near[0]}?" if near else f"the fields are {', '.join(known)}"
        )
    if fault["type"] == "missing":
        return f"{path} is missing"
    said = re.sub("^Value error, ", "", fault["msg"])
    return f"{path}: {said[:1].lower()}{said[1:]}"


def _names(model: Type[BaseModel]) -> List[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _model_at(model: Type[BaseModel], path: Tuple[Any, ...]) -> Type[BaseModel]:
    """The model of a field of a field, as the path of a fault names it."""
    for part in path:
        found = [field for name, field in model.model_fields.items() if field.alias == part]
        for kind in _kinds(found[0].annotation) if found else ():
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                model = kind
    return model


def _kinds(annotation: Any) -> List[Any]:
    inner = get_args(annotation)
    return [annotation] if not inner else [kind for one in inner for kind in _kinds(one)]
