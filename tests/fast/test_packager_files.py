"""The packager's files: pack.yaml, connections, credentials, Dockerfile, and what is printed."""

import base64
import io
import json
import re
import zipfile
from decimal import Decimal

import pytest
from archives import MANIFEST, archive, member

pytest.importorskip("pydantic")

import yaml

from dai_spark._version import __version__
from dai_spark.cli import main
from dai_spark.errors import OptionError, PackagerError
from dai_spark.packager.asked.connections import connection_named, connections_of
from dai_spark.packager.asked.pack_file import CLI, REST, pack_of
from dai_spark.packager.asked.quantity import quantity
from dai_spark.packager.base_image import BaseImage, refuse_by_name
from dai_spark.packager.build_folder import lay_package, settle
from dai_spark.packager.credentials import credentials
from dai_spark.packager.dockerfile import ImageParts, dockerfile
from dai_spark.packager.entity import entity_of, shown
from dai_spark.packager.image_facts import ImageFacts

SEED = """\
id: "docker-rest-packager-example"
spec:
    integrationName: docker-rest
    artifactName: wine-model-123456789.zip
    targets:
        - connectionName: test-docker-registry
          name: docker-push
    arguments:
        imageName: "wine-test:prefix-{{ RandomUUID }}"
        workers: 4
"""
CONNECTION = """\
id: test-docker-registry
spec:
    type: docker
    uri: gcr.io/project/odahuflow
"""
WHEEL = "scoring_h2oai_experiment_4e86cfd8_ba96-1.0.0-py3-none-any.whl"


def read(tmp_path, text, **flags):
    """A pack file's content, with flags."""
    path = tmp_path / "pack.yaml"
    path.write_text(text)
    return pack_of(str(path), flags)


@pytest.fixture
def scorer(tmp_path, monkeypatch):
    """An export that nothing scores with."""
    monkeypatch.setenv("DAI_SPARK_CACHE", str(tmp_path / "cache"))
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as files:
        files.writestr("scoring_h2oai_experiment_4e86cfd8_ba96/__init__.py", "class Scorer: pass")
    path = tmp_path / "wine-model-123456789.zip"
    with zipfile.ZipFile(path, "w") as files:
        files.writestr(f"scoring-pipeline/{WHEEL}", wheel.getvalue())
        files.writestr("scoring-pipeline/requirements.txt", "h2oaicore-1.10.7.3-cp38-cp38-x.whl")
    return path


@pytest.fixture
def no_engine(tmp_path, monkeypatch):
    """A machine without docker, podman and buildah."""
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    for name in ("ENGINE", "DAI_SPARK_ENV", "REGISTRY_AUTH_FILE"):
        monkeypatch.delenv(name, raising=False)


# -- pack.yaml -----------------------------------------------------------------------------------


def test_the_seeds_example_has_its_values_and_the_defaults(tmp_path):
    """Each argument of Odahu's, with its default where that can hold."""
    pack = read(tmp_path, SEED)
    assert (pack.id, pack.integration) == ("docker-rest-packager-example", REST)
    assert pack.target("docker-push").connection_name == "test-docker-registry"
    assert pack.arguments.model_dump(by_alias=True) == {
        "imageName": "wine-test:prefix-{{ RandomUUID }}",
        "port": 5000,
        "timeout": 60,
        "workers": 4,
        "threads": 4,
        "host": "0.0.0.0",
        "dockerfileBaseImage": f"localhost/dai-spark-serving:{__version__}",
        "dockerfileAddCondaInstallation": True,
        "dockerfileCondaEnvsLocation": "/opt/conda/envs/",
    }


