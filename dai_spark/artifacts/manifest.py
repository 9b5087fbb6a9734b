"""EnvironmentManifest: what a packed environment states of itself, at the head of its archive."""

import json
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Dict, Optional, Union

__all__ = ["MANIFEST_NAME", "EnvironmentManifest"]

MANIFEST_NAME = "dai_spark_environment.json"
FORMAT_VERSION = 1
_NUMBERS = ("unpacked_bytes", "n_files", "format_version")
_OPTIONAL = ("dai_line", "core_version", "glibc")


@dataclass(frozen=True)
class EnvironmentManifest:
    """What a packed environment states of itself, written by `dai-spark env build`.

    Attributes
    ----------
    python : str
        Full version of its Python, ``"3.8.18"``.
    platform : str
        Operating system and processor, ``"linux-x86_64"``.
    interpreter : str
        Path of its Python, relative to the folder, ``"bin/python3.8"``.
    dai_line : str or None
        ``"1.10"``; None where it was built from requirements of no DAI line.
    core_version : str or None
        Version of h2oaicore in it, ``"1.10.7.3"``; None where it was built without an export.
    glibc : str or None
        Oldest GNU C library on which all of it loads, ``"2.35"``.
    built_from : str
        ``"interpreter"``: a Python found on the building machine, made relocatable; ``"conda"``:
        one of conda channels.
    how : str
        One sentence on the way that was taken.
    packages : dict of str to str
        Installed packages and their versions.
    unpacked_bytes, n_files : int
        Size and number of files and links once unpacked, this manifest not counted.
    inputs : str
        Digest of all that the build was asked for; a build with the same inputs is not repeated.
    format_version : int
    """

    python: str
    platform: str
    interpreter: str
    dai_line: Optional[str] = None
    core_version: Optional[str] = None
    glibc: Optional[str] = None
    built_from: str = "interpreter"
    how: str = ""
    packages: Dict[str, str] = field(default_factory=dict)
    unpacked_bytes: int = 0
    n_files: int = 0
    inputs: str = ""
    format_version: int = FORMAT_VERSION

    def to_json(self) -> str:
        """Return the manifest as JSON text, the same text for the same manifest."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"

    @classmethod
    def from_json(cls, text: Union[str, bytes]) -> "EnvironmentManifest":
        """Read a manifest; keys that this version does not know are passed over.

        Raises
        ------
        ValueError
            The text is no manifest, or one of a later format.
        """
        try:
            found: Any = json.loads(text)
        except RecursionError:
            raise ValueError("it has too many lists in each other") from None
        required = {"python", "platform", "interpreter"}
        if not isinstance(found, dict) or not required <= set(found):
            raise ValueError("it does not name python, platform and interpreter")
        version = found.get("format_version", 0)
        if type(version) is not int or version > FORMAT_VERSION:
            raise ValueError(
                f"its format is {version!r}, this dai_spark reads up to "
                f"{FORMAT_VERSION}: install a newer dai_spark"
            )
        for name in ("unpacked_bytes", "n_files"):
            stated = found.get(name, 0)
            if type(stated) is not int or stated < 0:
                raise ValueError(f"its {name} is {stated!r}, which is no number of them")
        for one in fields(cls):
            if one.name in found and not _is_of_type(one.name, found[one.name]):
                shown = repr(found[one.name])[:100]
                raise ValueError(f"its {one.name} is {shown}, which is no such thing")
        known = {one.name for one in fields(cls)}
        return cls(**{key: value for key, value in found.items() if key in known})


def _is_of_type(name: str, value: Any) -> bool:
    if name in _NUMBERS:
        return True  # looked at before
    if name == "packages":
        return isinstance(value, dict) and all(isinstance(v, str) for v in value.values())
    if name == "interpreter" and isinstance(value, str):
        # Whatever it is, it is run.
        return bool(value) and not value.startswith("/") and ".." not in value.split("/")
    return isinstance(value, str) or (value is None and name in _OPTIONAL)
