"""What was packed, as Odahu's entity: YAML, JSON, or what a JSONPath of it finds."""

import json
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import yaml

from dai_spark.errors import OptionError
from dai_spark.host.uri import without_password
from dai_spark.packager.asked.pack_file import Pack

__all__ = ["FORMATS", "check_query", "entity_of", "shown"]

FORMATS = ("yaml", "json", "text")
_JSONPATH = "jsonpath="


def entity_of(
    pack: Pack, id: str, results: Optional[Sequence[Tuple[str, str]]] = None
) -> Dict[str, Any]:
    """The entity, with every argument as it was meant.

    Parameters
    ----------
    pack : Pack
    id : str
    results : sequence of (str, str) or None
        Name and value of each result; None before there is an image.
    """
    spec: Dict[str, Any] = {
        "integrationName": pack.integration,
        "artifactName": without_password(pack.artifact_name),
        "resources": _plain(pack.resources),
        "arguments": _plain(pack.arguments),
        "targets": [_plain(target) for target in pack.targets],
    }
    found: Dict[str, Any] = {"id": id, "spec": {k: v for k, v in spec.items() if v != {}}}
    if results is not None:
        found["status"] = {"results": [{"name": name, "value": value} for name, value in results]}
    return found


def _plain(fields: Any) -> Dict[str, Any]:
    told: Dict[str, Any] = fields.model_dump(by_alias=True, exclude_none=True)
    return {name: value for name, value in told.items() if value != {}}


def check_query(query: Optional[str]) -> None:
    """Refuse what ``-o`` cannot mean, before an image is built.

    Parameters
    ----------
    query : str or None
        ``jsonpath=EXPRESSION``.

    Raises
    ------
    OptionError
    """
    if query is not None:
        _expression(query)


def shown(entity: Mapping[str, Any], format: str, query: Optional[str] = None) -> str:
    """The entity as a command prints it.

    Parameters
    ----------
    entity : mapping
    format : str
        One of `FORMATS`; JSON is a list of one entity, as odahuflowctl's is, and what a query is
        asked of.
    query : str or None
        ``jsonpath=EXPRESSION``; each thing that it finds is a line.

    Raises
    ------
    OptionError
        A wrong expression, or one that finds nothing.
    """
    document: List[Any] = [entity]
    if query is not None:
        found = [match.value for match in _expression(query).find(document)]
        if not found:
            raise OptionError(f"-o {query} finds nothing in {json.dumps(document)}.")
        return "\n".join(one if isinstance(one, str) else json.dumps(one) for one in found)
    if format == "json":
        return json.dumps(document, indent=2)
    if format == "text":
        results = entity.get("status", {}).get("results", ())
        return "\n".join(one["value"] for one in results[:1])
    text: str = yaml.safe_dump(dict(entity), sort_keys=False, allow_unicode=True)
    return text.rstrip("\n")


def _expression(query: str) -> Any:
    from jsonpath_ng.exceptions import JSONPathError
    from jsonpath_ng.ext.parser import parse

    if not query.startswith(_JSONPATH):
        raise OptionError(
            f"-o {query} is not understood; give -o 'jsonpath=$[0].status.results[0].value'."
        )
    text = query[len(_JSONPATH) :]
    # As kubectl writes it, for those who are used to it.
    if text.startswith("{") and text.endswith("}"):
        text = text[1:-1]
    try:
        return parse(text)
    except JSONPathError as error:
        raise OptionError(f"-o {query} is no JSONPath ({error}).") from None
