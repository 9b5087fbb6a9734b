"""The sidecar process: loads the scorer once, gives every connection a scorer process, and ends.

Started by the client as ``python <folder of this source> [--connection FD]``, in a session of its
own, with one JSON object on standard input::

    run_folder        TEXT   socket, verdict, fates, and the scorers' working folders lie in it
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
import subprocess
import sys
import time
import traceback
from typing import Any, Dict, List, Optional, Tuple

from . import protocol
from .connection import ScorerConnection
from .diagnosis import library_search
from .log import Log
from .owner import die_with_parent, owner_lives
from .scorer import LoadedScorer, Refused, enter_folder
from .shims import apply_shims

# How soon a gone owner or an idle sidecar is noticed.  Deaths and connections are noticed at once.
_WATCH_S = 0.5
# A client that has gone may leave a scorer in the middle of a batch; it has so long to notice.
_GRACE_S = 1.0


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
        self._start_method = spec["start_method"]
        self._scorer: Optional[LoadedScorer] = None
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        # pid of a scorer -> [our copy of its connection, its folder, when its client left or None]
        self._scorers: Dict[int, List[Any]] = {}
        # What a forked scorer closes: the pipe that wakes this process.
        self._wake: Tuple[int, ...] = ()
        self._n_connections = 0
        self._idle_since = time.time()
        self._ending = False

    def _path(self, *parts: str) -> str:
        return os.path.join(self._run_folder, *parts)

    # -- coming up -----------------------------------------------------------------------------

    def load(self) -> None:
        """Construct the scorer, and choose between fork and spawn by a trial."""
        enter_folder(self._path("load"), os.path.join(self._spec["pipeline_folder"], "tmp"))
        if self._start_method == "spawn":
            # Every connection loads for itself, so a copy here would be of no use.
            return
        self._scorer = load_scorer(self._spec)
        if self._start_method == "auto":
            self._start_method = "fork" if self._trial_fork() else "spawn"

    def _trial_fork(self) -> bool:
        """Whether a forked child of this loaded process can score, and does not hang or die."""
        pid = self._fork()
        if pid == 0:
            status = 1
            try:
                enter_folder(self._path("trial"), self._path("load", "tmp"))
                assert self._scorer is not None
                self._scorer.describe({}, "fork")
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
            "dai_spark: WARNING: a forked scorer {}, so each connection of this pipeline loads a "
            "scorer of its own (start_method='spawn')".format(why)
        )
        sys.stdout.flush()
        return False

    def listen(self) -> None:
        """Open the socket and say so in ready.json."""
        os.mkdir(self._path(protocol.FATES_NAME), 0o700)
        # A path within a Unix socket address has at most 107 bytes; a relative one always fits.
        os.chdir(self._run_folder)
        self._listener.bind(protocol.SOCKET_NAME)
        self._listener.listen(128)
        self._listener.setblocking(False)
        os.chdir(self._path("load"))
        self._idle_since = time.time()
        ready = {"pid": os.getpid(), "start_method": self._start_method}
        write_json(self._path(protocol.READY_NAME), ready)

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
            by_fd = {}
            for pid, (connection, _, gone_since) in self._scorers.items():
                if gone_since is None:
                    # No event is asked for: POLLHUP is always told, and data is the scorer's.
                    poller.register(connection, 0)
                    by_fd[connection.fileno()] = pid
            for fd, _ in poller.poll(_WATCH_S * 1000):
                if fd == wake_reading:
                    os.read(wake_reading, 4096)
                elif fd == self._listener.fileno():
                    self._accept()
                else:
                    self._scorers[by_fd[fd]][2] = time.time()
            self._reap()
            self._kill_abandoned()

    def _end(self, number: int, frame: Any) -> None:
        self._ending = True

    def _should_end(self) -> bool:
        # A clean stop deletes the executor's folder, and the run folder in it, while in local mode
        # the JVM lives on; a SIGKILL of the JVM leaves the folder.
        if not os.path.isdir(self._run_folder) or not owner_lives(self._spec["owner"]):
            return True
        if self._scorers:
            return False
        return bool(time.time() - self._idle_since > self._spec["idle_timeout_s"])

    def _accept(self) -> None:
        try:
            connection, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        connection.setblocking(True)
        self._n_connections += 1
        folder = self._path("scorer-{}".format(self._n_connections))
        try:
            if self._start_method == "fork":
                pid = self._fork_scorer(connection, folder)
            else:
                pid = self._spawn_scorer(connection, folder)
        except OSError as error:
            print("dai_spark: no scorer process could be started: {}".format(error))
            sys.stdout.flush()
            connection.close()
            return
        self._scorers[pid] = [connection, folder, None]

    def _fork_scorer(self, connection: socket.socket, folder: str) -> int:
        pid = self._fork()
        if pid == 0:
            status = 1
            try:
                for fd in self._wake:
                    os.close(fd)
                for other, _, _ in self._scorers.values():
                    other.close()
                self._listener.close()
                enter_folder(folder, self._path("load", "tmp"))
                scorer = self._scorer
                assert scorer is not None
                ScorerConnection(
                    connection, self._spec["key"], self._run_folder, lambda: scorer, "fork"
                ).serve()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                # Not sys.exit: what the loaded pipeline registered to run at exit is the parent's.
                os._exit(status)
        return pid

    def _spawn_scorer(self, connection: socket.socket, folder: str) -> int:
        spec = dict(self._spec, lock_fd=None)
        fd = connection.fileno()
        process = subprocess.Popen(
            [sys.executable, "-s", "-X", "utf8", sys.argv[0], "--connection", str(fd)],
            stdin=subprocess.PIPE,
            pass_fds=[fd],
            cwd=self._run_folder,
        )
        spec["scorer_folder"] = folder
        assert process.stdin is not None
        process.stdin.write(json.dumps(spec).encode("utf-8"))
        process.stdin.close()
        # Reaped by `_reap`, by its pid.
        process.returncode = 0
        return process.pid

    def _fork(self) -> int:
        sys.stdout.flush()
        sys.stderr.flush()
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            if self._spec["lock_fd"] is not None:
                # A lock that a scorer held would outlive the sidecar that it stands for.
                os.close(self._spec["lock_fd"])
            die_with_parent(parent)
        return pid

    def _reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            self._log.restart_if(pid)
            if pid not in self._scorers:
                continue
            connection, folder, _ = self._scorers.pop(pid)
            self._tell_fate(pid, status)
            connection.close()
            shutil.rmtree(folder, ignore_errors=True)
            self._idle_since = time.time()

    def _tell_fate(self, pid: int, status: int) -> None:
        if status == 0:
            return
        fate: Dict[str, Optional[int]] = {"signal": None, "exit_code": None}
        if os.WIFSIGNALED(status):
            fate["signal"] = os.WTERMSIG(status)
        else:
            fate["exit_code"] = os.WEXITSTATUS(status)
        print("dai_spark: scorer {} ended: {}".format(pid, fate))
        sys.stdout.flush()
        try:
            write_json(self._path(protocol.FATES_NAME, "{}.json".format(pid)), fate)
        except OSError as error:
            print("dai_spark: its fate could not be written: {}".format(error))

    def _kill_abandoned(self) -> None:
        for pid, (_, _, gone_since) in self._scorers.items():
            if gone_since is not None and time.time() - gone_since > _GRACE_S:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass

    def close(self) -> None:
        """End every scorer and take the run folder away."""
        self._listener.close()
        for pid in list(self._scorers):
            try:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
            except OSError:
                pass
        os.chdir("/")
        shutil.rmtree(self._run_folder, ignore_errors=True)
        if not owner_lives(self._spec["owner"]):
            # Nobody is left to use the other files of the place (locks, logs).
            shutil.rmtree(os.path.dirname(self._run_folder), ignore_errors=True)


def load_scorer(spec: Dict[str, Any]) -> LoadedScorer:
    """Construct the pipeline's scorer in this process, as `spec` says."""
    with open(os.path.join(spec["pipeline_folder"], "pipeline.json"), "rb") as stream:
        about = json.loads(stream.read().decode("utf-8"))
    sys.path.insert(0, os.path.join(spec["pipeline_folder"], "site"))
    if spec["license"]:
        # Set here and not by who starts us: an initial environment can be read in /proc.
        os.environ["DRIVERLESS_AI_LICENSE_KEY"] = spec["license"]
    try:
        for applied in apply_shims():
            print("dai_spark: {}".format(applied))
        return LoadedScorer(about["package"], about["columns"])
    except Refused as error:
        if spec.get("diagnose") and error.data["kind"] == "load":
            error.data["traceback"] += "\n" + library_search(error.data["traceback"])
        raise


