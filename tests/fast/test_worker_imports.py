"""Finders within archives that do not change are forgotten, and what they find is not."""

import importlib
import sys
import zipfile
import zipimport

import pytest

from dai_spark.client.spark_hooks.worker_imports import settle_imports


@pytest.fixture
def archives(tmp_path, monkeypatch):
    """Two archives to import from, of which Spark's is in PYTHONPATH; a package in each."""
    found = {}
    for name in ("of_spark", "of_user"):
        path = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr(f"{name}/__init__.py", "")
            archive.writestr(f"{name}/first.py", "")
            archive.writestr(f"{name}/second.py", f"word = {name!r}")
        monkeypatch.syspath_prepend(str(path))
        importlib.import_module(f"{name}.first")
        found[name] = str(path)
    monkeypatch.setenv("PYTHONPATH", f"/nowhere:{found['of_spark']}")
    yield found
    for name in [name for name in sys.modules if name.split(".")[0] in found]:
        del sys.modules[name]


def finders_of(archive):
    """Paths within an archive for which a finder is kept."""
    kept = sys.path_importer_cache.items()
    return [
        path
        for path, finder in kept
        if isinstance(finder, zipimport.zipimporter) and finder.archive == archive
    ]


def test_those_of_sparks_archives_are_forgotten(archives):
    """Of the archive and of the packages within; a py-file of the user's may be overwritten."""
    assert len(finders_of(archives["of_spark"])) == 2
    settle_imports()
    assert finders_of(archives["of_spark"]) == []
    assert len(finders_of(archives["of_user"])) == 2


def test_imports_go_on(archives):
    """From a package that has been imported, and after Spark's worker has invalidated caches."""
    settle_imports()
    importlib.invalidate_caches()
    for name in archives:
        second = importlib.import_module(f"{name}.second")
        assert second.word == name
