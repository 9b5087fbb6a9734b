"""The image's scripts, each by itself: what they do on other systems, what they refuse."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent

# The first lines of /etc/os-release of the base images.
SYSTEMS = {
    "debian 12": 'ID=debian\nVERSION_ID="12"\n',
    "ubuntu 22.04": 'ID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"\n',
    "ubi 8": 'ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="8.10"\n',
    "ubi 9": 'ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="9.4"\n',
    "ubi 10": 'ID="rhel"\nID_LIKE="fedora"\nVERSION_ID="10.0"\n',
    "alpine": "ID=alpine\nVERSION_ID=3.20\n",
}
PEM = "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n"


def run(*command, **environment):
    """Run a script as sh finds it; its output and errors are text."""
    known = {"PATH": os.environ["PATH"], **environment}
    command = [str(word) for word in command]
    return subprocess.run(
        command, env=known, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def packages(tmp_path):
    """A function: what image/packages would do on a system."""

    def plan(system, part="spark", **environment):
        release = tmp_path / "os-release"
        release.write_text(SYSTEMS[system])
        return run(
            ROOT / "image" / "packages", part, DRY_RUN="1", OS_RELEASE=str(release), **environment
        )

    return plan


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_the_scripts_are_clean():
    """As shellcheck sees them."""
    names = ("certificates", "compile", "entrypoint", "environment", "jars", "packages", "serve")
    scripts = [ROOT / "scripts" / "image", *[ROOT / "image" / name for name in names]]
    checked = run("shellcheck", *scripts)
    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize("system", ["debian 12", "ubuntu 22.04"])
def test_debian_gets_its_packages(packages, system):
    """By apt, from a company's mirror where there is one; Java and Python by argument."""
    made = packages(system, PACKAGE_MIRROR="https://mirror/apt/", JAVA_VERSION="21")
    assert made.returncode == 0
    assert "openjdk-21-jre-headless python3.11-venv libnss-wrapper" in made.stderr
    assert "s#https?://[^/ ]+/#https://mirror/apt/# /etc/apt/sources.list" in made.stderr
    assert "dnf" not in made.stderr
    for_all = packages(system, "run").stderr
    assert "ca-certificates python3.11 tini tzdata\n" in for_all
    assert "openjdk" not in for_all
    assert "libgomp1" in packages(system, "environment").stderr
    assert "openjdk" not in packages(system, "environment").stderr


@pytest.mark.parametrize("major", ["8", "9"])
def test_ubi_gets_its_packages(packages, major):
    """By dnf, tini from EPEL of the same major version, and Maven where jars are fetched."""
    made = packages(f"ubi {major}", "run")
    assert made.returncode == 0
    assert f"epel-release-latest-{major}.noarch.rpm" in made.stderr
    assert "ca-certificates python3.11 tini tzdata\n" in made.stderr
    assert "apt-get" not in made.stderr
    by_mirror = packages(f"ubi {major}", "run", EPEL_RPM_URL="https://mirror/epel.rpm")
    assert "https://mirror/epel.rpm" in by_mirror.stderr
    spark = packages(f"ubi {major}").stderr
    assert "java-17-openjdk-headless python3.11-pip nss_wrapper" in spark
    # A stage that is not told of EPEL's mirror does not go there.
    later = packages(f"ubi {major}", "build").stderr
    assert "install -y --setopt=install_weak_deps=0 --nodocs maven" in later
    assert "epel" not in later


@pytest.mark.parametrize("system", ["ubi 10", "alpine"])
def test_another_system_is_refused_in_a_sentence(packages, system):
    """Before anything is installed."""
    made = packages(system)
    assert made.returncode == 1
    assert len(made.stderr.splitlines()) == 1
    assert "known" in made.stderr or "can be built on" in made.stderr


