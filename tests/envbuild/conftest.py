"""A small environment that is built for real, and exports that only list what they need."""

import sys
from types import SimpleNamespace

import pytest
from wheels import wheel

from dai_spark import ScoringPipeline
from dai_spark.artifacts.extract import extract_archive
from dai_spark.envbuild.build import build_from_requirements
from dai_spark.envbuild.packages.requirements import RequirementSet

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """A packed environment of the Python that runs the suite and one package, and what was said."""
    folder = tmp_path_factory.mktemp("small")
    tiny = wheel(
        folder,
        "tiny",
        {
            "tiny.py": "def main():\n    import sys\n    print('tiny in', sys.prefix)\n",
            "tiny-1.0.dist-info/entry_points.txt": "[console_scripts]\ntiny = tiny:main\n",
        },
    )
    wanted = RequirementSet(MINOR, "1.10", None, (f"tiny @ {tiny.as_uri()}",), (), (), "a test", ())
    output = folder / "small.tar.zst"
    said = []

    def build():
        return build_from_requirements(
            output, wanted, python=sys.executable, on_message=said.append
        )

    return SimpleNamespace(
        environment=build(), output=output, build=build, said=said, wanted=wanted
    )


@pytest.fixture(scope="session")
def unpacked(small, tmp_path_factory):
    """The small environment, unpacked in a folder that was not known when it was built."""
    folder = tmp_path_factory.mktemp("elsewhere") / "unpacked"
    extract_archive(small.output, folder)
    return folder


@pytest.fixture(scope="session")
def folder_export():
    """A function that writes an unpacked export: a core wheel, one more, and the scoring wheel."""

    def write(folder, *wheels, **texts):
        folder.mkdir()
        for name in (
            "h2oaicore-1.10.7.3-cp38-cp38-linux_x86_64.whl",
            "datatable-0.11.1-cp38-cp38-linux_x86_64.whl",
            "scoring_h2oai_experiment_ab_cd-1.0.0-py3-none-any.whl",
            *wheels,
        ):
            (folder / name).write_text("")
        for name, text in texts.items():
            (folder / name.replace("_txt", ".txt").replace("_yml", ".yml")).write_text(text)
        return ScoringPipeline(folder)

    return write


@pytest.fixture(scope="session")
def listed_requirements():
    """A requirements.txt of an export that trained, with packages that scoring never uses."""
    return (
        "numpy==1.22.0\nplotly==4.14.3\ncupy-cuda110==9.0.0\npyorc==0.4.0\nbotocore==1.20.0\n"
        "requests==2.26.0\nh2oaicore-1.10.7.3-cp38-cp38-linux_x86_64.whl\n"
    )
