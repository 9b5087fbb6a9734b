"""docker, podman or buildah, whichever works: builds, pulls, pushes and saves images.

The three agree on little beside ``build``; what differs stands in this file alone.  Progress of
theirs goes line by line to a function, and the last lines of it are the details of an error.
"""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from collections import deque
from pathlib import Path
from typing import Any, Callable, Deque, Iterator, List, Mapping, Optional, Sequence

from dai_spark.errors import OptionError, PackagerError
from dai_spark.host.atomic_file import replacing
from dai_spark.packager.credentials import Credentials
from dai_spark.packager.image_facts import ImageFacts, facts_of

__all__ = ["ENGINES", "REFUSAL", "Engine", "find_engine"]

ENGINES = ("docker", "podman", "buildah")
_QUESTION_S = 120.0
_N_LAST_LINES = 60
# How a sentence begins that a step of a Dockerfile ends with.
REFUSAL = "dai_spark: "
_NO_CREDENTIALS = Credentials(None, [])


def find_engine(asked: Optional[str], on_line: Callable[[str], None]) -> "Engine":
    """The engine to build with.

    Parameters
    ----------
    asked : str or None
        ``--engine`` or ``ENGINE``: a name or a path; None takes docker where it has a daemon, else
        podman, else buildah.
    on_line : callable
        Is told the engine's progress, line by line.

    Raises
    ------
    OptionError
        What was asked for is no engine, or is not here.
    PackagerError
        None is here.
    """
    if asked:
        path = shutil.which(asked)
        kind = Path(asked).name
        if kind not in ENGINES:
            raise OptionError(
                f"--engine {asked} is none of {', '.join(ENGINES)}, nor a path of one."
            )
        if path is None:
            raise OptionError(f"--engine {asked}: there is no such program on this machine.")
        return Engine(kind, path, on_line)
    for kind in ENGINES:
        path = shutil.which(kind)
        if path is not None and (kind != "docker" or _has_daemon(path)):
            return Engine(kind, path, on_line)
    raise PackagerError(
        "An image is built by docker, podman or buildah, and none is here (or docker has no "
        "daemon); install one (Debian, Ubuntu: sudo apt-get install podman), or give --engine PATH."
    )


