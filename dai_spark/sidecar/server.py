"""The sidecar process: loads the scorer once, gives every connection a scorer process, and ends.

Started by the client as ``python <folder of this source> [--scorer FD]``, in a session of its
own, with one JSON object on standard input::

    run_folder        TEXT   socket, verdict, exit statuses, the scorers' working folders
    lock_fd           INT    holds the run folder's lock for as long as this process lives
    use_fds           [INT]  hold what lies in the cache for as long as this process lives
    log               TEXT   where all that it, its scorers and the pipeline print goes
    key               TEXT   what a client must name in HELLO
    pipeline_folder   TEXT   the unpacked pipeline: pipeline.json, site/, tmp/
    license           TEXT   or null; becomes DRIVERLESS_AI_LICENSE_KEY in this process alone
    start_method      TEXT   "auto", "fork" or "spawn"
    trial_timeout_s   FLOAT  limit of the trial fork
    idle_timeout_s    FLOAT  ends after so long without a connection
    diagnose          BOOL   a load that fails tells where libraries are looked for
    owner             {"pid": INT, "start_time": INT|null}: it ends with this process, or when
                      its run folder is deleted

The thread caps (OMP_NUM_THREADS and its like) are in the environment that it is started with:
merely loading LightGBM or XGBoost starts an OpenMP pool, and a child forked after that hangs.
"""

import json
import os
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from typing import Any, Dict, List, NoReturn, Optional, Tuple

from . import protocol
from .atomic_file import write_json
from .log import Log
from .pipeline.load import load_scorer
from .pipeline.scorer import LoadedScorer, Refused, enter_folder
from .pool import ScorerPool
from .process import die_with_parent, is_alive
from .verdict import leave_verdict, note_loaded
from .worker import ScorerWorker

# How soon a gone owner or an idle sidecar is noticed.  Deaths and connections are noticed at once.
_WATCH_S = 0.5


