"""Where a pipeline may lie (a folder, a URI, an OCI registry), and that it is the one named."""

import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path
from uuid import uuid4

import pytest
from oci_registries import OciServer
from processes import wait_until
from scoring_server import same

from dai_spark.errors import (
    ChecksumError,
    ModelRegistryError,
    OptionError,
    PipelineNotFoundError,
    RegistryUnreachableError,
)
from dai_spark.registry.checksum import checked_sha256
from dai_spark.registry.oci.oci_pipeline import oci_pipeline, oci_state, push_pipeline
from dai_spark.registry.pipeline_place import pipeline_at
from dai_spark.registry.remote_file import remote_file, remote_state

# Of `htpasswd -Bbn scorer secret`.
HTPASSWD = "scorer:$2b$05$hglhPPKBwP2xx8Sw3dXlTuFezh9iXut6OC6lGCPez6.cf6twBoMT.\n"


def sha256(path):
    """Of a file."""
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def run(*words, **variables):
    """A command of dai-spark's."""
    return subprocess.run(
        [sys.executable, "-m", "dai_spark.cli", *map(str, words)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def registry(tmp_path_factory):
    """A registry that lets everybody in."""
    found = OciServer(tmp_path_factory.mktemp("registry"))
    yield found
    found.close()


@pytest.fixture
def told():
    """What was told."""
    return []


# -- folders and URIs ----------------------------------------------------------------------------


def test_the_pipeline_in_a_folder(export, tmp_path, told):
    """The one zip of a folder, at any depth; several are refused; nothing is copied."""
    folder = tmp_path / "model"
    (folder / "deep").mkdir(parents=True)
    with pytest.raises(PipelineNotFoundError, match="none"):
        pipeline_at(str(folder), told.append)
    zipped = folder / "deep" / "scorer.zip"
    shutil.copy(export(), zipped)
    for place in (str(folder), zipped, f"file://{zipped}", f"file:{folder}/"):
        assert pipeline_at(place, told.append).pipeline == zipped
    # As Kubernetes mounts what changes at once: a link to a folder with a time for its name.
    (folder / "..2026").mkdir()
    shutil.copy(zipped, folder / "..2026")
    assert pipeline_at(str(folder), told.append).pipeline == zipped
    shutil.copy(zipped, folder / "other.zip")
    with pytest.raises(PipelineNotFoundError, match=r"other\.zip"):
        pipeline_at(str(folder), told.append)
    assert told == []


def test_the_pipeline_behind_a_uri(export, tmp_path, told):
    """A zip, a folder with one, an unpacked export: copied by what pyarrow has for the scheme."""
    zipped = tmp_path / "model" / "scorer.zip"
    zipped.parent.mkdir()
    shutil.copy(export(), zipped)
    for uri in (f"file://{zipped.parent}/", f"file://{zipped}"):
        found = remote_file(uri, told.append)
        assert found != zipped
        assert found.name == "scorer.zip"
        assert sha256(found) == sha256(zipped)
        assert "fetching" in told.pop()
        before = remote_state(uri)
        os.utime(zipped, (len(uri), len(uri)))
        assert remote_state(uri) != before
    unpacked = export(layout="unpacked")
    found = remote_file(f"file://{unpacked}", told.append)
    assert found != unpacked
    assert {file.name for file in found.rglob("*")} == {file.name for file in unpacked.rglob("*")}
    shutil.copy(zipped, zipped.parent / "other.zip")
    with pytest.raises(PipelineNotFoundError, match=r"other\.zip"):
        remote_file(f"file://{zipped.parent}", told.append)
    with pytest.raises(PipelineNotFoundError, match="no pipeline at"):
        remote_file(f"file://{zipped}.none", told.append)


def test_a_store_that_nobody_knows(told):
    """It is refused in a sentence."""
    with pytest.raises(OptionError, match="cannot be copied"):
        pipeline_at("no://bucket/x", told.append)


# -- OCI registries ------------------------------------------------------------------------------


def test_an_artefact_by_tag_and_by_digest(registry, export, told):
    """Pushed by the command line, found by both, fetched once; a digest stays what it was."""
    uri = f"oci://{registry.address}/models/late:1"
    pushed = run("pipeline", "push", export(), uri)
    assert pushed.returncode == 0, pushed.stderr
    by_digest = pushed.stdout.strip()
    assert by_digest.startswith(f"oci://{registry.address}/models/late@sha256:")
    path, origin = oci_pipeline(uri, told.append)
    assert sha256(path) == sha256(export())
    assert f"{uri} is {by_digest}" in told
    assert (origin.name, origin.version) == ("late", by_digest.partition("@")[2])
    told.clear()
    assert oci_pipeline(by_digest, told.append)[0] == path
    assert told == []
    assert f"sha256:{oci_state(uri)}" == origin.version
    push_pipeline(export(n_trees=21), uri)
    assert f"sha256:{oci_state(uri)}" != origin.version
    assert oci_pipeline(by_digest, told.append)[0] == path
    assert sha256(oci_pipeline(uri, told.append)[0]) == sha256(export(n_trees=21))
    shown = run("info", by_digest)
    assert "target      late" in shown.stdout, shown.stderr


@pytest.mark.parametrize(
    ("uri", "what"),
    [
        ("oci://{}/models/late", "neither a tag nor a digest"),
        ("oci://{}/models/late@sha256:12", "names no artefact"),
        ("oci://{}/Models:1", "names no artefact"),
        ("oci://{}", "names no artefact"),
    ],
)
def test_a_uri_that_names_no_artefact(registry, uri, what):
    """It is refused before anybody is asked."""
    with pytest.raises(OptionError, match=what):
        oci_state(uri.format("127.0.0.1:1"))


def test_what_a_registry_has_not(registry, told):
    """A tag, a repository, a digest; a registry that is not there."""
    for ending in (":none", f"@sha256:{'0' * 64}"):
        with pytest.raises(ModelRegistryError, match="has no such artefact"):
            oci_pipeline(f"oci://{registry.address}/models/other{ending}", told.append)
    why = r"cannot be reached \(\[Errno 111\] Connection refused\); is it up"
    with pytest.raises(RegistryUnreachableError, match=why):
        oci_pipeline("oci://127.0.0.1:1/models/late:1", told.append)


def test_a_registry_that_sends_something_else(registry, export, told, tmp_path):
    """An altered zip, and an altered manifest, are refused and not kept."""
    # Of a content that no run before has fetched: what is kept by its digest is not asked for.
    pushed = tmp_path / "scorer.zip"
    shutil.copy(export(), pushed)
    with zipfile.ZipFile(pushed, "a") as made:
        made.comment = uuid4().bytes
    uri = push_pipeline(pushed, f"oci://{registry.address}/altered:1")
    blob = registry.blobs(sha256(pushed))
    whole = blob.read_bytes()
    blob.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ChecksumError, match="what the registry has sent"):
        oci_pipeline(uri, told.append)
    blob.write_bytes(whole)
    assert sha256(oci_pipeline(uri, told.append)[0]) == sha256(pushed)
    manifest = registry.blobs(uri.rpartition(":")[2])
    manifest.write_bytes(manifest.read_bytes() + b" ")
    # Either side may see it first.
    with pytest.raises((ChecksumError, ModelRegistryError)):
        oci_pipeline(uri, told.append)


def test_an_artefact_that_is_no_pipeline(registry, told, tmp_path):
    """Several files, none of them a zip."""
    from oras.client import OrasClient

    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(name)
    OrasClient(hostname=registry.address, insecure=True).push(
        f"{registry.address}/texts:1",
        files=[str(tmp_path / "a.txt"), str(tmp_path / "b.txt")],
        disable_path_validation=True,
        quiet=True,
    )
    with pytest.raises(ModelRegistryError, match=r"a\.txt, b\.txt"):
        oci_pipeline(f"oci://{registry.address}/texts:1", told.append)


def test_credentials_come_from_the_auth_file(export, tmp_path, monkeypatch, told):
    """The file that REGISTRY_AUTH_FILE names; without one, or with wrong ones, a sentence."""
    bcrypt = tmp_path / "htpasswd"
    bcrypt.write_text(HTPASSWD)
    server = OciServer(tmp_path, bcrypt)
    try:
        auth = tmp_path / "auth.json"
        uri = f"oci://{server.address}/late:1"

        def credentials(text):
            told_of = {"auth": base64.b64encode(text.encode()).decode()}
            auth.write_text(json.dumps({"auths": {server.address: told_of}}))

        monkeypatch.setenv("HOME", str(tmp_path / "nobody"))
        with pytest.raises(ModelRegistryError, match="there is no auth file"):
            push_pipeline(export(), uri)
        monkeypatch.setenv("REGISTRY_AUTH_FILE", str(auth))
        with pytest.raises(OptionError, match="There is no auth file"):
            push_pipeline(export(), uri)
        credentials("scorer:wrong")
        with pytest.raises(ModelRegistryError, match="refuses this user") as refused:
            push_pipeline(export(), uri)
        assert "wrong" not in str(refused.value)
        credentials("scorer:secret")
        by_digest = push_pipeline(export(), uri)
        assert sha256(oci_pipeline(by_digest, told.append)[0]) == sha256(export())
        auth.write_text("{")
        with pytest.raises(OptionError, match="no JSON"):
            oci_pipeline(by_digest, told.append)
    finally:
        server.close()


# -- the checksum --------------------------------------------------------------------------------


def test_an_altered_zip_is_refused_before_it_is_opened(export, tmp_path, told):
    """By path, by URI and by registry; both digests are in the sentence."""
    altered = tmp_path / "scorer.zip"
    altered.write_bytes(export().read_bytes() + b"x")
    wanted = sha256(export())
    with pytest.raises(ChecksumError) as refused:
        pipeline_at(str(altered), told.append, sha256=wanted)
    assert wanted in str(refused.value)
    assert sha256(altered) in str(refused.value)
    # No zip at all: it is not even looked into.
    altered.write_bytes(b"no zip")
    with pytest.raises(ChecksumError):
        pipeline_at(str(altered), told.append, sha256=wanted)
    with pytest.raises(OptionError, match="folder"):
        pipeline_at(export(layout="unpacked"), told.append, sha256=wanted)
    assert pipeline_at(str(export()), told.append, sha256=wanted).pipeline.path == export()


@pytest.mark.parametrize("command", ["serve", "info", "predict"])
def test_a_command_refuses_an_altered_zip(command, export, packed_environment, tmp_path):
    """Exit status 2 and one sentence, by the flag or by the variable."""
    files = ("rows.csv", tmp_path / "out.csv") if command == "predict" else ()
    words = [command, export(), *files, "--env", packed_environment.path]
    variables = {}
    if command == "info":
        variables["DAI_SPARK_PIPELINE_SHA256"] = "b" * 64
    else:
        words += ["--sha256", f"sha256:{'a' * 64}"]
    found = run(*words, **variables)
    assert found.returncode == 2, found.stderr
    assert sha256(export()) in found.stderr
    assert "Traceback" not in found.stderr


def test_what_is_no_checksum_is_refused():
    """Where it was given is told."""
    with pytest.raises(OptionError, match="--sha256 'abc' is no SHA-256"):
        checked_sha256("abc", "--sha256")
    assert checked_sha256(f"sha256:{'A' * 64}\n", "it") == "a" * 64


def test_a_server_of_an_artefact(registry, serve, export, records, own, second_export):
    """It scores, tells name and digest, and follows the tag."""
    uri = f"oci://{registry.address}/models/flights:champion"
    by_digest = push_pipeline(export(), uri)
    server = serve(uri, "--reload-s", 0.3)
    assert same(server.client.post("/predict", json=records).json(), own)

    def info():
        text = server.client.get("/metrics").text
        return text.partition("dai_spark_model_info{")[2].partition("}")[0]

    assert by_digest.partition("@")[2] in info()
    assert 'name="flights"' in info()
    other = push_pipeline(second_export, uri)
    assert wait_until(lambda: other.partition("@")[2] in info(), 40)
    assert not same(server.client.post("/predict", json=records).json(), own)


def test_a_swap_holds_the_checksum(serve, export, second_export, records, own, tmp_path):
    """Another file is refused, with both digests in the log, and the old one answers."""
    folder = tmp_path / "models"
    folder.mkdir()
    path = folder / "scorer.zip"
    shutil.copyfile(export(), path)
    server = serve(folder, "--sha256", sha256(export()))
    shutil.copyfile(second_export, tmp_path / "new.zip")
    (tmp_path / "new.zip").replace(path)
    server.process.send_signal(signal.SIGHUP)
    assert wait_until(lambda: sha256(second_export) in server.log.read_text(), 40)
    assert sha256(export()) in server.log.read_text().partition("is refused")[2]
    assert 'dai_spark_swaps_total{outcome="refused"} 1' in server.client.get("/metrics").text
    assert same(server.client.post("/predict", json=records).json(), own)
    # The same file once more is the one that was named.
    shutil.copyfile(export(), path)
    server.process.send_signal(signal.SIGHUP)
    assert wait_until(
        lambda: 'swaps_total{outcome="done"} 1' in server.client.get("/metrics").text, 40
    )