def test_a_chain_becomes_a_file_for_each_certificate(tmp_path):
    """Debian takes none of a file with several; ends of lines of another system do not matter."""
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "our chain.pem").write_bytes(
        ("Bag Attributes\n" + PEM.format("one") + PEM.format("two")).replace("\n", "\r\n").encode()
    )
    (tmp_path / "certs" / "root.crt").write_text(PEM.format("three").rstrip("\n"))
    (tmp_path / "certs" / "README.md").write_text(PEM.format("no certificate"))
    to = tmp_path / "anchors"
    made = run(ROOT / "image" / "certificates", "split", tmp_path / "certs", to)
    assert made.returncode == 0, made.stderr
    found = {path.name: path.read_text() for path in to.iterdir()}
    assert found == {
        "our_chain-1.crt": PEM.format("one"),
        "our_chain-2.crt": PEM.format("two"),
        "root-1.crt": PEM.format("three"),
    }


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (PEM.format("x") + "-----BEGIN RSA PRIVATE KEY-----\n", "holds a private key"),
        ("\x30\x82", "holds no certificate in PEM form; convert it with openssl"),
    ],
)
def test_what_is_no_certificate_is_refused(tmp_path, content, told):
    """A private key above all."""
    (tmp_path / "a.pem").write_text(content)
    made = run(ROOT / "image" / "certificates", "split", tmp_path, tmp_path / "anchors")
    assert (made.returncode, told in made.stderr) == (1, True), made.stderr


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((), "No packed environment"),
        (("a.tar.zst", "b.tar.gz"), "takes one environment, but there are a.tar.zst and b.tar.gz"),
    ],
)
def test_the_image_takes_one_environment(tmp_path, names, told):
    """None and two are told apart, in a sentence."""
    for name in names:
        (tmp_path / name).touch()
    made = run(ROOT / "image" / "environment", tmp_path, tmp_path / "out")
    assert made.returncode == 1
    assert told in made.stderr


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"PIP_INDEX_URL": "https://me:word@index/simple"}, "PIP_INDEX_URL holds a password"),
        ({"MAVEN_MIRROR_URL": "https://me:word@maven/"}, "MAVEN_MIRROR_URL holds a password"),
        ({"NETRC": "/no/such/netrc"}, "There is no file /no/such/netrc, which NETRC names"),
        (
            {"ENVIRONMENT": "/no/such.tar.zst"},
            "There is no file /no/such.tar.zst to take",
        ),
        ({"CONDA_CHANNELS": "conda-forge"}, "give REFERENCE or DAI_LINE with them"),
        ({"CONDA_LOCK": "/no/such.lock"}, "give REFERENCE or DAI_LINE with them"),
        ({"DAI_LINE": "1.10", "CONDA_LOCK": "/no/such.lock"}, "There is no file /no/such.lock"),
        ({"DAI_LINE": "1.10", "CONDA_CHANNELS": "file:///no/such"}, "There is no folder /no/such"),
        (
            {"DAI_LINE": "1.10", "CONDA_CHANNELS": "https://conda/t/word@1/main"},
            "CONDA_CHANNELS holds a token",
        ),
        (
            {"DAI_LINE": "1.10", "CONDA_CHANNELS": "https://me:word@conda/main"},
            "CONDA_CHANNELS holds a password",
        ),
    ],
)
def test_the_build_is_refused_before_it_begins(tmp_path, environment, told):
    """A password in an argument would stand in the image's history; it is not repeated either."""
    for name in ("scripts", "build", "dai_spark"):
        (tmp_path / name).mkdir()
    shutil.copy(ROOT / "scripts" / "image", tmp_path / "scripts")
    shutil.copy(ROOT / "dai_spark" / "_version.py", tmp_path / "dai_spark")
    (tmp_path / "build" / "dai-1.10.tar.zst").touch()
    made = run(tmp_path / "scripts" / "image", ENGINE="/no/such/engine", **environment)
    assert made.returncode == 1
    assert told in made.stderr
    assert "word@" not in made.stderr
