"""The sidecar process: loads the scorer once, gives every connection a scorer process, and ends.

Forked from the `guard`, in a session of its own, with these of the guard's JSON object::

    run_folder        TEXT   socket, verdict, exit statuses, the scorers' working folders
    key               TEXT   what a client must name in HELLO
    pipeline_folder   TEXT   the unpacked pipeline: pipeline.json, site/, tmp/
    license           TEXT   or null; becomes DRIVERLESS_AI_LICENSE_KEY in this process alone
    start_method      TEXT   "auto", "fork" or "spawn"
    trial_timeout_s   FLOAT  limit of the trial fork
    idle_timeout_s    FLOAT  ends after so long without a connection
    diagnose          BOOL   a load that fails tells where libraries are looked for
    owner             see `guard`
    guard             {"pid": INT, "log_fd": INT}: its parent, and its end of the log's pipe

A spawned scorer is ``python <folder of this source> --scorer FD`` with the same object, and
``scorer_folder``, on standard input.

The thread caps (OMP_NUM_THREADS and its like) are in the environment that it is started with:
merely loading LightGBM or XGBoost starts an OpenMP pool, and a child forked after that hangs.
"""

import fcntl
import os
import select
import shutil
import signal
import socket
import time
import traceback
from typing import Any, Dict, NoReturn, Tuple

from . import protocol
from .atomic_file import remove_place, write_json
from .log import LogPipe, flush, open_log, say
from .pipeline.load import load_scorer
from .pipeline.scorer import LoadedScorer, Refused, enter_folder
from .pipeline.trial import can_be_forked
from .pool import ScorerPool, be_scorer_of
from .process import adopt_orphans, die_with_parent, is_alive
from .verdict import leave_verdict, note_loaded
from .worker import ScorerWorker

# How soon an idle sidecar or a stopped guard is noticed.  Ends and connections are, at once.
_WATCH_S = 0.5
# No descriptor or memory for another connection: it waits for so long.
_SHORT_S = 0.2


