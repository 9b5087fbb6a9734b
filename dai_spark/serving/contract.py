"""Contract: what a platform expects of a server that it starts: port, address, paths, variables.

A platform starts an image with its own variables and folders, and no pipeline on the command line.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Mapping, Optional, Tuple

from dai_spark.errors import OptionError

__all__ = ["CONTRACTS", "Contract", "contract_at_hand"]

# Everywhere is where the originals listen: whoever names the contract asks for it.
_LOOPBACK, _EVERYWHERE = "127.0.0.1", "0.0.0.0"


@dataclass(frozen=True)
class Contract:
    """A platform's expectations.

    Attributes
    ----------
    name : str
    host : str
        Where the original listens.
    port : int
    port_variable : str or None
        Variable that names another port.
    place : str or None
        Path of the pipeline where none is named.
    place_variable : str or None
        Variable that names the pipeline, as a path or a URI.
    predict_variable, health_variable : str or None
        Variables that name paths of ``/invocations`` and ``/ping``.
    served : tuple of str or None
        Names of the protocols of HTTP that are served; None serves all.
    """

    name: str
    host: str = _LOOPBACK
    port: int = 8080
    port_variable: Optional[str] = None
    place: Optional[str] = None
    place_variable: Optional[str] = None
    predict_variable: Optional[str] = None
    health_variable: Optional[str] = None
    served: Optional[Tuple[str, ...]] = None

    def port_in(self, variables: Mapping[str, str]) -> int:
        """The port, by these variables.

        Raises
        ------
        OptionError
        """
        told = variables.get(self.port_variable or "", "")
        if not told:
            return self.port
        if not (told.isdigit() and len(told) < 6 and int(told) < 65536):
            raise OptionError(f"{self.port_variable}={told[:50]!r} is no port.")
        return int(told)

    def predict_paths(self, variables: Mapping[str, str]) -> Tuple[str, ...]:
        """Further paths of ``/invocations``.

        Raises
        ------
        OptionError
        """
        return _path(self.predict_variable, variables)

    def health_paths(self, variables: Mapping[str, str]) -> Tuple[str, ...]:
        """Further paths of ``/ping``.

        Raises
        ------
        OptionError
        """
        return _path(self.health_variable, variables)

    def pipeline_in(self, variables: Mapping[str, str]) -> Optional[str]:
        """Path or URI of the pipeline that the platform has put there; None where there is none."""
        told = variables.get(self.place_variable or "", "")
        if told:
            return told
        if self.place is not None and Path(self.place).exists():
            return self.place
        return None


CONTRACTS: Dict[str, Contract] = {
    one.name: one
    for one in (
        Contract("all"),
        Contract(
            "dai",
            _EVERYWHERE,
            9090,
            port_variable="SCORING_PORT",
            place="/scoring/pipeline.zip",
            served=("dai",),
        ),
        # Driverless AI's place, port and variable, and every protocol.
        Contract(
            "container",
            _EVERYWHERE,
            9090,
            port_variable="SCORING_PORT",
            place="/scoring/pipeline.zip",
        ),
        Contract("odahu", _EVERYWHERE, 5000, served=("odahu",)),
        Contract(
            "sagemaker",
            _EVERYWHERE,
            8080,
            port_variable="SAGEMAKER_BIND_TO_PORT",
            place="/opt/ml/model",
            served=("invocations",),
        ),
        Contract(
            "vertex",
            _EVERYWHERE,
            8080,
            port_variable="AIP_HTTP_PORT",
            place_variable="AIP_STORAGE_URI",
            predict_variable="AIP_PREDICT_ROUTE",
            health_variable="AIP_HEALTH_ROUTE",
            served=("invocations",),
        ),
        Contract("mlflow", _LOOPBACK, 5000, place="/opt/ml/model", served=("invocations",)),
    )
}
# In this order, where neither a protocol nor a pipeline is named.
_LOOKED_FOR = ("vertex", "sagemaker", "container")


def contract_at_hand(variables: Mapping[str, str]) -> Optional[Contract]:
    """The contract whose pipeline is there, for ``serve`` without a word more.

    Parameters
    ----------
    variables : mapping of str to str
        Of the environment.
    """
    looked_for = (CONTRACTS[name] for name in _LOOKED_FOR)
    return next((one for one in looked_for if one.pipeline_in(variables) is not None), None)


def _path(variable: Optional[str], variables: Mapping[str, str]) -> Tuple[str, ...]:
    told = variables.get(variable or "", "")
    if not told:
        return ()
    if not told.startswith("/") or any(sign in told for sign in "{}?# "):
        raise OptionError(f"{variable}={told[:100]!r} is no path; it begins with /.")
    return (told,)
