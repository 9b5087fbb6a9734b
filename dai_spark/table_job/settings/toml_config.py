"""``--config job.toml``: the settings of a job, from a file that is kept, reviewed and shared."""

import dataclasses
import datetime
import difflib
import re
import sys
import typing
from pathlib import Path
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple, Union

from dai_spark.errors import OptionError
from dai_spark.plan.options import ScoringOptions
from dai_spark.table_job.settings.job import TableJob
from dai_spark.table_job.settings.secrets import SECRET_NAME

__all__ = ["FLAGS", "kinds", "read_config", "read_toml", "split_names"]

# Settings whose flag has another name than the keyword of `score_table`.
FLAGS = {
    "columns": "--column",
    "env_vars": "--env-var",
    "keep_running": "--stream",
    "n_files": "--files",
    "source_options": "--source-option",
    "target_options": "--target-option",
}

# Options that only `score_udf` has.
_UDF_ONLY = ("udf_type", "deterministic")
_KINDS = {
    bool: "true or false",
    float: "a number",
    int: "a whole number",
    str: "a text",
    # The type of `contributions`, whose True has a name.
    Union[bool, str]: "a text",
    Mapping[str, str]: "a table",
    Tuple[str, ...]: "a list of texts",
}
# What a person writes as a number or a date, and Spark and TableJob take as text.
_NUMBER_AS_TEXT = ("max_bad_rows", "min_rows", "run_id", "source_version")
_DATE_AS_TEXT = ("source_timestamp",)
# Spark's own options are texts that stand for numbers and truth values.
_SPARKS_OPTIONS = ("source_options", "target_options")

_VARIABLE = re.compile(r"\$(\$?)\{([A-Za-z_][A-Za-z0-9_]*)\}")
_SECRET_IN_TEXT = re.compile(r"(password|passwd|token)=(?!\$\{)[^&;]", re.IGNORECASE)
_LICENSE_TEXT = ("license", "license_key", "license_text")


def kinds() -> Dict[str, str]:
    """What each setting of a job holds, by the name that it has in Python and in the file."""
    found = {}
    for owner in (TableJob, ScoringOptions):
        hints = typing.get_type_hints(owner)
        for field in dataclasses.fields(owner):
            if field.name not in ("options", *_UDF_ONLY):
                found[field.name] = _KINDS[_without_none(hints[field.name])]
    return {**found, "json": _KINDS[bool], "quiet": _KINDS[bool]}


def read_config(
    path: str, read: Callable[[str], bytes], environment: Mapping[str, str]
) -> Dict[str, Any]:
    """Return what a configuration file says, by the names that `score_table` has for it.

    Runs on the driver, for a local path before there is a session.

    Parameters
    ----------
    path : str
        A local path, or a URI (``scheme://``).
    read : callable
        Reads a URI.
    environment : mapping of str to str
        Where ``${NAME}`` in a value is looked up.

    Raises
    ------
    OptionError
        The file cannot be read or is not TOML; a key is unknown, stands there twice, or has a
        value of another type; a variable is not set; a secret stands in the file.
    """
    file = _ConfigFile(path, environment)
    known = kinds()
    found: Dict[str, Any] = {}
    for key, value in read_toml(path, read, "configuration").items():
        name = key.replace("-", "_")
        if name in _LICENSE_TEXT:
            raise OptionError(
                f"{path} holds a licence in {key}, where everyone who reads the file reads it; "
                "give license_file, or set DRIVERLESS_AI_LICENSE_KEY in the environment."
            )
        if name not in known:
            raise OptionError(f"{path}: there is no option {key}{_nearest(key, known)}")
        if name in found:
            raise OptionError(f"{path} gives {name} twice, with - and with _; give it once.")
        found[name] = file.value(name, key, known[name], value)
    return found


def split_names(text: str) -> List[str]:
    """``a,b`` as a list; names that hold a comma can stand in a list of the file alone.

    Parameters
    ----------
    text : str
    """
    return [name.strip() for name in text.split(",") if name.strip()]