def test_flags_win_and_are_enough(tmp_path):
    """With a file its values are replaced one by one; without one they say all."""
    pack = read(tmp_path, SEED, port=8080, artifact_name="other.zip", **{"docker-push": "other"})
    assert (pack.arguments.port, pack.arguments.workers) == (8080, 4)
    assert pack.artifact_name == "other.zip"
    assert [one.connection_name for one in pack.targets] == ["other"]
    alone = pack_of(None, {"artifact_name": "scorer.zip", "integration_name": CLI, "port": None})
    assert set(alone.arguments.model_dump(by_alias=True)) == {
        *("imageName", "dockerfileBaseImage"),
        *("dockerfileAddCondaInstallation", "dockerfileCondaEnvsLocation"),
    }
    with pytest.raises(OptionError, match="Give the PIPELINE to pack, or -f"):
        pack_of(None, {})


@pytest.mark.parametrize(
    ("before", "after", "why"),
    [
        ("workers: 4", "worker: 4", "spec.arguments.worker is no field of it; did you mean work"),
        ("imageName:", "imagename:", "did you mean imageName?"),
        ("arguments:", "argumets:", "spec.argumets is no field of it; did you mean arguments?"),
        ("connectionName:", "connectionNam:", "did you mean connectionName?"),
        ("docker-rest\n", "docker-rst\n", "'docker-rst' is no integration"),
        ("name: docker-push", "name: docker-psh", "'docker-psh' is no target"),
        ("workers: 4", "workers: '4'", "spec.arguments.workers: input should be a valid integer"),
        ("workers: 4", "workers: 0", "spec.arguments.workers: input should be greater"),
        ("workers: 4", "workers: 4\n        port: 70000", "spec.arguments.port: input should be"),
        ("workers: 4", "workers: 4\n        workers: 5", "workers stands there twice"),
        ("workers: 4", "workers: 900\n        threads: 900", "workers x threads is 810,000"),
        ("workers: 4", "host: 'x y'", "'x y' is no address"),
        ("workers: 4", "dockerfileBaseImage: 'a\\nRUN b'", "is no name of an image"),
        ("workers: 4", "dockerfileCondaEnvsLocation: /a b", "is no absolute path"),
        ("workers: 4", "dockerfileCondaEnvsLocation: /a/../b", "is no absolute path"),
        ("docker-rest\n", "docker-cli\n", "workers is of docker-rest alone"),
        ("    artifactName: wine-model-123456789.zip\n", "", "Give the PIPELINE to pack"),
        ("id: ", "id: [", "is not YAML"),
        (SEED, "", "must hold one packaging, and holds 0"),
        (SEED, SEED + "---\n" + SEED, "holds 2"),
        (SEED, "- 1", "must have the fields id and spec"),
        (SEED, "!!python/object/apply:os.system [id]", "is not YAML"),
    ],
)
def test_what_cannot_be_meant(tmp_path, before, after, why):
    """One sentence that says where, and the nearest name."""
    assert before in SEED
    with pytest.raises(OptionError, match=re.escape(why)) as told:
        read(tmp_path, SEED.replace(before, after, 1))
    assert re.search(r"[^.?][.?]$", told.value.message)


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("1", 1),
        (1.5, Decimal("1.5")),
        ("250m", Decimal("0.25")),
        ("1Gi", 1 << 30),
        ("2G", 2 * 10**9),
        ("1e3", 1000),
        ("128974848000m", Decimal("128974848")),
        (".5", Decimal("0.5")),
        ("100n", Decimal("1e-7")),
    ],
)
def test_amounts_as_kubernetes_writes_them(text, amount):
    """Numbers, powers of ten and of two, exponents."""
    assert quantity(text) == amount


@pytest.mark.parametrize("text", ["", "1gi", "1 Gi", "-1", "0", "Gi", "1ki", "1e", "1Gi1", "nan"])
def test_amounts_that_are_none(tmp_path, text):
    """In resources they are refused with their place."""
    with pytest.raises(ValueError, match="is no"):
        quantity(text)
    limits = f"    resources:\n        limits: {{memory: '{text}'}}\n"
    with pytest.raises(OptionError, match=r"spec\.resources\.limits\.memory: "):
        read(tmp_path, SEED + limits)


