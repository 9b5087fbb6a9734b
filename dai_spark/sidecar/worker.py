"""A scorer process: serves one connection after the other, while it is as good as new.

A new scorer costs tens of milliseconds where it is forked (page tables, pages that are copied at
their first touch, what a pipeline does at its first batch) and a load where it is spawned, and a
task may have a single small batch.  So a scorer that finished cleanly is reused.  One that has
raised, grown or reached a limit of its client's is not.
"""

import socket
from typing import Any, Callable, Dict, Optional

from .connection import ScorerConnection
from .fd_passing import IDLE, LOADED, receive_connection, send_word
from .log import flush
from .memory import resident_bytes
from .pipeline.scorer import LoadedScorer

# What a pipeline leaves behind with each task (files in ./tmp, memory, threads) ends here.
_MOST_CONNECTIONS = 32
# Resident memory beyond what it was when this process could score: as much again, or what batches
# of any pipeline leave with the allocators.
_MOST_GROWTH_BYTES = 256 << 20


class ScorerWorker:
    """A scorer process, from its first connection to its last.

    Parameters
    ----------
    control : socket.socket
        See `handover`.
    spec : dict
        The sidecar's, see `server`.
    load : callable
        Gives the scorer; called once, when the first connection may score.
    start_method : str
        ``"fork"`` or ``"spawn"``.
    """

    def __init__(
        self,
        control: socket.socket,
        spec: Dict[str, Any],
        load: Callable[[], LoadedScorer],
        start_method: str,
    ) -> None:
        self._control = control
        self._spec = spec
        self._load = load
        self._start_method = start_method
        self._scorer: Optional[LoadedScorer] = None
        self._loaded_bytes = 0

    def run(self) -> None:
        """Serve until the sidecar has no more connections, or this process is worn."""
        n_batches = 0
        for number in range(_MOST_CONNECTIONS):
            if number:
                send_word(self._control, IDLE)
            sock = receive_connection(self._control)
            if sock is None:
                return
            connection = ScorerConnection(
                sock, self._spec, self._loaded, self._start_method, n_batches
            )
            connection.serve()
            sock.close()
            n_batches += connection.n_batches
            flush()
            if not connection.leaves_scorer_as_new or self._has_grown():
                return

    def _loaded(self) -> LoadedScorer:
        if self._scorer is None:
            self._scorer = self._load()
            send_word(self._control, LOADED)
            self._loaded_bytes = resident_bytes()
        return self._scorer

    def _has_grown(self) -> bool:
        grown_bytes = resident_bytes() - self._loaded_bytes
        return grown_bytes > max(_MOST_GROWTH_BYTES, self._loaded_bytes)
