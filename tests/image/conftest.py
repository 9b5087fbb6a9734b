"""The image, built for real: a base system by debootstrap, buildah without a daemon, podman to run.

All of it is kept between runs, below `build/tests/image` or where CONTAINERS_STORAGE_CONF says.
"""

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dai_spark.host.file_lock import held

ROOT = Path(__file__).resolve().parent.parent.parent
KEPT = ROOT / "build" / "tests" / "image"
NEEDED = ("buildah", "podman", "runc", "debootstrap")
BASE = "localhost/debian:bookworm-slim"
IMAGE = "localhost/dai-spark:test"
SERVING_IMAGE = "localhost/dai-spark-serving:test"
COMPANY = "Certificates of a company"

# Engines ask for more open files and processes than a container around them may have.
CONTAINERS_CONF = """\
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=4096:4096"]
netns = "host"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


class Engine:
    """buildah and podman on a storage of their own."""

    def __init__(self, folder, storage_conf=None):
        folder.mkdir(parents=True, exist_ok=True)
        storage = folder / "storage.conf"
        storage.write_text(
            f'[storage]\ndriver = "overlay"\nrunroot = "{folder}/run"\n'
            f'graphroot = "{folder}/storage"\n'
        )
        (folder / "containers.conf").write_text(CONTAINERS_CONF)
        self.environment = {
            **os.environ,
            "CONTAINERS_CONF": str(folder / "containers.conf"),
            "CONTAINERS_STORAGE_CONF": storage_conf or str(storage),
        }

    def run(self, *command, timeout_s=120, check=True, cwd=None, **variables):
        """Run a command to its end; its output and errors are text."""
        done = subprocess.run(
            [str(word) for word in command],
            env={**self.environment, **variables},
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done

    def elsewhere(self, folder):
        """Return an engine with another storage, in which nothing is yet."""
        return Engine(folder)

    def podman(self, *words, **options):
        """Run a command of podman."""
        return self.run("podman", *words, **options)


@pytest.fixture(scope="session")
def engine():
    """The engine, where it can run a container at all."""
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing or os.getuid() != 0:
        pytest.skip(f"an image is built here by root, with {', '.join(NEEDED)}; lacks {missing}")
    found = Engine(KEPT, os.environ.get("CONTAINERS_STORAGE_CONF"))
    # Two processes of the suite would make it in one folder.
    with held(KEPT / ".base.lock", 580):
        if found.podman("image", "exists", BASE, check=False).returncode != 0:
            make_base(found)
    tried = found.podman("run", "--rm", "--network", "none", BASE, "true", check=False)
    if tried.returncode != 0:
        pytest.skip(f"podman runs no container here: {tried.stderr.strip()[-300:]}")
    return found


def make_base(engine):
    """Debian 12 as its slim image has it, from the mirror that this machine uses."""
    formats = "$(CODENAME) $(COMPONENT) $(REPO_URI)"
    targets = engine.run("apt-get", "indextargets", "--format", formats, "Created-By: Packages")
    lines = [line.split() for line in targets.stdout.splitlines()]
    mirror = next((uri for name, part, uri in lines if (name, part) == ("bookworm", "main")), None)
    if mirror is None:
        pytest.skip("apt knows no mirror of Debian 12 here")
    root = KEPT / "root"
    remove_root(root)
    engine.run("debootstrap", "--variant=minbase", "bookworm", root, mirror, timeout_s=600)
    for folder in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(root / folder)
        (root / folder).mkdir()
    engine.run("tar", "-C", root, "--numeric-owner", "-cf", KEPT / "root.tar", ".")
    engine.podman("import", KEPT / "root.tar", BASE)
    (KEPT / "root.tar").unlink()
    remove_root(root)


def remove_root(root):
    """Remove a system's files, and nothing that is mounted there.

    debootstrap mounts this machine's own /proc in it, and leaves it mounted where it fails.
    """
    for line in reversed(Path("/proc/mounts").read_text().splitlines()):
        place = Path(line.split()[1])
        if root in place.parents:
            subprocess.run(["umount", str(place)], check=True, timeout=60)
    shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(scope="session")
def context(packed_environment, export, license_text, tmp_path_factory):
    """A copy of the project as git has it, in which an export, a licence and a key lie about."""
    folder = tmp_path_factory.mktemp("context")
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    # What this machine trusts beside its system's own is what a company would put there.
    for path in Path("/usr/local/share/ca-certificates").rglob("*.crt"):
        shutil.copy(path, folder / "certs")
    # Kept between runs: another certificate is another first layer.
    company = KEPT / "company.pem"
    if not company.exists():
        command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "3650"]
        command += ["-subj", f"/CN={COMPANY}", "-keyout", "/dev/null", "-out", str(company)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
    shutil.copy(company, folder / "certs" / "company chain.pem")
    (folder / "build").mkdir()
    os.link(packed_environment.path, folder / "build" / "dai-1.10.tar.zst")
    for place in (folder, folder / "certs", folder / "dai_spark"):
        shutil.copy(export(), place / "scorer.zip")
        (place / "license.sig").write_text(license_text)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def company():
    """The name in the certificate that lies in certs/."""
    return COMPANY


@pytest.fixture(scope="session")
def password():
    """What stands where a company's credentials would: in a secret of the build."""
    return "pass-word-of-the-package-index"


