"""Hosts of a test's own on this machine: each with a network, a name, processes and folders.

A host is a set of the kernel's namespaces, held by its first process.  That ends when its standard
input does, also where the test is killed, and the kernel ends all other processes of the host with
it, and takes its networks and mounts away.
"""

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
from pathlib import Path

import host_clock
import pytest

NETWORK = "10.77.0"
# Where all hosts see the same, as of a file server.
SHARED = Path("/mnt")
_LIMIT_S = 30


class Host:
    """A host that runs.

    Attributes
    ----------
    name, address : str
    tmp : Path
        What the host calls /tmp, as this process sees it.
    words : list of str
        What stands before a command that is to run there.
    """

    def __init__(self, name, address, tmp, process):
        self.name, self.address, self.tmp = name, address, tmp
        self._process = process
        path = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        self._first = int(path.read_text().split()[0])
        entering = ["nsenter", f"--target={self._first}", "--net", "--uts", "--mount", "--pid"]
        self.words = [*entering, "--"]
        self._processes = Path(f"/proc/{self._first}/ns/pid").readlink()

    def run(self, command):
        """Run a command of a shell there; return what it printed."""
        done = subprocess.run(
            [*self.words, "sh", "-ec", command],
            check=True,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
        )
        return done.stdout

    def start(self, command, log, **variables):
        """Start a process there, with these variables and no others, and return it."""
        with log.open("ab") as stream:
            return subprocess.Popen(
                [*self.words, *map(str, command)],
                env=variables,
                cwd="/",
                stdin=subprocess.DEVNULL,
                stdout=stream,
                stderr=stream,
            )

    def pids(self):
        """Its processes, by their numbers here, but for its first one."""
        found = set()
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if (process / "ns" / "pid").readlink() == self._processes:
                    found.add(int(process.name))
        return found - {self._first}

    def put_clock(self, offset_s):
        """Put its wall clock so many seconds forward, for what runs there as well."""
        host_clock.put(self.tmp.parent / "etc" / Path(host_clock.FILE).name, offset_s)

    def end(self):
        """End it, with all that runs there."""
        self._process.stdin.close()
        try:
            self._process.wait(_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.kill(self._first, signal.SIGKILL)
            self._process.wait(_LIMIT_S)
        for stream in (self._process.stdout, self._process.stderr):
            stream.close()


def _started(name, address, folder, table, is_own, clock, hidden):
    """Start a host below a folder; `is_own` says whether it has a /tmp of its own."""
    etc, tmp = folder / "etc", folder / "tmp"
    tmp.mkdir(parents=True)
    shutil.copytree("/etc", etc, symlinks=True, ignore_dangling_symlinks=True)
    (etc / "hosts").unlink()
    (etc / "hosts").write_text(table)
    (etc / "hostname").write_text(f"{name}\n")
    if clock is not None:
        shutil.copy(clock, etc)
        host_clock.put(etc / Path(host_clock.FILE).name, 0)
        (etc / "ld.so.preload").write_text(f"/etc/{clock.name}\n")
    script = [
        "trap '' CHLD",
        f"hostname {name}",
        f"mount --bind {shlex.quote(str(folder.parent / 'shared'))} {SHARED}",
        *(f"mount -t tmpfs tmpfs {shlex.quote(str(path))}" for path in hidden),
        "mount -t tmpfs tmpfs /dev/shm",
        f"mount --bind {shlex.quote(str(etc))} /etc",
        # Last, since the other folders may lie below it.
        *([f"mount --bind {shlex.quote(str(tmp))} /tmp"] if is_own else []),
        "echo ready",
        "exec cat",
    ]
    spaces = ["--net", "--uts", "--ipc", "--mount", "--pid", "--fork", "--kill-child"]
    process = subprocess.Popen(
        ["unshare", *spaces, "--mount-proc", "sh", "-ec", "\n".join(script)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd="/",
    )
    if process.stdout.readline() != "ready\n":
        process.stdin.close()
        pytest.skip(f"this user may make no hosts: {process.stderr.read().strip()}")
    return Host(name, address, tmp, process)


def _connect(hosts):
    """Give all hosts a network; the bridge lies in the first one."""
    first, *others = hosts
    first.run(
        "ip link add bridge type bridge\n"
        f"ip address add {first.address}/24 dev bridge\n"
        "ip link set bridge up\nip link set lo up"
    )
    for number, host in enumerate(others):
        enter = [*first.words[:3], "--"]
        wire = ["ip", "link", "add", f"wire{number}", "type", "veth", "peer", "name", "eth0"]
        wire += ["netns", host.words[1].partition("=")[2]]
        subprocess.run([*enter, *wire], check=True, timeout=_LIMIT_S)
        first.run(f"ip link set wire{number} master bridge\nip link set wire{number} up")
        host.run(
            f"ip address add {host.address}/24 dev eth0\nip link set eth0 up\nip link set lo up"
        )


@contextlib.contextmanager
def running(folder, names, clock=None, hidden=()):
    """Run hosts of these names for a block's time.

    The first one has this machine's /tmp, all others one of their own; all have `SHARED`.

    Parameters
    ----------
    folder : Path
        Gets their folders; ``shared`` in it is what they share.
    names : sequence of str
    clock : Path, optional
        The library of `host_clock`, where their clocks are to be put.
    hidden : iterable of Path, optional
        Folders of this machine that are empty on all but the first one.
    """
    if os.geteuid() or not all(map(shutil.which, ("unshare", "nsenter", "ip"))):
        pytest.skip("hosts are made by root, with unshare, nsenter and ip")
    (folder / "shared").mkdir()
    addresses = {name: f"{NETWORK}.{i}" for i, name in enumerate(names, 1)}
    lines = ["127.0.0.1 localhost", *(f"{address} {name}" for name, address in addresses.items())]
    table = "\n".join(lines) + "\n"
    with contextlib.ExitStack() as ending:
        hosts = []
        for name, address in addresses.items():
            is_own = bool(hosts)
            host = _started(
                name, address, folder / name, table, is_own, clock, hidden if is_own else ()
            )
            ending.callback(host.end)
            hosts.append(host)
        _connect(hosts)
        yield hosts
