"""Fills a folder with wheels of given versions: with pip, since uv has no command for that.

pip runs in the Python that the wheels are for, so it takes what that Python takes, and builds a
wheel where a release has none.  It is the last pip that supports this Python, lies in a folder
of its own, and leaves nothing in the Python.
"""

import os
import re
from pathlib import Path
from typing import Callable, Dict, Optional, Sequence, Tuple

from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename

from dai_spark.envbuild.lists.plain_text import shown
from dai_spark.envbuild.packages.package_sources import PackageSources
from dai_spark.envbuild.packages.uv import find_uv, run_uv
from dai_spark.envbuild.tool_run import run_tool
from dai_spark.errors import EnvironmentBuildError

__all__ = ["collect_wheels"]

_LIMIT_S = 1800
# pip keeps what it fetched only at its end: a run that is cut off loses one batch.
_BATCH = 10
# pip's variables, and those of uv, which resolved by them: pip must use the same indexes.
_UV_VARIABLES = {
    "PIP_INDEX_URL": ("UV_DEFAULT_INDEX", "UV_INDEX_URL"),
    "PIP_EXTRA_INDEX_URL": ("UV_INDEX", "UV_EXTRA_INDEX_URL"),
    "PIP_FIND_LINKS": ("UV_FIND_LINKS",),
    "PIP_NO_INDEX": ("UV_NO_INDEX",),
    "PIP_TRUSTED_HOST": ("UV_INSECURE_HOST",),
    "PIP_CERT": ("PIP_CERT", "SSL_CERT_FILE"),
}
_LISTS = ("PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS")


def collect_wheels(
    python: Path,
    packages: Dict[str, str],
    folder: Path,
    staging: Path,
    sources: PackageSources,
    is_intact: Callable[[Path], bool],
    on_message: Callable[[str], None],
) -> None:
    """Fill a folder with one wheel of each package, and remove everything else from it.

    Parameters
    ----------
    python : Path
        Executable that the wheels are for.
    packages : dict of str to str
        ``name==version`` to what pip is asked for: the same, perhaps with ``--hash=``.  Or the name
        alone to ``name @ https://...``, which is fetched again at each call.
    folder : Path
        Made where it does not exist; wheels in it are not fetched again.
    staging : Path
        Folder on the same disk, for pip and for wheels that are being fetched.
    sources : PackageSources
        Where the wheels come from.
    is_intact : callable
        Tells whether a file of `folder` is as it was fetched.
    on_message : callable
        Gets a sentence at each step.

    Raises
    ------
    EnvironmentBuildError
        pip could not fetch or build them; details hold its own words.
    """
    folder.mkdir(parents=True, exist_ok=True)
    absent = {_key(*name.partition("==")[::2]): name for name in packages}
    for path in sorted(folder.iterdir()):
        key = _key_of(path)
        if key in absent and is_intact(path):
            del absent[key]
        else:
            path.unlink()
    missing = sorted(absent.values())
    on_message(f"{len(packages) - len(missing)} of {len(packages)} wheels are here already")
    if not missing:
        return
    tools, fetched = staging / "tools", staging / "fetched"
    # Projects of these Pythons' time are built with setuptools and wheel beside pip.
    names = ["pip", "setuptools", "wheel"]
    run_uv([find_uv(), "pip", "install", "--python", str(python), "--target", str(tools),
            "--link-mode", "copy", "--no-progress", *names], str(staging))  # fmt: skip
    for begin in range(0, len(missing), _BATCH):
        batch = missing[begin : begin + _BATCH]
        on_message(f"fetching {', '.join(batch)}")
        _fetch(python, tools, [packages[name] for name in batch], fetched, sources)
        for wheel in fetched.iterdir():
            wheel.replace(folder / wheel.name)
        on_message(f"{begin + len(batch)} of {len(missing)} fetched")


def _fetch(
    python: Path, tools: Path, requirements: Sequence[str], to: Path, sources: PackageSources
) -> None:
    # pip compares digests of all that it is asked for at once, or of nothing.
    hashed = [text for text in requirements if " --hash=" in text]
    plain = [text for text in requirements if text not in hashed]
    for texts in filter(None, (plain, hashed)):
        _pip(python, tools, texts, to, sources)


def _pip(
    python: Path, tools: Path, requirements: Sequence[str], to: Path, sources: PackageSources
) -> None:
    # In a file, which takes digests, and which nobody else on the machine can read.
    listing = tools / "wanted.txt"
    listing.write_text("\n".join(requirements) + "\n", encoding="utf-8")
    named = ", ".join(shown(text) for text in requirements)
    command = [str(python), "-s", "-B", "-m", "pip", "wheel", "--no-deps", "--no-input"]
    command += ["--disable-pip-version-check", "--progress-bar", "off", "--wheel-dir", str(to)]
    done = run_tool(
        [*command, "--requirement", str(listing)],
        env=_environment(tools, sources),
        cwd=tools,
        limit_s=_LIMIT_S,
        late=f"pip did not fetch {named} within {{limit_s}} s; see whether the "
        "package index answers, and repeat the command: what is fetched stays.",
    )
    if done.returncode != 0:
        raise EnvironmentBuildError(
            f"pip could not fetch or build {named}: {_reason(done.stderr)}",
            details=done.stderr,
        )


def _environment(tools: Path, sources: PackageSources) -> Dict[str, str]:
    dropped = {"PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "PIP_TARGET", "PIP_PREFIX"}
    kept = {name: value for name, value in os.environ.items() if name not in dropped}
    for name, others in _UV_VARIABLES.items():
        found = [os.environ[other] for other in others if os.environ.get(other)][:1]
        if name in _LISTS and name in kept:
            found.append(kept[name])
        # uv allows a name before an address (`ours=https://...`) and commas between paths.
        texts = [re.sub(r"(^|\s)[\w.-]+=(?=\w+://)", r"\1", text) for text in found]
        if texts:
            kept[name] = " ".join(texts).replace(",", " ")
    links = [*sources.find_links, *filter(None, [kept.get("PIP_FIND_LINKS")])]
    if links:
        kept["PIP_FIND_LINKS"] = " ".join(links)
    return {**kept, "PYTHONPATH": str(tools)}


def _reason(said: str) -> str:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    named = [line.partition(": ")[2] for line in lines if line.startswith("ERROR: ")]
    return " ".join(named[:1] or lines[-1:]) or "it said nothing."


def _key(name: str, version: str) -> Tuple[str, str]:
    return str(canonicalize_name(name)), version


def _key_of(path: Path) -> Optional[Tuple[str, str]]:
    try:
        name, version, _, _ = parse_wheel_filename(path.name)
    except InvalidWheelFilename:
        return None
    return _key(name, str(version))