@pytest.fixture(scope="session")
def build(engine, context, password, tmp_path_factory):
    """A function that builds an image as `make image` does, and returns its name."""
    pip_conf = tmp_path_factory.mktemp("secrets") / "pip.conf"
    own = Path("/etc/pip.conf")
    pip_conf.write_text((own.read_text() if own.exists() else "") + f"\n# {password}\n")

    def make(name, *words, **variables):
        engine.run(
            context / "scripts" / "image",
            *("--isolation", "chroot", "--layers", "--pull-never", "--format", "docker"),
            *words,
            cwd=context,
            timeout_s=1500,
            ENGINE="buildah",
            IMAGE=name,
            BASE_IMAGE=BASE,
            PIP_CONF=str(pip_conf),
            **variables,
        )
        return name

    return make


@pytest.fixture(scope="session")
def image(build):
    """The name of the image with the suite's packed environment."""
    return build(IMAGE)


@pytest.fixture(scope="session")
def serving_image(build):
    """The name of the serving image with the suite's packed environment."""
    return build(SERVING_IMAGE, TARGET="serving")


@pytest.fixture(scope="session")
def data(export, flights, tmp_path_factory):
    """A folder that containers see as /data: pipeline and flights; its `out` is anybody's."""
    folder = tmp_path_factory.mktemp("data")
    shutil.copy(export(), folder / "scorer.zip")
    flights.to_parquet(folder / "flights.parquet")
    (folder / "out").mkdir()
    (folder / "out").chmod(0o777)
    for path in (folder, folder / "scorer.zip", folder / "flights.parquet"):
        path.chmod(0o755)
    return folder


@pytest.fixture(scope="session")
def run(engine, data, license_text, request):
    """A function that runs a command in a container that is as locked as a platform makes it.

    No network, a user that nobody knows, a root file system that is read-only, 3 GB of memory.
    """

    def start(*command, image=None, options=(), timeout_s=240, check=True):
        return engine.podman(
            *("run", "--rm", "--pull", "never", "--network", "none", "--memory", "3g"),
            *("--user", "1000650000:0", "--passwd=false", "--cap-drop", "all"),
            *("--security-opt", "no-new-privileges"),
            *("--read-only", "--read-only-tmpfs=false", "--tmpfs", "/tmp:rw,exec,mode=1777"),
            *("--volume", f"{data}:/data", "--env", "DRIVERLESS_AI_LICENSE_KEY"),
            *options,
            image or request.getfixturevalue("image"),
            *command,
            timeout_s=timeout_s,
            check=check,
            DRIVERLESS_AI_LICENSE_KEY=license_text,
        )

    return start


@pytest.fixture(scope="session")
def own_flight_scores(own_scores, export, flights):
    """The pipeline's own scores of the flights, by flight_id."""
    return own_scores(export(), flights).set_index(flights["flight_id"])


@pytest.fixture(scope="session")
def scores_of():
    """A function: the scores in a Delta table, by flight_id, of the files that its log names."""
    import pandas as pd

    def read(folder):
        files = set()
        for commit in sorted((folder / "_delta_log").glob("*.json")):
            for line in commit.read_text().splitlines():
                action = json.loads(line)
                if "add" in action:
                    files.add(action["add"]["path"])
                if "remove" in action:
                    files.discard(action["remove"]["path"])
        table = pd.concat([pd.read_parquet(folder / name) for name in files])
        table = table.set_index("flight_id").sort_index()
        return pd.DataFrame(table["prediction"].to_list(), index=table.index).astype("float32")

    return read


@pytest.fixture
def cluster(engine, image, data, license_text):
    """A function that starts a container for as long as the test takes; it gives its name.

    The first one has no network but its own loopback, which all others share with it.
    """
    names = []

    def start(name, *command):
        network = f"container:{names[0]}" if names else "none"
        engine.podman(
            *("run", "--detach", "--name", name, "--pull", "never", "--network", network),
            *("--user", "1000650000:0", "--cap-drop", "all", "--read-only", "--memory", "2g"),
            *("--read-only-tmpfs=false", "--tmpfs", "/tmp:rw,exec,mode=1777"),
            *("--volume", f"{data}:/data", "--env", "SPARK_LOCAL_IP=127.0.0.1"),
            *("--env", "DRIVERLESS_AI_LICENSE_KEY", image, *command),
            DRIVERLESS_AI_LICENSE_KEY=license_text,
        )
        names.append(name)
        return name

    yield start
    for name in reversed(names):
        with contextlib.suppress(subprocess.TimeoutExpired):
            engine.podman("rm", "--force", "--time", "2", name, check=False, timeout_s=60)
