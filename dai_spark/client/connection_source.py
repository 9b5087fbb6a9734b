"""Who opens connections for those that score, and what becomes of them behind it."""

from abc import ABC, abstractmethod
from typing import Any, Dict, Optional

from dai_spark.client.connection import Connection
from dai_spark.client.executor import ExecutorContext
from dai_spark.plan.plan import ScoringPlan

__all__ = ["ConnectionSource", "TaskConnections"]


class ConnectionSource(ABC):
    """Lends connections to one task or call, one at a time.

    Runs in a Python worker, or in a local process.
    """

    @abstractmethod
    def acquire(self) -> Connection:
        """Return a connection whose scorer is free.

        Raises
        ------
        DaiSparkError
            What the start of a sidecar raises, or waiting for a scorer.
        """

    @abstractmethod
    def finish(self, connection: Connection) -> Optional[Dict[str, Any]]:
        """Take in that no more batches come; the scorer's totals, where they are this user's."""

    @abstractmethod
    def totals_of(self, totals: Dict[str, Any]) -> Optional[Dict[str, Any]]:
        """The totals of a scorer that has retired, where they are this user's alone."""

    @abstractmethod
    def release(self, connection: Connection, is_clean: bool) -> None:
        """Take a connection back.

        Parameters
        ----------
        connection : Connection
        is_clean : bool
            Whether everything was answered and nothing failed, so that another may use it.
        """


class TaskConnections(ConnectionSource):
    """Opens connections for a task and closes them behind it: nobody else uses them.

    Parameters
    ----------
    plan : ScoringPlan
    executor : ExecutorContext
    """

    def __init__(self, plan: ScoringPlan, executor: ExecutorContext) -> None:
        self._plan = plan
        self._executor = executor

    def acquire(self) -> Connection:
        """Open a connection."""
        return Connection(self._plan, self._executor)

    def finish(self, connection: Connection) -> Dict[str, Any]:
        """Finish it in order."""
        return connection.finish()

    def totals_of(self, totals: Dict[str, Any]) -> Dict[str, Any]:
        """All of them."""
        return totals

    def release(self, connection: Connection, is_clean: bool) -> None:
        """Close it."""
        connection.close()