def test_requests_are_within_limits(tmp_path):
    """In whatever unit each is written."""
    resources = "    resources: {limits: {cpu: 1, memory: 1Gi}, requests: {cpu: %s, memory: %s}}\n"
    assert read(tmp_path, SEED + resources % ("1000m", "1Gi")).resources.limits.cpu == 1
    for cpu, memory, why in (("1001m", "1Gi", "cpu"), ("1", "1.1G", "memory")):
        with pytest.raises(OptionError, match=f"{why} is requested"):
            read(tmp_path, SEED + resources % (cpu, memory))


# -- connections and credentials -----------------------------------------------------------------


def connections(tmp_path, text):
    """Those of a file."""
    path = tmp_path / "connections.yaml"
    path.write_text(text)
    return connections_of(str(path))


def test_connections_by_id_and_registries_by_flag(tmp_path):
    """Several in a file; a flag may name a registry itself."""
    known = connections(
        tmp_path,
        CONNECTION
        + "---\nid: amazon\nspec: {type: ecr, uri: 'https://1.ecr.example.com/a/', region: eu, "
        "passwordFile: token}\n",
    )
    assert known["test-docker-registry"].place == "gcr.io/project/odahuflow"
    amazon = known["amazon"]
    assert (amazon.registry, amazon.username) == ("1.ecr.example.com", "AWS")
    assert amazon.password_file == tmp_path / "token"
    assert (
        connection_named("127.0.0.1:5000/x", known, may_be_place=True).place == "127.0.0.1:5000/x"
    )
    for name in ("nowhere", "user:hidden@gcr.io"):
        with pytest.raises(OptionError, match="there are amazon, test-docker-registry") as found:
            connection_named(name, known, may_be_place=True)
        assert "hidden" not in found.value.text
    with pytest.raises(OptionError, match="There is no connection 'gcr.io'"):
        connection_named("gcr.io", known, may_be_place=False)


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ("    password: hidden\n", "holds password of test-docker-registry: a secret in clear"),
        ("    keySecret: hidden\n", "holds keySecret"),
        ("    Password: hidden\n", "holds Password"),
        ("    user: hidden\n", "spec.user is no field of it; did you mean username?"),
        ("    passwordFile: x\n", "has a passwordFile and no username"),
        ("    passwordFile: x\n    authFile: y\n    username: z\n", "give one of them"),
        ("---\n" + CONNECTION, "has test-docker-registry twice"),
        (" hidden: [\n", "is not YAML"),
    ],
)
def test_a_password_in_a_connection_is_refused(tmp_path, more, why):
    """And shown by no error."""
    with pytest.raises(OptionError, match=re.escape(why)) as found:
        connections(tmp_path, CONNECTION + more)
    assert "hidden" not in found.value.text


@pytest.mark.parametrize("uri", ["user:hidden@gcr.io/x", "gcr.io/x hidden"])
def test_a_uri_with_a_password_is_refused(tmp_path, uri):
    """And not shown."""
    with pytest.raises(OptionError, match="without a user's name or password") as found:
        connections(tmp_path, CONNECTION.replace("gcr.io/project/odahuflow", f"'{uri}'"))
    assert "hidden" not in found.value.text


def test_credentials_lie_in_a_file_of_this_user_and_are_taken_out_of_texts(tmp_path):
    """Of a password's file, of an auth file, of the variable; gone at the end."""
    (tmp_path / "word").write_text("s3cret pass\n")
    known = connections(tmp_path, CONNECTION + "    username: robot\n    passwordFile: word\n")
    with credentials(known["test-docker-registry"], None, {}) as login:
        assert login.file.stat().st_mode & 0o077 == 0
        auth = json.loads(login.file.read_text())["auths"]["gcr.io"]["auth"]
        assert base64.b64decode(auth) == b"robot:s3cret pass"
        assert login.without_secrets(f"failed: s3cret pass, {auth}!") == "failed: ***, ***!"
    assert not login.file.exists()
    auth_file = tmp_path / "auth.json"
    auth_file.write_text(json.dumps({"auths": {"gcr.io": {"auth": auth}}}))
    for words in ((str(auth_file), {}), (None, {"REGISTRY_AUTH_FILE": str(auth_file)})):
        with credentials(None, *words) as login:
            assert json.loads(login.file.read_text()) == json.loads(auth_file.read_text())
            assert login.without_secrets("s3cret pass") == "***"
    with credentials(None, None, {}) as login:
        assert (login.file, login.without_secrets("a")) == (None, "a")


