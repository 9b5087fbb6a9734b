"""The plan of a request for this host, and what only Spark could bring here."""

import logging
from pathlib import Path
from typing import NoReturn

from dai_spark.client.connection import Connection
from dai_spark.client.executor import ExecutorContext
from dai_spark.errors import OptionError
from dai_spark.host.uri import without_password
from dai_spark.plan.plan import ScoringPlan, ShippedFile
from dai_spark.plan.request import ScoringRequest

__all__ = ["local_plan", "no_uri", "plan_here"]

_LOG = logging.getLogger("dai_spark")


def local_plan(request: ScoringRequest, executor: ExecutorContext) -> ScoringPlan:
    """The plan of a request for this host, described by the sidecar itself."""
    plan = plan_here(request)
    with Connection(plan, executor) as connection:
        described = connection.describe()
        # In order, so that a scorer that had to load is kept for the rows.
        connection.finish()
    return plan.with_description(described)


def plan_here(request: ScoringRequest) -> ScoringPlan:
    """The plan of a request for this host, where files stay where they are.

    Warns of what of the export is damaged.
    """
    for note in request.pipeline.notes:
        _LOG.warning("%s", note)

    def stay(path: Path, digest: str, ending: str, label: str) -> ShippedFile:
        return ShippedFile("path", str(path), digest, label)

    return request.plan(stay)


def no_uri(uri: str) -> NoReturn:
    """Refuse what only Spark can read."""
    raise OptionError(
        f"{without_password(uri)} can only be read with Spark; give a path of this machine."
    )
