"""Exports with odd lists, built for real by the command line: with an index, and from a folder."""

import subprocess
import sys

import pytest
from wheels import wheel

from dai_spark.artifacts.extract import extract_archive
from dai_spark.cli import main
from dai_spark.envbuild.packages.wheel_file import installable_wheel
from dai_spark.environments import PackedEnvironment
from dai_spark.errors import EnvironmentBuildError

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
TAG = f"cp{MINOR.replace('.', '')}"


@pytest.fixture(scope="module")
def odd_export(tmp_path_factory):
    """An export as 1.7 made them: an old wheel, a repository, an address, all in odd spelling."""
    folder = tmp_path_factory.mktemp("odd")
    export, index = folder / "export", folder / "index"
    export.mkdir()
    index.mkdir()
    core = wheel(export, "h2oaicore", {"h2oaicore.py": ""}, version="1.7.0",
                 tag=f"{TAG}-{TAG}-linux_x86_64", needs=("datatable",))  # fmt: skip
    old = wheel(export, "datatable", {"datatable.py": "n = 7"}, version="0.8.0.dai-1.73",
                tag=f"{TAG}-{TAG}-linux_x86_64", needs=("tiny",))  # fmt: skip
    local = wheel(export, "ours", {"ours.py": ""}, version="1.0+cpu")
    local.rename(local.with_name(local.name.replace("+", "%2B")))
    wheel(export, "scoring_h2oai_experiment_ab_cd", {"x.py": ""}, version="1.0.0")
    wheel(index, "pandas_ml", {"pandas_ml.py": ""}, version="0.6")
    wheel(index, "tiny", {"tiny.py": ""})
    lines = (
        "# odd\n\ntiny == 1.0 \\\n   # once\n-e git+https://host/pandas-ml#egg=pandas-ml\n"
        f"--index-url http://127.0.0.1:9/evil\n{old.name}\n{core.name}\n./{local.name}\n"
    )
    (export / "requirements.txt").write_bytes(
        b"\xef\xbb\xbf" + lines.replace("\n", "\r\n").encode()
    )
    (export / "environment.yml").write_text(
        "dependencies:\n  - python==3.6.5\n  - tornado==5.1.1\n"
        "  - pip:\n    - -r requirements.txt\n"
    )
    return export, index


def test_an_odd_export_is_built_and_carried(odd_export, tmp_path, capsys):
    """By the command line, by uv and from the folder that was collected: the same packages."""
    export, index = odd_export
    where = ["--reference", str(export), "--python", sys.executable, "--find-links", str(index)]
    online, offline = tmp_path / "online.tar.zst", tmp_path / "offline.tar.zst"
    refused = ["env", "build", "--reference", str(export), "-o", str(online)]
    assert main([*refused, "--python", sys.executable]) == 1
    said = capsys.readouterr().err
    assert "line 5 of requirements.txt asks for pandas-ml" in said
    assert main(["env", "build", *where, "-o", str(online)]) == 0
    said = capsys.readouterr().err
    for words in (
        "pandas_ml-0.6-py3-none-any.whl of",
        "it is installed from that file as 0.8.0+dai",
        "--index-url http://127.0.0.1:9/evil (line 6 of",
        "tornado==5.1.1 (line 3 of",
    ):
        assert words in said
    packages = PackedEnvironment(online).manifest.packages
    assert packages == {"datatable": "0.8.0+dai.1.73", "h2oaicore": "1.7.0", "ours": "1.0+cpu",
                        "pandas_ml": "0.6", "tiny": "1.0"}  # fmt: skip
    carried = tmp_path / "carried"
    assert main(["env", "download", *where, "--to", str(carried)]) == 0
    words = ["--reference", str(export), "--offline", str(carried), "-o", str(offline)]
    assert main(["env", "build", *words]) == 0
    assert "pandas_ml-0.6-py3-none-any.whl of" in capsys.readouterr().err
    assert offline.read_bytes() == online.read_bytes()
    home = tmp_path / "home"
    extract_archive(offline, home)
    code = "import datatable, pandas_ml, h2oaicore, ours; print(datatable.n)"
    answer = subprocess.run(
        [str(home / "bin" / f"python{MINOR}"), "-c", code],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert answer.stdout == "7\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("other-1.0-py3-none-any.whl", "holds honest 1.0, which is not what its name says"),
        ("honest-2.0-py3-none-any.whl", "holds honest 1.0, which is not what its name says"),
        ("honest-1.0.dai-py3-none-any.whl", "holds honest 1.0, which is not what its name says"),
        ("Honest-1.0.0-7-py3-none-any.whl", None),
    ],
)
def test_a_wheel_is_what_its_name_says(tmp_path, name, words):
    """A renamed one is another package: a sentence, before anything is installed."""
    path = wheel(tmp_path, "honest", {"honest.py": ""}).rename(tmp_path / name)
    if words is None:
        assert installable_wheel(path) == path
        return
    with pytest.raises(EnvironmentBuildError, match=words):
        installable_wheel(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut off"])
def test_a_damaged_wheel_is_told(tmp_path, content):
    """With its name, and no traceback."""
    path = tmp_path / "honest-1.0-py3-none-any.whl"
    path.write_bytes(content)
    with pytest.raises(EnvironmentBuildError, match=r"honest-1\.0-.* cannot be read as a wheel"):
        installable_wheel(path)
