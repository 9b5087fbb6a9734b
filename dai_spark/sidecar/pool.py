"""The scorer processes of a sidecar: made by fork or spawn, given connections, kept, reaped."""

import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
import traceback
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

from . import protocol
from .atomic_file import write_json
from .fd_passing import IDLE, LOADED, send_connection
from .log import flush, say
from .pipeline.scorer import LoadedScorer, enter_folder
from .process import Orphans, adopt_orphans, die_with_parent, end_children
from .verdict import ended_in_load, exit_status, is_from_outside, leave_verdict
from .worker import ScorerWorker

# A client that has gone may leave a scorer in the middle of a batch; it has so long to notice.
_GRACE_S = 1.0
# A few bytes to a client that waits for them.
_TELL_S = 1.0
# What is still there so long after SIGKILL waits for a disk or a device.
_KILL_S = 5.0
# How long a scorer waits for its next connection: what a fork costs matters between the tasks of a
# job, what a load costs also between the cells of a notebook.
_KEEP_S = {"fork": 5.0, "spawn": 60.0}


class ScorerProcess:
    """A child of the sidecar, as the sidecar sees it.

    Attributes
    ----------
    control : socket.socket
        The sidecar's end, see `handover`.
    connection : socket.socket or None
        The sidecar's copy of what it serves; None while it waits for another.
    client_left_at : float or None
        When its client left.
    idle_since : float or None
        When it began to wait.
    is_closing : bool
        Whether it takes no more connections.
    is_loaded : bool
        Whether it has the pipeline, and not only a process that may end while it loads.
    """

    def __init__(self, pid: int, folder: str, control: socket.socket, is_loaded: bool) -> None:
        self.pid = pid
        self.folder = folder
        self.control = control
        self.connection: Optional[socket.socket] = None
        self.client_left_at: Optional[float] = None
        self.idle_since: Optional[float] = None
        self.is_closing = False
        self.is_loaded = is_loaded

    def give(self, connection: socket.socket) -> None:
        """Hand a connection over; raises OSError where it has ended."""
        send_connection(self.control, connection)
        self.connection = connection
        self.idle_since = None

    def close_copy(self) -> None:
        """Close this process's copy of the connection, which others go on to use."""
        if self.connection is not None:
            self.connection.close()
        self.connection = self.client_left_at = None

    def end_connection(self) -> None:
        """End the connection for all that hold a copy: a process of the pipeline's may have one."""
        if self.connection is not None:
            try:
                self.connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        self.close_copy()

    def dismiss(self) -> None:
        """Tell it that no more connections come."""
        self.is_closing = True
        try:
            self.control.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class ScorerPool:
    """All scorer processes of this sidecar.

    Parameters
    ----------
    spec : dict
        See `server`.
    close_inherited : callable
        Called in a forked scorer: closes what else is the sidecar's own.

    Attributes
    ----------
    start_method : str
        ``"fork"`` or ``"spawn"``; the sidecar chooses it when it has loaded.
    loaded : LoadedScorer or None
        What forked scorers inherit.
    used_at : float
        When a connection last ended.
    """

    def __init__(self, spec: Dict[str, Any], close_inherited: Callable[[], None]) -> None:
        self._spec = spec
        self._close_inherited = close_inherited
        self.start_method = "fork"
        self.loaded: Optional[LoadedScorer] = None
        self.used_at = time.monotonic()
        # Before the pipeline is loaded: what that sets, the licence among it, is of one process.
        self._environment = dict(os.environ)
        self._n_made = 0
        self._by_pid: Dict[int, ScorerProcess] = {}
        self._by_fd: Dict[int, ScorerProcess] = {}
        self._orphans = Orphans()
        # Of before the pipeline loads: what that makes of its own is not a spawned scorer's.
        self._environment = dict(os.environ)
        self._command = [sys.executable, "-s", "-X", "utf8", sys.argv[0], "--scorer"]

    @property
    def is_busy(self) -> bool:
        """Whether one of them serves a connection."""
        return any(scorer.connection is not None for scorer in self._by_pid.values())

    def serve(self, connection: socket.socket) -> None:
        """Give a connection to a scorer that waits for one, or to a new one."""
        for scorer in self._waiting():
            try:
                scorer.give(connection)
                return
            except OSError:
                # It has just ended, and is buried when the kernel says so.
                scorer.is_closing = True
        try:
            self._make(connection).give(connection)
        except OSError as error:
            say("no scorer process could be started: {}".format(error))
            connection.close()

    def _waiting(self) -> List[ScorerProcess]:
        # The last one first: those that are not needed any more grow old and go.
        found = [s for s in self._by_pid.values() if s.idle_since is not None and not s.is_closing]
        return sorted(found, key=lambda scorer: scorer.idle_since or 0.0, reverse=True)

    # -- making --------------------------------------------------------------------------------

    def _make(self, connection: socket.socket) -> ScorerProcess:
        self._n_made += 1
        folder = os.path.join(self._spec["run_folder"], "scorer-{}".format(self._n_made))
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        for sock in (ours, theirs):
            # A pipeline may have set a default limit for all sockets.
            sock.setblocking(True)
        try:
            if self.start_method == "fork":
                pid = self._fork_scorer(theirs, folder, [ours, connection])
            else:
                pid = self._spawn_scorer(theirs, folder)
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        scorer = self._by_pid[pid] = ScorerProcess(pid, folder, ours, self.start_method == "fork")
        return scorer

    def fork(self) -> int:
        """Fork this process into one that ends with it, and with which all that it starts ends."""
        flush()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            be_scorer_of(parent)
        return pid

    def end_all(self) -> None:
        """End all children, scorers or not."""
        end_children(set(), _KILL_S)

    def keep_helpers(self) -> None:
        """Let what the pipeline started while it loaded live as long as this process."""
        self._orphans.keep()

    def end_orphans(self) -> None:
        """End what a forked child has left that is none of the scorers."""
        self._orphans.end(self._by_pid)

    def _fork_scorer(
        self, theirs: socket.socket, folder: str, to_close: List[socket.socket]
    ) -> int:
        pid = self.fork()
        if pid == 0:
            status = 1
            try:
                for sock in to_close:
                    sock.close()
                for other in self._by_pid.values():
                    other.control.close()
                    other.close_copy()
                self._close_inherited()
                enter_folder(folder, os.path.join(self._spec["run_folder"], "load", "tmp"))
                loaded = self.loaded
                assert loaded is not None
                ScorerWorker(theirs, self._spec, lambda: loaded, "fork").run()
                status = 0
            except BaseException:
                say(traceback.format_exc())
            finally:
                flush()
                # Not sys.exit: what the loaded pipeline registered to run at exit is the parent's.
                os._exit(status)
        return pid

    def _spawn_scorer(self, theirs: socket.socket, folder: str) -> int:
        fd = theirs.fileno()
        process = subprocess.Popen(
            [*self._command, str(fd)],
            stdin=subprocess.PIPE,
            pass_fds=[fd],
            cwd=self._spec["run_folder"],
            env=self._environment,
        )
        spec = dict(self._spec, scorer_folder=folder)
        assert process.stdin is not None
        process.stdin.write(json.dumps(spec).encode("utf-8"))
        process.stdin.close()
        # Reaped by `reap`, by its pid.
        process.returncode = 0
        return process.pid

    # -- watching ------------------------------------------------------------------------------

    def watch(self, poller: "select.poll") -> None:
        """Register what tells that a client left or a scorer has finished; see `handle_event`."""
        self._by_fd = {}
        for scorer in self._by_pid.values():
            if not scorer.is_closing:
                poller.register(scorer.control, select.POLLIN)
                self._by_fd[scorer.control.fileno()] = scorer
            if scorer.connection is not None and scorer.client_left_at is None:
                # No event is asked for: POLLHUP is always told, and data is the scorer's.
                poller.register(scorer.connection, 0)
                self._by_fd[scorer.connection.fileno()] = scorer

    def handle_event(self, fd: int) -> None:
        """Take in what a descriptor that was registered has to tell."""
        scorer = self._by_fd[fd]
        if fd == scorer.control.fileno():
            try:
                word = scorer.control.recv(1)
            except ConnectionResetError:
                # It has ended with a connection that it never took.
                word = b""
            if word == LOADED:
                scorer.is_loaded = True
                return
            if word != IDLE:
                # It leaves; the kernel says when it has.
                scorer.is_closing = True
                return
            scorer.end_connection()
            scorer.idle_since = self.used_at = time.monotonic()
        elif scorer.connection is not None:
            scorer.client_left_at = time.monotonic()

    def reap(self) -> None:
        """Take in the ends of children: write exit statuses, close connections, remove folders."""
        ended = []
        for pid, status in self._ended():
            scorer = self._by_pid.pop(pid, None)
            if scorer is not None:
                self._write_exit_status(pid, status)
                if status is not None:
                    self._tell_of_load(scorer, exit_status(status))
                scorer.end_connection()
                scorer.control.close()
                ended.append(scorer)
        self._orphans.look(self._by_pid, bool(ended))
        for scorer in ended:
            shutil.rmtree(scorer.folder, ignore_errors=True)
            self.used_at = time.monotonic()

    def _ended(self) -> Iterator[Tuple[int, Optional[int]]]:
        """Children that have ended and their statuses; None where the pipeline has taken it."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                break
            if pid == 0:
                break
            yield pid, status
        for pid in list(self._by_pid):
            try:
                ended, status = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                yield pid, None
                continue
            if ended:
                yield pid, status

    def _tell_of_load(self, scorer: ScorerProcess, status: int) -> None:
        """Say to its client, in a scorer's place, that it ended while it loaded."""
        if scorer.connection is None or scorer.client_left_at is not None:
            return
        try:
            # Its last word may have come together with its end.
            if scorer.is_loaded or scorer.control.recv(1, socket.MSG_DONTWAIT) == LOADED:
                return
        except OSError:
            pass
        error = ended_in_load(status)
        try:
            if not is_from_outside(status):
                leave_verdict(self._spec["run_folder"], error)
            deadline = time.monotonic() + _TELL_S
            protocol.send(scorer.connection, protocol.ERROR, error, deadline)
        except (OSError, protocol.Closed, protocol.TimedOut) as failed:
            say("nobody could be told of it: {!r}".format(failed))

    def _write_exit_status(self, pid: int, status: Optional[int]) -> None:
        if status == 0:
            return
        found: Dict[str, Optional[int]] = {"signal": None, "exit_code": None}
        if status is not None and os.WIFSIGNALED(status):
            found["signal"] = os.WTERMSIG(status)
        elif status is not None:
            found["exit_code"] = os.WEXITSTATUS(status)
        say("scorer {} ended: {}".format(pid, found))
        path = os.path.join(self._spec["run_folder"], protocol.EXITS_NAME, "{}.json".format(pid))
        try:
            write_json(path, found)
        except OSError as error:
            say("its exit status could not be written: {}".format(error))

    def evict(self) -> None:
        """Kill scorers whose client left in the middle, dismiss those that wait for too long."""
        now = time.monotonic()
        keep_s = min(_KEEP_S[self.start_method], self._spec["idle_timeout_s"])
        for scorer in self._by_pid.values():
            if scorer.client_left_at is not None and now - scorer.client_left_at > _GRACE_S:
                try:
                    os.kill(scorer.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            waits = scorer.idle_since is not None and not scorer.is_closing
            if waits and now - (scorer.idle_since or now) > keep_s:
                scorer.dismiss()

    def close(self) -> None:
        """Tell all clients that it ends, those too whose connection somebody else has a copy of."""
        for scorer in self._by_pid.values():
            scorer.end_connection()


def be_scorer_of(sidecar_pid: int) -> None:
    """Make this process one that ends with its sidecar, and whose descendants are found."""
    # A pipeline that signals its own process group means its own, not other scorers.
    os.setpgid(0, 0)
    adopt_orphans()
    die_with_parent(sidecar_pid)