@pytest.mark.parametrize("text", ["hidden: {", '"hidden"', "{}"])
def test_an_auth_file_that_is_none(tmp_path, text):
    """Refused without showing it."""
    path = tmp_path / "auth.json"
    path.write_text(text)
    with pytest.raises(OptionError) as found, credentials(None, str(path), {}):
        pass
    assert "hidden" not in found.value.text


# -- the base image and the Dockerfile -----------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["python:3.6", "python:3.7", "docker.io/library/python:3.8-slim", "x.io/python:2.7"]
)
def test_a_base_that_is_too_old_is_refused_by_its_name(name):
    """Before anything is fetched; the sentence says which Python, and what to take."""
    with pytest.raises(PackagerError, match=r"has Python [23]\.\d, and dai_spark wants 3\.9"):
        refuse_by_name(name)
    refuse_by_name("python:3.11-slim")
    refuse_by_name("python:3")
    refuse_by_name("python")
    with pytest.raises(PackagerError, match="musl"):
        refuse_by_name("python:3.11-alpine")


def test_a_base_is_refused_by_its_own_words():
    """By the variable of Python's images, and dai_spark's image of Spark."""
    facts = ImageFacts("0" * 64, "", {}, {"PYTHON_VERSION": "3.8.20"})
    with pytest.raises(PackagerError, match=r"mine:1 has Python 3\.8"):
        BaseImage("mine:1", facts).check()
    facts = ImageFacts("0" * 64, "", {"dai_spark.spark.version": "4.1.1"}, {})
    with pytest.raises(PackagerError, match="image of Spark"):
        BaseImage("mine:1", facts).check()


def test_times_of_images_as_engines_write_them():
    """With nine digits of a second, a Z or an offset."""
    for created in ("2026-11-27T07:12:25.123456789Z", "2026-11-27T08:12:25+01:00"):
        assert BaseImage("a", ImageFacts("0", created, {}, {})).created_s() == 1795763545
    assert BaseImage("a", None).created_s() == 0


def parts(base, target=None):
    """Of an image of a model whose name has all that breaks a Dockerfile."""
    labels = {"a": 'x"$HOME\\\nRUN evil'}
    return ImageParts(base, 'wine "$x', target, "bin/python3.8" if target else None, labels)


SERVING = ImageFacts(
    "1" * 64, "", {}, {"DAI_SPARK_ENV": "/e"}, ("/opt/dai_spark/image/serve",), True
)


def test_the_dockerfile_of_a_server_on_the_serving_image(tmp_path):
    """One small layer; every argument is a flag of the server, and a value no instruction."""
    pack = read(tmp_path, SEED, host="::", timeout=7)
    text = dockerfile(pack, parts(BaseImage("base:1", SERVING)))
    lines = text.splitlines()
    assert lines[0] == "FROM base:1"
    assert not [line for line in lines if line.startswith(("RUN", "HEALTHCHECK"))]
    assert [line for line in lines if line.startswith("COPY")] == [
        "COPY pipeline/ /opt/dai_spark/pipeline/"
    ]
    assert 'LABEL a="x\\"\\$HOME\\\\ RUN evil"' in lines
    (entrypoint,) = [line for line in lines if line.startswith("ENTRYPOINT")]
    words = json.loads(entrypoint.partition(" ")[2])
    assert words[:2] == ["/opt/dai_spark/image/serve", "serve"]
    flags = dict(zip(words[3::2], words[4::2]))
    assert flags == {
        "--protocol": "odahu",
        "--name": 'wine "$x',
        "--host": "::",
        "--port": "5000",
        "--timeout-s": "7",
        "--max-scorers": "4",
        "--max-waiting": "4000",
    }
    assert lines.index("USER 185:0") < lines.index(entrypoint)


