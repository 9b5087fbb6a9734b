"""Requirements of an export that name an address: which are fetched, replaced by a wheel, refused.

A version control system, a path of the machine that exported, and what no installer knows are not
fetched; their names are not asked of the index either, where anybody may have given them to
another package.
"""

import re
from pathlib import Path
from typing import Collection, Dict, List, Optional
from urllib.parse import unquote, urlsplit

from packaging.requirements import Requirement
from packaging.version import Version

from dai_spark.artifacts.pipeline import ScoringPipeline
from dai_spark.envbuild.lists.plain_text import shown
from dai_spark.envbuild.packages.package_sources import PackageSources
from dai_spark.envbuild.packages.wheel_name import WheelName, package_name, version_for_uv
from dai_spark.errors import EnvironmentBuildError

__all__ = ["settle_addresses"]


def settle_addresses(
    export: ScoringPipeline,
    lines: Dict[str, str],
    overrides: Dict[str, str],
    notes: List[str],
    *,
    where: Dict[str, str],
    given: Collection[str],
    python: str,
    sources: PackageSources,
) -> None:
    """Settle the requirements that name an address.  Changes them in place.

    Parameters
    ----------
    export : ScoringPipeline
        The export, for messages.
    lines, overrides : dict of str to str
        Requirements by canonical name, and pins that win over what packages declare.
    notes : list of str
        Gets a sentence for each.
    where : dict of str to str
        Canonical name to the place that a requirement was read from.
    given : collection of str
        Canonical names that the user gave a requirement for; those are his own to decide.
    python : str
        Minor version of the environment's Python.
    sources : PackageSources
        Folders of wheels that may have the package.

    Raises
    ------
    EnvironmentBuildError
        An address is of a kind that is not fetched, and no wheel of the package lies at hand.
    """
    for name in sorted(lines):
        address = Requirement(lines[name]).url
        if address is None or name in given:
            continue
        told = f"{shown(address)} ({where[name]})"
        if urlsplit(address).scheme.lower() in ("http", "https"):
            _check_variables(export, name, address, where[name])
            notes.append(f"{name}: fetched from {told}, and not from the index")
            overrides[name] = lines[name]
            continue
        wheel = _wheel_at_hand(name, python, sources)
        if wheel is None:
            raise EnvironmentBuildError(_refusal(export, name, address, where[name]))
        lines[name] = overrides[name] = f"{name} @ {wheel.as_uri()}"
        notes.append(f"{name}: {wheel.name} of {wheel.parent} is taken, not {told}")


def _refusal(export: ScoringPipeline, name: str, address: str, where: str) -> str:
    return (
        f"In {export.path}, {where} asks for {name} from {shown(address)}, which is not fetched: "
        "it may hold anything by now, and an index may have another package of that name. Put a "
        "wheel of it into a folder (--find-links FOLDER), name what to install instead "
        f"(--add {name}==VERSION), or say that the model does without (--exclude {name})."
    )


def _check_variables(export: ScoringPipeline, name: str, address: str, where: str) -> None:
    # uv would put the variables of the machine that builds into the address.
    if re.search(r"\$\{", unquote(address)):
        raise EnvironmentBuildError(
            f"In {export.path}, {where} asks for {name} from {shown(address)}, and environment "
            "variables of this machine are not sent to an address that an export names; give the "
            f"whole address yourself (--add '{name} @ ADDRESS')."
        )


def _wheel_at_hand(name: str, python: str, sources: PackageSources) -> Optional[Path]:
    """The newest wheel of a package in the folders that packages come from."""
    found = []
    for folder in _folders(sources):
        for path in sorted(folder.glob("*.whl")):
            if package_name(path.name) == name:
                one = WheelName.of(path.name)
                if one.fits(python) and version_for_uv(one.version) == one.version:
                    found.append((Version(one.version), path))
    return max(found)[1] if found else None


def _folders(sources: PackageSources) -> List[Path]:
    if sources.offline_wheels is not None:
        return [sources.offline_wheels]
    places = (urlsplit(place) for place in sources.find_links)
    return [Path(unquote(place.path)) for place in places if place.scheme == "file"]
