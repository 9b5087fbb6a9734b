"""The sidecar's guard: the process that a client starts, and that ends all that came of it.

It never runs code of the pipeline's.  It starts the sidecar and holds, for as long as anything of
it lives, what must not pass to a pipeline's processes: the run folder's lock and the locks on what
lies in the cache.  It writes the log, watches the executor while the sidecar loads and scores, and
when the sidecar ends, or must, kills whatever that and its scorers have started (see `process`),
before it takes the run folder away and lets the lock go.

Started as ``python <folder of this source>`` with one JSON object on standard input::

    run_folder        TEXT   socket, verdict, exit statuses, the scorers' working folders
    lock_fd           INT    holds the run folder's lock for as long as this process lives
    use_fds           [INT]  hold what lies in the cache for as long as this process lives
    log               TEXT   where all that sidecar, scorers and pipeline print goes
    license           TEXT   or null; kept out of the log
    load_timeout_s    FLOAT  a sidecar that is not ready by then is ended, with a verdict
    owner             {"pid": INT, "start_time": INT|null}: all ends with this process, or when
                      the run folder is deleted

and what `server` wants.  With ``--scorer FD`` it is one spawned scorer instead (see `server`).
"""

import json
import os
import resource
import select
import shutil
import signal
import sys
import time
import traceback
from typing import Any, Dict, List, NoReturn, Optional

from . import protocol
from .atomic_file import remove_place, write_json
from .log import CHUNK_BYTES, END, BoundedFile, open_log
from .process import adopt_orphans, die_with_parent, end_children, is_alive
from .texts.secret import CleanStream, Secret

# How soon a gone owner is noticed.  The sidecar's end is noticed at once.
_WATCH_S = 0.5
# What is still there so long after SIGKILL waits for a disk or a device.
_KILL_S = 5.0