def test_the_dockerfile_on_another_base(tmp_path):
    """Its Python is looked at first; package, lock and environment are put in; health is asked."""
    facts = ImageFacts("2" * 64, "", {}, {"PYTHON_VERSION": "3.11.9"})
    text = dockerfile(read(tmp_path, SEED), parts(BaseImage("python:3.11", facts), "/envs/dai"))
    order = ["FROM", "sys.version_info", "pip install", "COPY environment/", "COPY package/"]
    order += ["import pandas", "COPY pipeline/", "USER 185:0", "HEALTHCHECK", "ENTRYPOINT"]
    places = [text.index(word) for word in order]
    assert places == sorted(places)
    assert "http://127.0.0.1:5000/live" in text
    assert "ENV DAI_SPARK_ENV=/envs/dai\n" in text
    assert 'ENTRYPOINT ["python3", "-m", "dai_spark", "serve", ' in text


def test_the_dockerfile_of_commands(tmp_path):
    """No port; the format of such an image has no health."""
    pack = pack_of(None, {"artifact_name": "x.zip", "integration_name": CLI})
    lines = dockerfile(pack, parts(BaseImage("base:1", SERVING))).splitlines()
    assert lines[-2:] == [
        'ENTRYPOINT ["/opt/dai_spark/image/serve", "model"]',
        "CMD []",
    ]


def test_a_build_sees_the_same_files_each_time(tmp_path):
    """The same rights and times, and of the package no compiled file."""
    lay_package(tmp_path)
    (tmp_path / "package" / "odd").write_text("x")
    (tmp_path / "package" / "odd").chmod(0o706)
    (tmp_path / "package" / "link").symlink_to("odd")
    settle(tmp_path, 1_000_000)
    found = [path for path in tmp_path.rglob("*") if not path.is_symlink()]
    assert {path.stat().st_mtime for path in found} == {1_000_000}
    assert {oct(path.stat().st_mode & 0o777) for path in found} == {"0o755", "0o644"}
    assert (tmp_path / "package" / "odd").stat().st_mode & 0o777 == 0o755
    assert not list(tmp_path.rglob("*.pyc"))
    assert (tmp_path / "package" / "dai_spark" / "cli" / "main.py").is_file()
    assert "starlette==" in (tmp_path / "requirements.lock").read_text()


# -- what is printed -----------------------------------------------------------------------------


def test_what_was_packed_in_each_format(tmp_path):
    """As YAML the entity, as JSON a list of one, as text the image; the seed's own JSONPaths."""
    pack = read(tmp_path, SEED)
    entity = entity_of(pack, pack.id, [("image", "gcr.io/x:1"), ("id", "sha256:0")])
    assert yaml.safe_load(shown(entity, "yaml")) == entity
    assert json.loads(shown(entity, "json")) == [entity]
    assert shown(entity, "text") == "gcr.io/x:1"
    assert entity["spec"]["targets"] == [
        {"name": "docker-push", "connectionName": "test-docker-registry"}
    ]
    for query, told in {
        "jsonpath=$[0].status.results[0].value": "gcr.io/x:1",
        "jsonpath=[0].status.results[0].value": "gcr.io/x:1",
        "jsonpath={$[0].id}": pack.id,
        "jsonpath=$[*].status.results[*].name": "image\nid",
        "jsonpath=$[?(@.id=='docker-rest-packager-example')].spec.arguments.port": "5000",
    }.items():
        assert shown(entity, "yaml", query) == told
    for root in ("", "$"):
        found = shown(entity, "yaml", f"jsonpath={root}[*].spec.arguments")
        assert json.loads(found) == entity["spec"]["arguments"]
    for query in ("jsonpath=$[", "jsonpath=", "json=$", "jsonpath=$[0].nothing"):
        with pytest.raises(OptionError, match="-o json"):
            shown(entity, "yaml", query)


