"""OciRegistry: an OCI registry's client, and what it raises as errors of ours."""

import contextlib
import hashlib
import json
import os
from functools import partial
from pathlib import Path
from typing import Any, Dict, Iterator, Optional, Tuple

from dai_spark.errors import (
    ChecksumError,
    ModelRegistryError,
    OptionError,
    RegistryUnreachableError,
    first_line,
)
from dai_spark.host.uri import without_password
from dai_spark.registry.oci.auth_file import find_auth_file
from dai_spark.registry.oci.oci_reference import OciReference

__all__ = ["OciRegistry"]

# To connect, and between two pieces of an answer.
_TIMEOUT_S = (10.0, 60.0)
_MANIFESTS = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
# Far more than any has; what a registry answers is held in memory.
_MOST_MANIFEST_BYTES = 4 << 20
_NOT_FOUND = 404
_NOT_ALLOWED = (401, 403)


class OciRegistry:
    """The registry of one artefact, asked with this user's credentials.

    Runs on the driver, or in a process that scores without Spark.  The client is ORAS' own.
    Credentials come from an auth file alone, see `find_auth_file`.  HTTP is spoken with registries
    of this host, TLS with all others.

    Parameters
    ----------
    reference : OciReference

    Raises
    ------
    OptionError
        The client is not installed, or the auth file cannot be read.
    RegistryUnreachableError
    """

    def __init__(self, reference: OciReference) -> None:
        self.reference = reference
        self._shown = f"oci://{reference.target}"
        try:
            import requests
            from oras.client import OrasClient
            from oras.logger import setup_logger
        except ImportError as error:
            raise OptionError(
                f"{self._shown} lies in an OCI registry, and this Python lacks its client "
                f"({error.name}): pip install 'dai_spark[oci]'."
            ) from None
        # It would write to standard error by itself.
        setup_logger(quiet=True)

        class Client(OrasClient):  # type: ignore[misc, unused-ignore]
            """Asks once: the client's own waits add up to minutes, for a wrong password, too."""

            do_request = OrasClient.do_request.__wrapped__

        registry = reference.registry
        scheme = "http" if reference.is_loopback else "https"
        with self._as_ours():
            answer = requests.get(f"{scheme}://{registry}/v2/", timeout=_TIMEOUT_S)
        asked = answer.headers.get("WWW-Authenticate", "").partition(" ")[0].lower()
        self._is_basic = answer.status_code in _NOT_ALLOWED and asked == "basic"
        self._client = Client(
            hostname=registry,
            insecure=reference.is_loopback,
            auth_backend="basic" if self._is_basic else "token",
        )
        self._client.session.request = partial(self._client.session.request, timeout=_TIMEOUT_S)
        # It would read Docker's own file once more when it pushes, whichever file was named.
        self._client.auth.load_configs = lambda *_, **__: None
        self._log_in()
        self._container = self._client.get_container(reference.target)

    def _log_in(self) -> None:
        registry = self.reference.registry
        auth_file = find_auth_file(os.environ)
        user = None if auth_file is None else auth_file.user_of(registry)
        if user is not None:
            self._client.auth.set_basic_auth(*user)
        elif self._is_basic:
            looked = "there is no auth file" if auth_file is None else f"{auth_file.path} has none"
            raise ModelRegistryError(
                f"{self._shown}: the registry {registry} wants a user and a password, and "
                f"{looked}; type `podman login {registry}`, or name the file by REGISTRY_AUTH_FILE."
            )

    def manifest(self) -> Tuple[Dict[str, Any], str]:
        """The artefact's manifest, and its SHA-256; held to the digest that the reference names.

        Raises
        ------
        ModelRegistryError, RegistryUnreachableError
            It is not there, or is none of a single artefact.
        ChecksumError
            The registry has answered something else.
        """
        url = f"{self._client.prefix}://{self._container.manifest_url()}"
        with self._as_ours():
            answer = self._client.do_request(
                url, "GET", headers={"Accept": ", ".join(_MANIFESTS)}, stream=True
            )
            answer.raise_for_status()
            content = answer.raw.read(_MOST_MANIFEST_BYTES, decode_content=True)
        digest = hashlib.sha256(content).hexdigest()
        if self.reference.digest and digest != self.reference.digest:
            raise ChecksumError(
                f"{self._shown}: the registry has answered another manifest, whose SHA-256 is "
                f"{digest}."
            )
        try:
            manifest = json.loads(content)
            layers = manifest["layers"]
            assert all(layer["digest"].startswith("sha256:") for layer in layers)
        except (ValueError, KeyError, TypeError, AttributeError, AssertionError):
            raise ModelRegistryError(
                f"{self._shown} is no single artefact (an index of images, perhaps); push the "
                "pipeline with `dai-spark pipeline push` or `oras push`."
            ) from None
        return manifest, digest

    def download(self, digest: str, to: Path) -> None:
        """Bring a file of the artefact to this host.

        Parameters
        ----------
        digest : str
            As the manifest has it.
        to : Path
        """
        with self._as_ours():
            self._client.download_blob(self._container, digest, str(to))

    def push(self, file: Path, media_type: str) -> str:
        """Bring a file into the registry, and return the SHA-256 of its manifest.

        Parameters
        ----------
        file : Path
        media_type : str

        Raises
        ------
        ModelRegistryError, RegistryUnreachableError
        """
        with self._as_ours():
            answer = self._client.push(
                self.reference.target,
                files=[f"{file}:{media_type}"],
                disable_path_validation=True,
                quiet=True,
            )
        return hashlib.sha256(answer.request.body).hexdigest()

    @contextlib.contextmanager
    def _as_ours(self) -> Iterator[None]:
        import requests

        registry = self.reference.registry
        try:
            yield
        except requests.HTTPError as error:
            status = None if error.response is None else error.response.status_code
            if status == _NOT_FOUND:
                raise ModelRegistryError(
                    f"{self._shown}: the registry {registry} has no such artefact."
                ) from None
            raise self._refused(error, status) from None
        except requests.RequestException as error:
            raise RegistryUnreachableError(
                f"{self._shown}: the registry {registry} cannot be reached "
                f"({_said(_innermost(error))}); is it up, and is its name right?"
            ) from None
        except (ValueError, AttributeError) as error:
            # What the client makes of an answer that it did not want.
            raise self._refused(error, None) from None

    def _refused(self, error: Exception, status: Optional[int]) -> ModelRegistryError:
        registry = self.reference.registry
        is_user = status in _NOT_ALLOWED or "authentication" in str(error)
        if not is_user:
            return ModelRegistryError(
                f"{self._shown}: the registry {registry} answers: {_said(error)}"
            )
        return ModelRegistryError(
            f"{self._shown}: the registry {registry} refuses this user ({_said(error)}); type "
            f"`podman login {registry}`, or name the file by REGISTRY_AUTH_FILE."
        )


def _said(error: BaseException) -> str:
    return without_password(first_line(error, 300))


def _innermost(error: BaseException) -> BaseException:
    """What went wrong first: the client's libraries wrap it several times, each with its whole."""
    while True:
        cause = error.__cause__ or error.__context__
        if cause is None:
            return error
        error = cause
