"""Builds without CUDA in place of those with it: asked of the real uv, and installed."""

import functools
import subprocess
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import quote

import pytest
from wheels import wheel

from dai_spark import ScoringPipeline
from dai_spark.artifacts.environment import PackedEnvironment
from dai_spark.cli import main
from dai_spark.envbuild.packages.export_requirements import from_export
from dai_spark.envbuild.packages.package_sources import PackageSources
from dai_spark.environments import Choice, build_environment, download_environment
from dai_spark.errors import EnvironmentBuildError

MINOR = f"{sys.version_info.major}.{sys.version_info.minor}"
TAG = f"cp{MINOR.replace('.', '')}"


@pytest.fixture(scope="module")
def places(tmp_path_factory):
    """A folder with a wheel of PyTorch without CUDA, and a page like PyTorch's own beside it."""
    folder = tmp_path_factory.mktemp("places")
    (folder / "cpu").mkdir()
    found = wheel(
        folder / "cpu",
        "torch",
        {"torch/__init__.py": "__version__ = '1.7.1+cpu'\n"},
        version="1.7.1+cpu",
        tag=f"{TAG}-{TAG}-linux_x86_64",
    )
    link = f'<a href="cpu/{quote(found.name)}">cpu/{found.name}</a>'
    (folder / "torch_stable.html").write_text(f"<html><body>{link}</body></html>")
    return folder


@pytest.fixture(autouse=True)
def no_index(monkeypatch):
    """The index of uv has nothing, whatever this machine's is."""
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.delenv("UV_FIND_LINKS", raising=False)


@pytest.fixture
def export(tmp_path):
    """A function: an export of this suite's Python that lists one line."""

    def make(line):
        folder = tmp_path / "export"
        folder.mkdir()
        core = wheel(folder, "h2oaicore", {"h2oaicore.py": ""}, version="1.11.1",
                     tag=f"{TAG}-{TAG}-linux_x86_64")  # fmt: skip
        wheel(folder, "scoring_h2oai_experiment_ab_cd", {"x.py": ""}, version="1.0.0")
        (folder / "requirements.txt").write_text(f"{line}\n{core.name}\n")
        return folder

    return make


def lines(export, choice=None, **words):
    """The lines that are taken of an export, and what is said of them."""
    wanted = from_export(ScoringPipeline(export), choice or Choice(), PackageSources.of(**words))
    return [line for line in wanted.lines if "resources" not in line], "\n".join(wanted.notes)


def test_pytorch_is_built_in_without_cuda(export, places, tmp_path, capsys):
    """As a user names a folder: said with its reason, and installed."""
    listed, output = export("torch==1.7.1"), tmp_path / "torch.tar.zst"
    words = ["env", "build", "--reference", str(listed), "--python", sys.executable]
    assert main([*words, "--find-links", str(places / "cpu"), "-o", str(output)]) == 0
    assert "torch==1.7.1+cpu instead of torch==1.7.1, its build without CUDA" in (
        capsys.readouterr().err
    )
    assert PackedEnvironment(output).manifest.packages["torch"] == "1.7.1+cpu"


@pytest.mark.parametrize("listed", ["torch==1.7.1+cu110", "Torch == 1.7.1", "torch==1.7.1+cpu"])
def test_however_the_export_pins_it(export, places, listed):
    """With the version of CUDA behind it, or spelt otherwise."""
    assert lines(export(listed), find_links=[str(places / "cpu")])[0] == ["torch==1.7.1+cpu"]


def test_a_page_that_links_to_wheels_will_do(export, places):
    """As a file, and from a server; as an index, too, which is uv's own setting."""
    listed = export("torch==1.7.1+cu110")
    page = places / "torch_stable.html"
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(places))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        handler.log_message = lambda *_: None
        threading.Thread(target=server.serve_forever, daemon=True).start()
        served = f"http://127.0.0.1:{server.server_port}/torch_stable.html"
        for place in (page.as_uri(), served):
            assert lines(listed, find_links=[place])[0] == ["torch==1.7.1+cpu"]
        server.shutdown()


def test_uvs_own_settings_name_places_too(export, places, monkeypatch):
    """A build that names none goes by them."""
    monkeypatch.setenv("UV_FIND_LINKS", str(places / "cpu"))
    assert lines(export("torch==1.7.1"), find_links=[])[0] == ["torch==1.7.1+cpu"]


def test_nothing_offers_a_build_without_cuda(export, tmp_path):
    """A pin that the index may have is kept, and said; one that it cannot have ends the build."""
    found, said = lines(export("torch==1.7.1"), find_links=[])
    assert found == ["torch==1.7.1"]
    assert (
        "no place that packages come from has torch==1.7.1+cpu for this Python: --find-links"
        in said
    )
    (tmp_path / "export" / "requirements.txt").write_text("torch==1.7.1+cu110\n")
    with pytest.raises(EnvironmentBuildError, match=r"pins torch==1\.7\.1\+cu110.*--exclude torch"):
        lines(tmp_path / "export", find_links=[])
    found, said = lines(tmp_path / "export", Choice(keep=("torch",)), find_links=[])
    assert found == ["torch==1.7.1+cu110"]
    assert lines(tmp_path / "export", Choice(exclude=("torch",)), find_links=[])[0] == []


def test_a_place_that_is_not_there(export, tmp_path):
    """One sentence that names it."""
    listed = export("torch==1.7.1")
    with pytest.raises(EnvironmentBuildError, match="names /nowhere/wheels, where nothing lies"):
        lines(listed, find_links=["/nowhere/wheels"])
    with pytest.raises(EnvironmentBuildError, match=r"Failed to read .*/nowhere"):
        lines(listed, find_links=["file:///nowhere"])


def test_tensorflow_and_xgboost_have_names_of_their_own(export, tmp_path):
    """TensorFlow's was its plain name before 1.15; --keep takes what is listed."""
    listed = export("tensorflow-gpu==1.13.1\nxgboost==2.1.4")
    found, said = lines(listed, find_links=[])
    assert found == ["tensorflow==1.13.1", "xgboost-cpu==2.1.4"]
    assert "tensorflow-gpu: tensorflow==1.13.1 instead of tensorflow-gpu==1.13.1" in said
    assert "xgboost==2.1.4" in lines(listed, Choice(keep=("xgboost",)), find_links=[])[0]
    (listed / "requirements.txt").write_text("tensorflow_gpu==2.4.4+nv1\nxgboost==0.9\n")
    assert lines(listed, find_links=[])[0] == ["tensorflow-cpu==2.4.4", "xgboost==0.9"]


@pytest.mark.long
def test_what_was_chosen_is_carried(export, places, tmp_path):
    """Collected on one side, the other side finds it in the folder alone, and the same bytes."""
    listed = export("torch==1.7.1")
    words = {"reference": listed, "find_links": [str(places / "cpu")]}
    # pip, which fetches, comes from an index.
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("UV_NO_INDEX")
        folder = download_environment(tmp_path / "carried", python=sys.executable, **words)
    assert [path.name.partition("-cp")[0] for path in (folder / "wheels").iterdir()] == [
        "torch-1.7.1+cpu"
    ]
    offline = build_environment(tmp_path / "offline.tar.zst", reference=listed, offline=folder)
    online = build_environment(tmp_path / "online.tar.zst", python=sys.executable, **words)
    assert offline.path.read_bytes() == online.path.read_bytes()
    assert online.manifest.packages["torch"] == "1.7.1+cpu"
    command = "sha256sum --check --strict --quiet SHA256SUMS"
    subprocess.run(command.split(), cwd=folder, timeout=30, check=True)