class Guard:
    """What outlives the sidecar.

    Parameters
    ----------
    spec : dict
        See the top of this file.
    """

    def __init__(self, spec: Dict[str, Any]) -> None:
        self._spec = spec
        self._run_folder: str = spec["run_folder"]
        self._must_end = False
        self._status: Optional[int] = None
        self._log = BoundedFile(spec["log"])
        self._clean_stream = CleanStream(Secret(spec["license"]))
        self._reading, self._writing = os.pipe()
        self._wake = os.pipe()
        for fd in (*self._wake, self._reading):
            os.set_blocking(fd, False)

    def run(self) -> NoReturn:
        """Guard a sidecar to its end, and end as it did."""
        # The run folder, and the one that this was started in, are to go.
        os.chdir("/")
        if not adopt_orphans():
            self._say(
                "this system tells nobody of orphans: processes that a pipeline starts and does "
                "not end may outlive it"
            )
        signal.set_wakeup_fd(self._wake[1])
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._end)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        self._pid = self._start()
        os.close(self._writing)
        self._load_until = time.monotonic() + self._spec["load_timeout_s"]
        self._watch()
        self._clean()
        self._leave()

    def _say(self, text: str) -> None:
        self._log.append("dai_spark: {}\n".format(text).encode("utf-8"))

    def _end(self, number: int, frame: Any) -> None:
        self._must_end = True

    def _path(self, name: str) -> str:
        return os.path.join(self._run_folder, name)

    def _start(self) -> int:
        guard = os.getpid()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                # Should this process be killed: `Sidecar.run` ends more than itself.
                die_with_parent(guard)
                signal.set_wakeup_fd(-1)
                for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                    signal.signal(number, signal.SIG_DFL)
                for fd in (*self._wake, self._spec["lock_fd"], *self._spec["use_fds"]):
                    os.close(fd)
                os.dup2(self._writing, 1)
                os.dup2(self._writing, 2)
                os.close(self._writing)
                os.close(self._reading)
                # A pipeline that signals its own process group means its own.
                os.setsid()
                self._spec["guard"] = {"pid": guard, "log_fd": self._reading}
                # Here, since it imports pandas, of which the guard has no use.
                from .server import serve

                status = serve(self._spec)
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        return pid

    # -- while it runs -------------------------------------------------------------------------

    def _watch(self) -> None:
        poller = select.poll()
        poller.register(self._wake[0], select.POLLIN)
        poller.register(self._reading, select.POLLIN)
        looked_at = time.monotonic()
        while True:
            events = poller.poll(_WATCH_S * 1000)
            if not events:
                self._log.append(self._clean_stream.rest())
            for fd, event in events:
                if fd == self._wake[0]:
                    os.read(fd, 4096)
                elif not event & select.POLLIN:
                    # Nobody is left who could print.
                    poller.unregister(fd)
                else:
                    self._copy()
            if self._must_end or self._has_ended():
                return
            if time.monotonic() - looked_at > _WATCH_S:
                looked_at = time.monotonic()
                if self._is_of_no_use():
                    return

    def _copy(self) -> bool:
        try:
            chunk = os.read(self._reading, CHUNK_BYTES)
        except BlockingIOError:
            return False
        self._log.append(self._clean_stream.take(chunk))
        return bool(chunk)

    def _has_ended(self) -> bool:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return True
            if pid == self._pid:
                self._status = status
                return True
            if pid == 0:
                return False

    def _is_of_no_use(self) -> bool:
        # A clean stop deletes the executor's folder, and the run folder in it, while in local mode
        # the JVM lives on; a SIGKILL of the JVM leaves the folder.
        if not os.path.isdir(self._run_folder) or not is_alive(self._spec["owner"]):
            return True
        if self._load_until is None or time.monotonic() < self._load_until:
            return False
        if os.path.exists(self._path(protocol.READY_NAME)):
            self._load_until = None
            return False
        # Who started it says so first, unless it was killed.
        limit_s = self._spec["load_timeout_s"]
        self._say("not loaded within {:g} s".format(limit_s))
        verdict = {"kind": "hung", "limit_s": limit_s, "time": time.monotonic()}
        try:
            write_json(self._path(protocol.VERDICT_NAME), verdict)
        except OSError:
            pass
        return True

    # -- the end -------------------------------------------------------------------------------

    def _clean(self) -> None:
        # First, so that who comes now waits for the lock and calls nobody.
        try:
            os.unlink(self._path(protocol.READY_NAME))
        except OSError:
            pass
        if self._status is None:
            try:
                os.kill(self._pid, signal.SIGKILL)
                self._status = os.waitpid(self._pid, 0)[1]
            except OSError:
                pass
        end_children(set(), _KILL_S)
        while self._copy():
            pass
        self._log.append(self._clean_stream.rest())
        self._log.append((END + "\n").encode("ascii"))
        if not is_alive(self._spec["owner"]):
            # Nobody is left to use the other files of the place (locks, logs).
            remove_place(os.path.dirname(self._run_folder))
        elif os.path.exists(self._path(protocol.LOADING_NAME)):
            self._keep_verdict()
        else:
            # It has listened, so nothing in it is of use to the next.
            shutil.rmtree(self._run_folder, ignore_errors=True)

    def _keep_verdict(self) -> None:
        """Leave nothing but that it loaded, and why not: a retry reads it and does not load."""
        try:
            names = os.listdir(self._run_folder)
        except OSError:
            return
        for name in names:
            # Who started it says how it ended where that is told by the exit status alone.
            if name in (protocol.VERDICT_NAME, protocol.LOADING_NAME):
                continue
            if os.path.isdir(self._path(name)):
                shutil.rmtree(self._path(name), ignore_errors=True)
            else:
                os.unlink(self._path(name))

    def _leave(self) -> NoReturn:
        status = self._status or 0
        if os.WIFSIGNALED(status) and not self._must_end:
            # Its client asks this process how the sidecar ended.
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            number = os.WTERMSIG(status)
            if number != signal.SIGKILL:
                signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        os._exit(os.WEXITSTATUS(status) if os.WIFEXITED(status) else 1)


def main(argv: List[str]) -> None:
    """Guard a sidecar, or with ``--scorer FD`` be one spawned scorer of it."""
    spec = json.loads(sys.stdin.buffer.read().decode("utf-8"))
    os.umask(0o077)
    # A thread of the client's that blocks signals hands that on.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    if argv[1:2] == ["--scorer"]:
        open_log(spec["guard"]["pid"], spec["guard"]["log_fd"])
        from .server import be_scorer

        be_scorer(spec, int(argv[2]))
    for fd in [spec["lock_fd"]] + spec["use_fds"]:
        os.set_inheritable(fd, False)
    Guard(spec).run()
