"""MLflow's client, and what it raises as errors that say what was looked for, and where."""

import contextlib
import socket
import time
import urllib.request
from typing import Any, Iterator
from urllib.parse import urlsplit

from dai_spark.errors import ModelRegistryError, OptionError, RegistryUnreachableError, first_line
from dai_spark.host.uri import without_password

__all__ = ["as_registry_error", "mlflow_client", "registry_place"]

# MLflow itself tries for four minutes; somebody who has mistyped a host should not wait for that.
_CONNECT_S = 5.0
_TRIES = 3
_PORTS = {"http": 80, "https": 443}
_ABSENT = ("RESOURCE_DOES_NOT_EXIST", "NOT_FOUND", "ENDPOINT_NOT_FOUND", "INVALID_PARAMETER_VALUE")
_NOT_FOUND = 404
_NOT_ALLOWED = (401, 403)
_REFUSED = ("PERMISSION_DENIED", "UNAUTHENTICATED", "CUSTOMER_UNAUTHORIZED")


def mlflow_client(uri: str) -> Any:
    """Return a client of the registry that MLflow's own settings name.

    Runs on the driver, or in a process that scores without Spark.

    Parameters
    ----------
    uri : str
        What is to be resolved, for errors.

    Returns
    -------
    mlflow.MlflowClient

    Raises
    ------
    OptionError
        MLflow is not installed.
    RegistryUnreachableError
        Nothing listens where the settings say.
    """
    try:
        import mlflow
    except ImportError:
        raise OptionError(
            f"{without_password(uri)} names a model of MLflow's, and this Python has no MLflow; "
            "install it with `pip install 'dai_spark[mlflow]'`, or give the pipeline's zip."
        ) from None
    for place in dict.fromkeys((mlflow.get_registry_uri(), mlflow.get_tracking_uri())):
        _check_listens(uri, place)
    with as_registry_error(uri):
        return mlflow.MlflowClient()


def registry_place() -> str:
    """Where models are looked up, for messages: the URI that MLflow uses, without a password."""
    import mlflow

    return without_password(str(mlflow.get_registry_uri()))


@contextlib.contextmanager
def as_registry_error(uri: str, absent: str = "") -> Iterator[None]:
    """Turn what MLflow and its stores raise in a block into errors of ours.

    Parameters
    ----------
    uri : str
        What is being resolved.
    absent : str, optional
        What the registry has not, where it says that something is not there.

    Raises
    ------
    ModelRegistryError
        It answers, and refuses or has no such thing.
    RegistryUnreachableError
        It does not answer.
    """
    from mlflow.exceptions import MlflowException

    shown = without_password(uri)
    try:
        yield
    except MlflowException as error:
        said = without_password(first_line(error, 300))
        place = registry_place()
        if absent and error.error_code in _ABSENT:
            raise _absent(uri, absent, said) from None
        if error.error_code in _REFUSED:
            raise _refused(uri, said) from None
        if "Max retries exceeded" in str(error) or error.error_code == "TEMPORARILY_UNAVAILABLE":
            raise _unreachable(uri, place, said) from None
        raise ModelRegistryError(f"{shown}: the registry {place} answers: {said}") from None
    except (ModelRegistryError, OptionError):
        raise
    except OSError as error:
        # What files raise, and requests.
        said = without_password(first_line(error, 300))
        status = getattr(getattr(error, "response", None), "status_code", None)
        if absent and (isinstance(error, FileNotFoundError) or status == _NOT_FOUND):
            raise _absent(uri, absent, said) from None
        if isinstance(error, PermissionError) or status in _NOT_ALLOWED:
            raise _refused(uri, said) from None
        raise _unreachable(uri, registry_place(), said) from None
    except Exception as error:  # noqa: BLE001 - an artifact store's library raises what it likes
        said = without_password(f"{type(error).__name__}: {first_line(error, 300)}")
        raise ModelRegistryError(
            f"{shown} cannot be read from the registry {registry_place()} ({said})."
        ) from None


def _absent(uri: str, absent: str, said: str) -> ModelRegistryError:
    message = f"{without_password(uri)}: the registry {registry_place()} has {absent}"
    return ModelRegistryError(message if message.endswith("?") else f"{message}.", said)


def _refused(uri: str, said: str) -> ModelRegistryError:
    return ModelRegistryError(
        f"{without_password(uri)}: the registry {registry_place()} refuses this user ({said}); "
        "give MLflow the credentials of one who may read the model."
    )


def _unreachable(uri: str, place: str, said: str) -> RegistryUnreachableError:
    return RegistryUnreachableError(
        f"{without_password(uri)}: the registry {without_password(place)} cannot be reached "
        f"({said}); is its server up, and does MLFLOW_TRACKING_URI or MLFLOW_REGISTRY_URI name it?"
    )


def _check_listens(uri: str, place: str) -> None:
    """See whether a server listens; databases, files and Databricks are left to MLflow."""
    found = urlsplit(str(place))
    port = found.port or _PORTS.get(found.scheme)
    proxied = found.scheme in urllib.request.getproxies()
    if port is None or found.hostname is None or found.scheme not in _PORTS or proxied:
        return
    for n_before in range(_TRIES):
        try:
            socket.create_connection((found.hostname, port), _CONNECT_S).close()
            return
        except OSError as error:
            if n_before + 1 == _TRIES:
                raise _unreachable(uri, place, str(error)) from None
            time.sleep(1.0)