def test_a_dry_run_prints_dockerfile_and_entity(tmp_path, scorer, no_engine, capsys):
    """Also where no engine is; the artifact lies beside the file, wherever one works."""
    (tmp_path / "pack.yaml").write_text(SEED)
    (tmp_path / "connections.yaml").write_text(CONNECTION)
    words = ["image", "build", "-f", str(tmp_path / "pack.yaml"), "--dry-run"]
    words += ["--connections", str(tmp_path / "connections.yaml")]
    assert main(words) == 0
    text, _, entity = capsys.readouterr().out.partition("---\n")
    assert text.startswith(f"FROM localhost/dai-spark-serving:{__version__}\n")
    assert '"--name", "4e86cfd8-ba96"' in text
    told = yaml.safe_load(entity)
    assert told["spec"]["artifactName"] == scorer.name
    assert "status" not in told
    assert main([*words, "-o", "jsonpath=[*].spec.arguments"]) == 0
    assert json.loads(capsys.readouterr().out) == told["spec"]["arguments"]
    assert main([*words[:-2], "--format", "text"]) == 2
    assert "There is no connection 'test-docker-registry'" in capsys.readouterr().err


def test_an_environment_is_added_where_the_base_has_none(
    tmp_path, scorer, no_engine, monkeypatch, capsys
):
    """By --env, by the variable; and never one that does not fit."""
    env = archive(tmp_path / "dai-1.10.tar.zst", member("bin/python3.8", b"12345"))
    monkeypatch.setenv("DAI_SPARK_ENV", str(env))
    words = ["image", "build", str(scorer), "--dry-run", "--dockerfile-base-image", "python:3.11"]
    assert main(words) == 0
    assert "COPY environment/ /opt/conda/envs/dai-1.10/\n" in capsys.readouterr().out
    assert main([*words, "--no-dockerfile-add-conda-installation"]) == 1
    assert "python:3.11 has no packed environment" in capsys.readouterr().err
    from dataclasses import replace

    other = archive(tmp_path / "o.tar.gz", manifest=replace(MANIFEST, core_version="1.10.6"))
    assert main([*words, "--env", str(other)]) == 1
    assert "is for h2oaicore 1.10.6" in capsys.readouterr().err
    monkeypatch.delenv("DAI_SPARK_ENV")
    assert main(words) == 2
    assert "has no packed environment. env= (--env) is missing" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "status", "why"),
    [
        (("--dockerfile-base-image", "python:3.7"), 1, "has Python 3.7"),
        (("--engine", "kaniko"), 2, "--engine kaniko is none of docker"),
        (("--engine", "podman"), 2, "no such program"),
        (("--image-name", "{{ Nam }}"), 2, "did you mean Name?"),
        (("--push", "odahu"), 2, "There is no connection 'odahu'"),
        (("-o", "yaml"), 2, "-o yaml is not understood"),
        (("--connections", "/nowhere.yaml"), 2, "cannot be read"),
        (("--port", "0"), 2, "spec.arguments.port"),
        (("--integration", "docker-cli", "--port", "1"), 2, "port is of docker-rest alone"),
        ((), 1, "none is here"),
    ],
)
def test_flags_that_cannot_be_meant(scorer, no_engine, capsys, words, status, why):
    """One sentence before anything is read."""
    assert main(["image", "build", str(scorer), *words]) == status
    assert why in capsys.readouterr().err


def test_a_pipeline_that_is_not_there(tmp_path, no_engine, capsys):
    """The sentence names the places that were looked at."""
    words = ["image", "build", "no.zip", "--artifacts", str(tmp_path), "--dry-run"]
    assert main(words) == 1
    assert f"there is no {tmp_path}/no.zip" in capsys.readouterr().err


def test_commands_of_an_image_say_that_they_are_of_one(monkeypatch, capsys):
    """Elsewhere no pipeline is named."""
    monkeypatch.delenv("DAI_SPARK_PIPELINE", raising=False)
    for words in (["info"], ["predict", "a.json", "b.json"]):
        assert main(["model", *words]) == 2
        assert "DAI_SPARK_PIPELINE names no pipeline" in capsys.readouterr().err