class _ConfigFile:
    """One configuration file, as its messages name it."""

    def __init__(self, path: str, environment: Mapping[str, str]) -> None:
        self._path = path
        self._environment = environment

    def value(self, name: str, key: str, kind: str, value: Any) -> Any:
        """Return a setting's value, checked and with its variables put in."""
        plain = type(value)
        if kind == "a text":
            return self._text(name, key, value)
        if kind == "a list of texts":
            return self._list(name, key, value)
        if kind == "a table" and plain is dict:
            return {k: self._entry(name, key, k, v) for k, v in value.items()}
        if kind == "a number" and plain in (int, float):
            return float(value)
        if kind == "a whole number" and plain is int:
            return value
        if kind == "true or false" and plain is bool:
            return value
        raise self._wrong(key, kind, value)

    def _text(self, name: str, key: str, value: Any) -> str:
        if type(value) is int and name in _NUMBER_AS_TEXT:
            return str(value)
        if isinstance(value, datetime.date) and name in _DATE_AS_TEXT:
            return str(value)
        if type(value) is not str:
            raise self._wrong(key, "a text", value)
        return self._put_in(key, value)

    def _list(self, name: str, key: str, value: Any) -> Optional[List[str]]:
        if value == "all" and name == "keep":
            return None
        if type(value) is str:
            return split_names(self._put_in(key, value))
        if type(value) is list and all(type(one) is str for one in value):
            return [self._put_in(key, one) for one in value]
        raise self._wrong(key, "a list of texts", value)

    def _entry(self, name: str, table: str, key: str, value: Any) -> str:
        full = f"{table}.{key}"
        if type(value) is dict:
            raise OptionError(
                f"{self._path}: {full} is a table, not a text; a name with dots stands in quotes."
            )
        if name in _SPARKS_OPTIONS:
            if type(value) is bool:
                return str(value).lower()
            if type(value) in (int, float):
                return str(value)
        if type(value) is not str:
            raise self._wrong(full, "a text", value)
        is_secret = SECRET_NAME.search(key) is not None and not _VARIABLE.search(value)
        if name != "columns" and (is_secret or _SECRET_IN_TEXT.search(value)):
            raise OptionError(
                f"{self._path} holds a secret in {full}, where everyone who reads the file reads "
                "it; set it in the environment and write ${NAME} here."
            )
        return self._put_in(full, value)

    def _put_in(self, key: str, text: str) -> str:
        def found(match: "re.Match[str]") -> str:
            if match.group(1):
                return match.group(0)[1:]
            name = match.group(2)
            if name not in self._environment:
                raise OptionError(
                    f"{self._path}: {key} wants the environment variable {name}, which is not "
                    "set; set it where the job starts."
                )
            return self._environment[name]

        if "${" in _VARIABLE.sub("", text):
            raise OptionError(
                f"{self._path}: {key} holds a ${{ that begins no ${{NAME}}; for the characters "
                "themselves write $${NAME}."
            )
        return _VARIABLE.sub(found, text)

    def _wrong(self, key: str, kind: str, value: Any) -> OptionError:
        is_ = {bool: "true or false", dict: "a table", int: "a whole number", float: "a number"}
        is_.update({list: "a list", str: "a text"})
        return OptionError(
            f"{self._path}: {key} wants {kind}, but is {is_.get(type(value), 'a date or a time')}."
        )


def read_toml(path: str, read: Callable[[str], bytes], what: str) -> Dict[str, Any]:
    """Return what a TOML file holds.

    Runs on the driver.

    Parameters
    ----------
    path : str
        A local path, or a URI (``scheme://``).
    read : callable
        Reads a URI.
    what : str
        What a message calls the file.

    Raises
    ------
    OptionError
        It cannot be read, or is not TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        try:
            import tomli as tomllib
        except ImportError:
            # An installed dai_spark has it; the zip for --py-files brings no library.
            raise OptionError(
                f"{path} cannot be read, since Python before 3.11 has no TOML of its own; install "
                "the package tomli on the driver."
            ) from None
    try:
        content = read(path) if "://" in path else Path(path).expanduser().read_bytes()
    except OSError as error:
        raise OptionError(
            f"The {what} {path} cannot be read ({error.strerror or error})."
        ) from None
    try:
        found: Dict[str, Any] = tomllib.loads(content.decode("utf-8"))
    except ValueError as error:
        raise OptionError(f"The {what} {path} is not TOML: {error}.") from None
    return found


def _nearest(key: str, known: Mapping[str, str]) -> str:
    """How a message goes on that names an unknown key: with the one that was probably meant."""
    name = key.replace("-", "_")
    flags = {flag[2:].replace("-", "_"): setting for setting, flag in FLAGS.items()}
    near = [flags[name]] if name in flags else difflib.get_close_matches(name, known, 1)
    if not near:
        return "."
    return f"; did you mean {near[0].replace('_', '-') if '-' in key else near[0]}?"


def _without_none(hint: Any) -> Any:
    if typing.get_origin(hint) is not typing.Union:
        return hint
    return Union[tuple(one for one in typing.get_args(hint) if one is not type(None))]