def write_json(path: str, data: Dict[str, Any]) -> None:
    """Write a JSON file that a reader sees whole or not at all."""
    aside = "{}.{}".format(path, os.getpid())
    with open(aside, "w") as stream:
        json.dump(data, stream)
    os.rename(aside, path)


def serve_one(spec: Dict[str, Any], fd: int) -> None:
    """Be the scorer of one connection, in a process of its own that loads for itself (spawn)."""
    die_with_parent(os.getppid())
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=fd)
    os.set_inheritable(fd, False)
    enter_folder(spec["scorer_folder"], os.path.join(spec["pipeline_folder"], "tmp"))
    ScorerConnection(
        connection, spec["key"], spec["run_folder"], lambda: load_scorer(spec), "spawn"
    ).serve()
    sys.stdout.flush()
    # A pipeline's own threads and exit hooks are of no use to anybody any more.
    os._exit(0)


def main(argv: List[str]) -> None:
    """Run the sidecar, or with ``--connection FD`` one spawned scorer of it."""
    spec = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    os.umask(0o077)
    if argv[1:2] == ["--connection"]:
        serve_one(spec, int(argv[2]))
    for fd in [spec["lock_fd"]] + spec["use_fds"]:
        # What a pipeline starts must not hold them.
        os.set_inheritable(fd, False)
    sidecar = Sidecar(spec, Log(spec["log"], spec["lock_fd"]))
    try:
        try:
            sidecar.load()
            sidecar.listen()
        except Refused as error:
            # The run folder stays, with the verdict in it: a retry on this executor reads it
            # there and does not load again.
            print(error.data["traceback"])
            verdict = dict(error.data, time=time.time())
            write_json(os.path.join(spec["run_folder"], protocol.VERDICT_NAME), verdict)
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