def _has_daemon(path: str) -> bool:
    try:
        done = subprocess.run(
            [path, "info"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


class Engine:
    """One engine.

    Parameters
    ----------
    kind : str
        One of `ENGINES`.
    path : str
        Of its program.
    on_line : callable
        Is told its progress, line by line.
    """

    def __init__(self, kind: str, path: str, on_line: Callable[[str], None]) -> None:
        self.kind = kind
        self._path = path
        self._on_line = on_line

    def facts(self, image: str) -> Optional[ImageFacts]:
        """What an image of this machine says of itself; None where it is not here.

        Parameters
        ----------
        image : str
        """
        if self.kind == "buildah":
            words = ["inspect", "--type", "image", image]
        else:
            words = ["image", "inspect", image]
        text = self._asked(words)
        if text is None:
            return None
        found: Any = json.loads(text)
        if self.kind == "buildah":
            config = found["Docker"].get("config") or {}
            return facts_of(found["FromImageID"], found["Docker"]["created"], config)
        one = found[0]
        config = dict(one.get("Config") or {})
        config.setdefault("Healthcheck", one.get("HealthCheck") or one.get("Healthcheck"))
        return facts_of(one["Id"], one["Created"], config)

    def pull(self, image: str, credentials: Credentials) -> None:
        """Fetch an image.

        Parameters
        ----------
        image : str
        credentials : Credentials
            Of its registry.

        Raises
        ------
        PackagerError
        """
        words = [*self._login(credentials), "pull", *self._login_of_command(credentials)]
        words += [*self._plain(image), image]
        self._run(words, f"{image} cannot be pulled", credentials)

    def build(
        self,
        folder: Path,
        name: str,
        epoch_s: int,
        arguments: Mapping[str, str],
        secrets: Mapping[str, Path],
        *,
        has_health: bool,
    ) -> None:
        """Build an image of a folder with a Dockerfile.

        Parameters
        ----------
        folder : Path
        name : str
            With a tag.
        epoch_s : int
            All times in the image, so that the same files give the same image.
        arguments : mapping of str to str
            Build arguments that hold no secrets.
        secrets : mapping of str to Path
            Files that a step sees, and no layer has.
        has_health : bool
            Whether there is a HEALTHCHECK, which the OCI's own format has no field for; docker's
            has one for the container that built it, another one each time.

        Raises
        ------
        PackagerError
        """
        words = ["build", "--file", str(folder / "Dockerfile"), "--tag", name]
        if self.kind != "docker":
            format = "docker" if has_health else "oci"
            words += ["--format", format, "--timestamp", str(epoch_s), "--pull-never"]
            # A layer a stage.  With one for each step, the image tells of images between them,
            # which are other ones each time.
            words += ["--layers=false"]
        for key, value in arguments.items():
            words += ["--build-arg", f"{key}={value}"]
        for key, file in secrets.items():
            words += ["--secret", f"id={key},src={file}"]
        # Docker's builder knows its own name of the time; its older builder knows no secrets.
        variables = {"SOURCE_DATE_EPOCH": str(epoch_s), "DOCKER_BUILDKIT": "1"}
        self._run([*words, str(folder)], f"{name} was not built", variables=variables)

    def push(self, image: str, credentials: Credentials) -> Optional[str]:
        """Push an image.

        Parameters
        ----------
        image : str
        credentials : Credentials
            Of its registry.

        Returns
        -------
        str or None
            The digest that the registry knows it by; None where the engine does not say.

        Raises
        ------
        PackagerError
        """
        with tempfile.TemporaryDirectory(prefix="dai_spark-push-") as folder:
            words = [*self._login(credentials), "push", *self._login_of_command(credentials)]
            words += self._plain(image)
            digest = Path(folder) / "digest"
            if self.kind != "docker":
                words += ["--digestfile", str(digest)]
            self._run([*words, image], f"{image} cannot be pushed", credentials)
            if digest.exists():
                return digest.read_text(encoding="utf-8").strip()
        if self.kind == "docker":
            text = self._asked(["image", "inspect", "--format", "{{json .RepoDigests}}", image])
            repository = image.rpartition(":")[0]
            for one in json.loads(text or "null") or ():
                if one.startswith(f"{repository}@"):
                    return str(one).partition("@")[2]
        return None

    def check_save(self, format: str) -> None:
        """Refuse a form of file that this engine does not write.

        Parameters
        ----------
        format : str
            See `save`.

        Raises
        ------
        OptionError
        """
        if self.kind == "docker" and format == "oci":
            raise OptionError(
                "docker writes archives of its own form alone; leave --save-format away, or give "
                "--engine podman."
            )

    def save(self, image: str, tar: Path, format: str) -> None:
        """Write an image into a file.

        Parameters
        ----------
        image : str
        tar : Path
            Is there when it is whole.
        format : str
            ``"docker-archive"`` or ``"oci"``.

        Raises
        ------
        OptionError
            The engine writes no such file.
        PackagerError
        """
        self.check_save(format)
        kind = "oci-archive" if format == "oci" else "docker-archive"
        try:
            tar.parent.mkdir(parents=True, exist_ok=True)
            with replacing(tar) as aside:
                if self.kind == "buildah":
                    target = f"{kind}:{aside}" + (f":{image}" if format != "oci" else "")
                    words = ["push", image, target]
                elif self.kind == "podman":
                    words = ["save", "--format", kind, "--output", str(aside), image]
                else:
                    words = ["save", "--output", str(aside), image]
                self._run(words, f"{image} cannot be written to {tar}")
        except OSError as error:
            raise PackagerError(f"{tar} cannot be written ({error.strerror or error}).") from None

    def read_file(self, image: str, path: str) -> Optional[bytes]:
        """A small file of an image; None where it has none.

        Nothing of the image is run.

        Parameters
        ----------
        image : str
        path : str
            Absolute, in the image.
        """
        create = ["from", "--pull-never", image] if self.kind == "buildah" else ["create", image]
        container = (self._asked(create) or "").strip()
        if not container:
            return None
        try:
            return self._file_of_container(container, path)
        finally:
            self._asked(["rm", container])

    def _file_of_container(self, container: str, path: str) -> Optional[bytes]:
        with tempfile.TemporaryDirectory(prefix="dai_spark-image-") as folder:
            target = Path(folder) / "file"
            if self.kind == "buildah":
                # Without root only below `buildah unshare`, whose shell sees the mount.
                script = 'cat "$("$0" mount "$1")$2"'
                shell = ["sh", "-c", script, self._path, container, path]
                command = shell if os.getuid() == 0 else [self._path, "unshare", *shell]
                done = subprocess.run(
                    command,
                    stdin=subprocess.DEVNULL,
                    capture_output=True,
                    timeout=_QUESTION_S,
                    check=False,
                )
                return done.stdout if done.returncode == 0 else None
            if self._asked(["cp", f"{container}:{path}", str(target)]) is None:
                return None
            return target.read_bytes() if target.is_file() else None

    # -- how each of them is called ------------------------------------------------------------

    def _login(self, credentials: Credentials) -> List[str]:
        is_docker = self.kind == "docker" and credentials.folder is not None
        return ["--config", str(credentials.folder)] if is_docker else []

    def _login_of_command(self, credentials: Credentials) -> List[str]:
        is_other = self.kind != "docker" and credentials.file is not None
        return ["--authfile", str(credentials.file)] if is_other else []

    def _plain(self, image: str) -> List[str]:
        # As docker does of itself: on this machine alone a registry may speak plain HTTP.
        host = image.partition("/")[0].rpartition(":")[0] or image.partition("/")[0]
        is_here = host in ("localhost", "[::1]") or host.startswith("127.")
        return ["--tls-verify=false"] if is_here and self.kind != "docker" else []

    def _asked(self, words: Sequence[str]) -> Optional[str]:
        """What the engine answers to a question; None where it fails."""
        try:
            done = subprocess.run(
                [self._path, *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                timeout=_QUESTION_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise PackagerError(
                f"{self.kind} {words[0]} gives no answer within {_QUESTION_S:g} s; does the engine "
                "work?"
            ) from None
        return done.stdout if done.returncode == 0 else None

    def _run(
        self,
        words: Sequence[str],
        trouble: str,
        credentials: Credentials = _NO_CREDENTIALS,
        variables: Optional[Mapping[str, str]] = None,
    ) -> None:
        """Run a command to its end, however long it takes; an interrupt ends it."""
        last: Deque[str] = deque(maxlen=_N_LAST_LINES)
        with _process([self._path, *words], {**os.environ, **(variables or {})}) as process:
            assert process.stdout is not None
            for line in process.stdout:
                told = credentials.without_secrets(line.rstrip())
                last.append(told)
                self._on_line(told)
        if process.returncode != 0:
            lines = [line for line in reversed(last) if line.strip()]
            # A step that refuses something has a sentence for it, which is not the last line.
            own = [line for line in lines if line.startswith(REFUSAL)]
            said = next(iter(own or lines), "it says nothing")
            raise PackagerError(
                f"{trouble}: {self.kind} ends with {process.returncode} ({said[-300:]}).",
                "\n".join(last),
            )


@contextlib.contextmanager
def _process(
    command: Sequence[str], environment: Mapping[str, str]
) -> "Iterator[subprocess.Popen[str]]":
    process = subprocess.Popen(
        list(command),
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    try:
        yield process
        process.wait()
    finally:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(10)
            process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
