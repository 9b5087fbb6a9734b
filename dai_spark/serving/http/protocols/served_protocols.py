"""Which protocols a server of HTTP has, by their names."""

from typing import Callable, Dict, List, Optional, Sequence

from dai_spark.serving.http.http_calls import HttpCalls
from dai_spark.serving.http.protocols.dai_rpc import dai_rpc_protocol
from dai_spark.serving.http.protocols.http_protocol import Protocol
from dai_spark.serving.http.protocols.inference import inference_protocol
from dai_spark.serving.http.protocols.invocations import invocations_protocol
from dai_spark.serving.http.protocols.kserve_v1 import kserve_v1_protocol
from dai_spark.serving.http.protocols.mojo import mojo_protocol
from dai_spark.serving.http.protocols.odahu import odahu_protocol
from dai_spark.serving.http.protocols.predict import predict_protocol

__all__ = ["served_protocols"]


def served_protocols(
    calls: HttpCalls,
    served: Optional[Sequence[str]] = None,
    predict_paths: Sequence[str] = (),
    health_paths: Sequence[str] = (),
    strict_dai: bool = False,
) -> List[Protocol]:
    """The protocols of these names.

    Parameters
    ----------
    calls : HttpCalls
    served : sequence of str, optional
        By default all.
    predict_paths, health_paths : sequence of str
        Further paths of ``/invocations`` and ``/ping``.
    strict_dai : bool, default False
        See `dai_rpc_protocol`.
    """
    made: Dict[str, Callable[[], Protocol]] = {
        "predict": lambda: predict_protocol(calls),
        "invocations": lambda: invocations_protocol(
            calls,
            tuple(dict.fromkeys(("/invocations", *predict_paths))),
            tuple(dict.fromkeys(("/ping", "/health", *health_paths))),
        ),
        "dai": lambda: dai_rpc_protocol(calls, strict_dai),
        "odahu": lambda: odahu_protocol(calls),
        "inference": lambda: inference_protocol(calls),
        "kserve-v1": lambda: kserve_v1_protocol(calls),
        "mojo": lambda: mojo_protocol(calls),
    }
    return [make() for name, make in made.items() if served is None or name in served]