class Sidecar:
    """One loaded scorer and the processes that score with it.

    Parameters
    ----------
    spec : dict
        See the top of this file.
    log : LogPipe
    """

    def __init__(self, spec: Dict[str, Any], log: LogPipe) -> None:
        self._spec = spec
        self._log = log
        self._run_folder = spec["run_folder"]
        self._pool = ScorerPool(spec, self._close_inherited)
        # What a forked scorer closes: the pipe that wakes this process.
        self._wake: Tuple[int, ...] = ()
        self._ending = False

    def _path(self, *parts: str) -> str:
        return os.path.join(self._run_folder, *parts)

    # -- coming up -----------------------------------------------------------------------------

    def load(self) -> None:
        """Construct the scorer, and choose between fork and spawn by a trial."""
        enter_folder(self._path("load"), os.path.join(self._spec["pipeline_folder"], "tmp"))
        start_method = self._spec["start_method"]
        if start_method != "spawn":
            # There every scorer loads for itself, so a copy here would be of no use.
            self._pool.loaded = load_scorer(self._spec)
            self._pool.keep_helpers()
            if start_method == "auto":
                start_method = "fork" if self._trial_fork() else "spawn"
        self._pool.start_method = start_method

    def _trial_fork(self) -> bool:
        loaded = self._pool.loaded
        assert loaded is not None

        def score() -> None:
            enter_folder(self._path("trial"), self._path("load", "tmp"))
            loaded.describe({}, "fork")

        why = can_be_forked(self._pool.fork, score, self._spec["trial_timeout_s"])
        self._pool.end_orphans()
        shutil.rmtree(self._path("trial"), ignore_errors=True)
        if why is not None:
            say(
                "WARNING: a forked scorer {}, so each scorer process of this pipeline loads for "
                "itself (start_method='spawn')".format(why)
            )
        return why is None

    def listen(self) -> None:
        """Open the socket and say so in ready.json."""
        os.mkdir(self._path(protocol.EXITS_NAME), 0o700)
        # Made when the pipeline has loaded: what it has forked by now does not hold it.
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # A path within a Unix socket address has at most 107 bytes; a relative one always fits.
        os.chdir(self._run_folder)
        self._listener.bind(protocol.SOCKET_NAME)
        self._listener.listen(128)
        self._listener.setblocking(False)
        # Where the pipeline has left it.
        os.makedirs(self._path("load"), mode=0o700, exist_ok=True)
        os.chdir(self._path("load"))
        self._pool.used_at = time.monotonic()
        ready = {"pid": os.getpid(), "start_method": self._pool.start_method}
        write_json(self._path(protocol.READY_NAME), ready)
        try:
            os.unlink(self._path(protocol.LOADING_NAME))
        except FileNotFoundError:
            pass

    # -- serving -------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until idle for too long, told to end by SIGTERM, or without a guard."""
        wake_reading, wake_writing = os.pipe()
        os.set_blocking(wake_writing, False)
        os.set_blocking(wake_reading, False)
        signal.set_wakeup_fd(wake_writing)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGTERM, self._end)
        # From now on what is to be done when the guard is killed can be done here.
        die_with_parent(self._spec["guard"]["pid"], signal.SIGTERM)
        self._wake = (wake_reading, wake_writing)
        while not self._ending and not self._is_of_no_use():
            poller = select.poll()
            poller.register(self._listener, select.POLLIN)
            poller.register(wake_reading, select.POLLIN)
            self._log.stand_in(poller)
            self._pool.watch(poller)
            events = [fd for fd, _ in poller.poll(_WATCH_S * 1000)]
            for fd in events:
                if fd == wake_reading:
                    os.read(wake_reading, 4096)
                elif fd not in (self._listener.fileno(), self._log.draining):
                    self._pool.handle_event(fd)
            if self._listener.fileno() in events:
                # Last: a scorer that has just finished takes it, and its descriptor may have the
                # number of one that has just been closed.
                self._accept()
            self._pool.reap()
            self._pool.evict()
        self._leave()

    def _end(self, number: int, frame: Any) -> None:
        self._ending = True

    def _is_of_no_use(self) -> bool:
        if self._pool.is_busy:
            return False
        return bool(time.monotonic() - self._pool.used_at > self._spec["idle_timeout_s"])

    def _leave(self) -> None:
        # Before anything else ends, so that who comes now waits for the lock and calls nobody.
        try:
            os.unlink(self._path(protocol.READY_NAME))
        except OSError:
            pass
        self._listener.close()
        self._pool.close()
        if os.getppid() != self._spec["guard"]["pid"]:
            self._end_as_guard()

    def _end_as_guard(self) -> None:
        """Do what the guard, which was killed, would have done."""
        self._pool.end_all()
        try:
            lock = os.open(self._run_folder + ".lock", os.O_RDWR)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            # The place is gone, or the folder another sidecar's by now.
            return
        os.chdir("/")
        shutil.rmtree(self._run_folder, ignore_errors=True)
        if not is_alive(self._spec["owner"]):
            remove_place(os.path.dirname(self._run_folder))

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:
            say("no connection can be taken: {}".format(error))
            time.sleep(_SHORT_S)
            return
        connection.setblocking(True)
        self._pool.serve(connection)

    def _close_inherited(self) -> None:
        for fd in self._wake:
            os.close(fd)
        self._listener.close()


def be_scorer(spec: Dict[str, Any], fd: int) -> NoReturn:
    """Be a scorer process that loads for itself (spawn), until its sidecar has no use for it."""
    be_scorer_of(os.getppid())
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=fd)
    os.set_inheritable(fd, False)
    enter_folder(spec["scorer_folder"], os.path.join(spec["pipeline_folder"], "tmp"))
    ScorerWorker(control, spec, lambda: _load_or_leave_verdict(spec), "spawn").run()
    flush()
    # A pipeline's own threads and exit hooks are of no use to anybody any more.
    os._exit(0)


def _load_or_leave_verdict(spec: Dict[str, Any]) -> LoadedScorer:
    try:
        loaded = load_scorer(spec)
    except Refused as error:
        leave_verdict(spec["run_folder"], error.data)
        raise
    note_loaded(spec["run_folder"])
    return loaded


def serve(spec: Dict[str, Any]) -> int:
    """Be the sidecar, and return its exit status."""
    guard = spec["guard"]
    log = open_log(guard["pid"], guard["log_fd"])
    adopt_orphans()
    try:
        sidecar = Sidecar(spec, log)
        try:
            sidecar.load()
            sidecar.listen()
        except Refused as error:
            # A retry on this executor reads it there and does not load again.
            say(error.data["traceback"])
            leave_verdict(spec["run_folder"], error.data)
            return 1
        sidecar.run()
        return 0
    except BaseException:
        say(traceback.format_exc())
        return 1
    finally:
        flush()
