"""The documentation is a site that stands alone and shows all that is public, and no more."""

import pydoc
import re
import subprocess
import sys
from pathlib import Path

import pytest

import dai_spark
from dai_spark import environments, errors, files, testing

if sys.version_info < (3, 10):
    pytest.skip("Sybil, Sphinx and MLflow have left Python 3.9.", allow_module_level=True)

from sphinx.util.inventory import InventoryFile

import dai_spark.mlflow

ROOT = Path(__file__).resolve().parent.parent.parent
BUILD_LIMIT_S = 120


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site as `make docs` builds it: a link that leads nowhere, or any other warning, fails."""
    folder = tmp_path_factory.mktemp("site")
    words = ["-W", "--keep-going", "-q", "-E", "-b", "html", "-d", str(folder / "doctrees")]
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", *words, str(ROOT / "docs"), str(folder / "html")],
        capture_output=True,
        text=True,
        timeout=BUILD_LIMIT_S,
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


def test_the_site_shows_what_is_public(site):
    """Each name of the public modules has a place, and nothing else of the package has one."""
    with (site / "objects.inv").open("rb") as stream:
        inventory = InventoryFile.load(stream, "", lambda base, uri: uri)
    shown = [
        name
        for kind in ("py:function", "py:class", "py:exception")
        for name in inventory.get(kind, {})
    ]
    public = [
        f"{module.__name__}.{name}"
        for module in (dai_spark, environments, errors, files, dai_spark.mlflow, testing)
        for name in module.__all__
        # Constants are told where they are taken.
        if not name.isupper()
    ]
    # As objects: the inventory has some of them by two names.
    assert {pydoc.locate(name) for name in shown} == {pydoc.locate(name) for name in public}


def test_the_site_asks_no_other_host(site):
    """Fonts, scripts, styles and pictures are its own: it is read where there is no network."""
    loading = re.compile(
        r"""<(?:script|img|link|iframe)\b[^>]*\b(?:src|href)=["'](?:https?:)?//[^"']*"""
        r"""|url\(["']?(?:https?:)?//[^)]*\)|@import ["'](?:https?:)?//[^"']*"""
    )
    found = {}
    for path in [*site.rglob("*.html"), *site.rglob("*.css")]:
        asked = loading.findall(path.read_text(encoding="utf-8"))
        if asked:
            found[path.name] = asked
    assert found == {}