class Sidecar:
    """One loaded scorer and the processes that score with it.

    Parameters
    ----------
    spec : dict
        See the top of this file.
    log : Log
    """

    def __init__(self, spec: Dict[str, Any], log: Log) -> None:
        self._spec = spec
        self._log = log
        self._run_folder = spec["run_folder"]
        self._pool = ScorerPool(spec, log, self._close_inherited)
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
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
            if start_method == "auto":
                start_method = "fork" if self._trial_fork() else "spawn"
        self._pool.start_method = start_method

    def _trial_fork(self) -> bool:
        """Whether a forked child of this loaded process can score, and does not hang or die."""
        pid = self._pool.fork()
        if pid == 0:
            status = 1
            try:
                enter_folder(self._path("trial"), self._path("load", "tmp"))
                assert self._pool.loaded is not None
                self._pool.loaded.describe({}, "fork")
                status = 0
            except Refused as error:
                print(error.data["traceback"])
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                os._exit(status)
        deadline = time.time() + self._spec["trial_timeout_s"]
        ended_with: Optional[int] = None
        while ended_with is None:
            ended, code = os.waitpid(pid, os.WNOHANG)
            if ended:
                ended_with = code
            elif time.time() > deadline:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                break
            else:
                time.sleep(0.005)
        shutil.rmtree(self._path("trial"), ignore_errors=True)
        if ended_with == 0:
            return True
        why = "hung for {:.0f} s".format(self._spec["trial_timeout_s"])
        if ended_with is not None:
            why = "ended with status {}".format(ended_with)
        print(
            "dai_spark: WARNING: a forked scorer {}, so each scorer process of this pipeline "
            "loads for itself (start_method='spawn')".format(why)
        )
        sys.stdout.flush()
        return False

    def listen(self) -> None:
        """Open the socket and say so in ready.json."""
        os.mkdir(self._path(protocol.EXITS_NAME), 0o700)
        # A path within a Unix socket address has at most 107 bytes; a relative one always fits.
        os.chdir(self._run_folder)
        self._listener.bind(protocol.SOCKET_NAME)
        self._listener.listen(128)
        self._listener.setblocking(False)
        os.chdir(self._path("load"))
        self._pool.used_at = time.time()
        ready = {"pid": os.getpid(), "start_method": self._pool.start_method}
        write_json(self._path(protocol.READY_NAME), ready)
        try:
            os.unlink(self._path(protocol.LOADING_NAME))
        except FileNotFoundError:
            pass

    # -- serving -------------------------------------------------------------------------------

    def run(self) -> None:
        """Serve until the owner is gone, idle for too long, or told to end by SIGTERM."""
        wake_reading, wake_writing = os.pipe()
        os.set_blocking(wake_writing, False)
        os.set_blocking(wake_reading, False)
        signal.set_wakeup_fd(wake_writing)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.signal(signal.SIGTERM, self._end)
        self._wake = (wake_reading, wake_writing)
        while not self._ending and not self._should_end():
            poller = select.poll()
            poller.register(self._listener, select.POLLIN)
            poller.register(wake_reading, select.POLLIN)
            self._pool.watch(poller)
            events = [fd for fd, _ in poller.poll(_WATCH_S * 1000)]
            for fd in events:
                if fd == wake_reading:
                    os.read(wake_reading, 4096)
                elif fd != self._listener.fileno():
                    self._pool.handle_event(fd)
            if self._listener.fileno() in events:
                # Last: a scorer that has just finished takes it, and its descriptor may have the
                # number of one that has just been closed.
                self._accept()
            self._pool.reap()
            self._pool.evict()

    def _end(self, number: int, frame: Any) -> None:
        self._ending = True

    def _should_end(self) -> bool:
        # A clean stop deletes the executor's folder, and the run folder in it, while in local mode
        # the JVM lives on; a SIGKILL of the JVM leaves the folder.
        if not os.path.isdir(self._run_folder) or not is_alive(self._spec["owner"]):
            return True
        if self._pool.is_busy:
            return False
        return bool(time.time() - self._pool.used_at > self._spec["idle_timeout_s"])

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        connection.setblocking(True)
        self._pool.serve(connection)

    def _close_inherited(self) -> None:
        for fd in self._wake:
            os.close(fd)
        self._listener.close()

    def close(self) -> None:
        """End every scorer and take the run folder away."""
        self._listener.close()
        self._pool.close()
        os.chdir("/")
        shutil.rmtree(self._run_folder, ignore_errors=True)
        if not is_alive(self._spec["owner"]):
            # Nobody is left to use the other files of the place (locks, logs).
            shutil.rmtree(os.path.dirname(self._run_folder), ignore_errors=True)


def be_scorer(spec: Dict[str, Any], fd: int) -> NoReturn:
    """Be a scorer process that loads for itself (spawn), until its sidecar has no use for it."""
    die_with_parent(os.getppid())
    control = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=fd)
    os.set_inheritable(fd, False)
    enter_folder(spec["scorer_folder"], os.path.join(spec["pipeline_folder"], "tmp"))
    ScorerWorker(control, spec, lambda: _load_or_leave_verdict(spec), "spawn").run()
    sys.stdout.flush()
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


def main(argv: List[str]) -> None:
    """Run the sidecar, or with ``--scorer FD`` one spawned scorer of it."""
    spec = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    os.umask(0o077)
    if argv[1:2] == ["--scorer"]:
        be_scorer(spec, int(argv[2]))
    for fd in [spec["lock_fd"]] + spec["use_fds"]:
        # What a pipeline starts must not hold them.
        os.set_inheritable(fd, False)
    sidecar = Sidecar(spec, Log(spec["log"], spec["lock_fd"], spec["license"]))
    try:
        try:
            sidecar.load()
            sidecar.listen()
        except Refused as error:
            # The run folder stays, with the verdict in it: a retry on this executor reads it
            # there and does not load again.
            print(error.data["traceback"])
            leave_verdict(spec["run_folder"], error.data)
            shutil.rmtree(os.path.join(spec["run_folder"], "load"), ignore_errors=True)
            sys.stdout.flush()
            os._exit(1)
        sidecar.run()
        status = 0
    except BaseException:
        traceback.print_exc()
        status = 1
    sidecar.close()
    sys.stdout.flush()
    os._exit(status)
