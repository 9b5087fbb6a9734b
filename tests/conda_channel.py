"""A conda channel of a few packages, built by rattler-build from a Python and wheels found here."""

import asyncio
import json
import shutil
import tempfile
import zipfile
from pathlib import Path

from dai_spark.envbuild.offline.wheelhouse import collect_wheels
from dai_spark.envbuild.packages.package_sources import NETWORK
from dai_spark.envbuild.prefix.bundle import bundle_libraries
from dai_spark.envbuild.python.interpreter import find_interpreter
from dai_spark.envbuild.python.relocate import copy_interpreter

# What a channel of one's own may well have of DAI 1.10: compiled and pure, and not all of it.
WHEELS = {"numpy": "1.22.0", "pytz": "2025.1", "six": "1.17.0"}

PYTHON_RECIPE = """
package: {{name: python, version: "{version}"}}
build:
  number: 0
  script:
    - cp -a {source}/. $PREFIX/
    - sed -i "s|{prefix}|$PREFIX|g" $PREFIX/lib/python{minor}/_sysconfigdata*.py
    - printf '#!%s/bin/python{minor}\\nimport sys; print(sys.prefix)\\n' $PREFIX > $PREFIX/bin/where
    - chmod +x $PREFIX/bin/where
  dynamic_linking: {{binary_relocation: false, overlinking_behavior: ignore}}
about: {{license: PSF-2.0}}
"""
WHEEL_RECIPE = """
package: {{name: {name}, version: "{version}"}}
build:
  number: 0
  script:
    - mkdir -p $PREFIX/lib/python{minor}/site-packages
    - cp -a {source}/. $PREFIX/lib/python{minor}/site-packages/
  dynamic_linking: {{binary_relocation: false, overlinking_behavior: ignore}}
requirements:
  run: ["python {minor}.*"]
about: {{license: BSD-3-Clause}}
"""


HOLLOW_RECIPE = """
package: {{name: {name}, version: "{version}"}}
build:
  number: 0
  script: [mkdir -p $PREFIX/share, touch $PREFIX/share/{name}]
requirements:
  run: {needs}
about: {{license: BSD-3-Clause}}
"""


def build_packages(channel, *packages):
    """Build a channel of packages with one empty file each: name, version, what it needs."""
    _build(
        channel,
        [
            HOLLOW_RECIPE.format(name=name, version=version, needs=json.dumps(needs))
            for name, version, needs in packages
        ],
    )


def _build(channel, recipes):
    from rattler.index import index_fs
    from rattler_build import Stage0Recipe

    for subdir in ("noarch", "linux-64"):
        (channel / subdir).mkdir(parents=True)
    asyncio.run(index_fs(channel))
    with tempfile.TemporaryDirectory() as folder:
        for i, text in enumerate(recipes):
            path = Path(folder) / f"recipe-{i}" / "recipe.yaml"
            path.parent.mkdir()
            path.write_text(text)
            Stage0Recipe.from_file(path).run_build(
                channels=[channel.as_uri()], output_dir=channel, package_format="conda:1"
            )
    # The builds leave older forms of the index behind.
    asyncio.run(index_fs(channel, force=True))
    shutil.rmtree(channel / "bld", ignore_errors=True)


def kept_channel():
    """URL of a channel with a real Python 3.8, NumPy and two more, kept in build/."""
    path = Path(__file__).resolve().parents[1] / "build" / "tests" / "channel"
    if not path.exists():
        aside = path.with_name("channel.part")
        shutil.rmtree(aside, ignore_errors=True)
        build_channel(aside, "3.8")
        aside.replace(path)
    return path.as_uri()


def build_channel(channel, minor):
    """Build it in the folder `channel`."""
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        found = find_interpreter(minor, on_message=lambda _: None)
        source = folder / "python"
        source.mkdir()
        python = copy_interpreter(found, source, lambda _: None)
        for record in found.stdlib[0].glob("_sysconfigdata*.py"):
            shutil.copy(record, source / "lib" / f"python{minor}")
        bundle_libraries(source, origin=found.prefix, on_message=lambda _: None)
        recipes = [
            PYTHON_RECIPE.format(
                version=found.version, source=source, prefix=found.prefix, minor=minor
            )
        ]
        wheels = folder / "wheels"
        pins = {f"{name}=={version}": f"{name}=={version}" for name, version in WHEELS.items()}
        collect_wheels(python, pins, wheels, folder, NETWORK, lambda _: True, lambda _: None)
        for wheel in wheels.iterdir():
            name, version = wheel.name.split("-")[:2]
            with zipfile.ZipFile(wheel) as content:
                content.extractall(folder / name)
            about = folder / name / f"{name}-{version}.dist-info"
            (about / "INSTALLER").write_text("conda\n")
            recipes.append(
                WHEEL_RECIPE.format(name=name, version=version, source=folder / name, minor=minor)
            )
        _build(channel, recipes)
