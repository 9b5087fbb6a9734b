"""A standalone cluster: a master and workers as processes of their own, each worker a host."""

import os
import re
import signal
import subprocess
import urllib.request
from pathlib import Path

import looking

# Spark takes them for hosts: it never runs a task's copy, or its files, for one on the other.
HOSTS = ("127.0.0.2", "127.0.0.3")
START_S = 60
_PLACE = "SPARK_EXECUTOR_DIRS="


class StandaloneCluster:
    """Master and workers below a folder; as a context manager it ends them.

    Parameters
    ----------
    folder : Path
        Gets their logs, and `work`, in which executors work.
    ports : list of int
        Two that nobody listens on: for the master, and for its page.
    settings : dict, optional
        Spark's, of master and workers.
    cores : int, default 2
        Of each worker.
    """

    def __init__(self, folder, ports, settings=None, cores=2):
        self._folder = Path(folder)
        self._port, self._pages = ports
        self._settings = settings or {}
        self._cores = cores
        self.workers = {}

    def __enter__(self):
        words = ["--host", "127.0.0.1", "--port", str(self._port)]
        self.master = self._start("master.Master", [*words, "--webui-port", str(self._pages)])
        for host in HOSTS:
            self.add_worker(host)
        self.is_up = looking.wait_until(lambda: self.n_alive() == len(HOSTS), START_S) is not None
        return self

    def __exit__(self, *_):
        for process in (*self.workers.values(), self.master):
            if process.poll() is None:
                process.terminate()
            process.wait(20)

    @property
    def url(self):
        """What a session calls `master`."""
        return f"spark://127.0.0.1:{self._port}"

    def add_worker(self, host):
        """Start a worker that goes by this address."""
        words = ["--host", host, "--cores", str(self._cores), "--memory", "2g"]
        words += ["--webui-port", "0", self.url]
        self.workers[host] = self._start("worker.Worker", words)

    def decommission(self, host):
        """Tell a worker that its host goes away, as clouds do."""
        self.workers[host].send_signal(signal.SIGPWR)

    def n_alive(self):
        """How many workers the master has."""
        try:
            page = f"http://127.0.0.1:{self._pages}/json/"
            with urllib.request.urlopen(page, timeout=5) as answer:
                return int(re.search(rb'"aliveworkers"\s*:\s*(\d+)', answer.read()).group(1))
        except OSError:
            return 0

    def _start(self, name, words):
        settings = "".join(f" -D{key}={value}" for key, value in self._settings.items())
        variables = {
            **os.environ,
            "SPARK_WORKER_DIR": str(self._folder / "work"),
            "SPARK_DAEMON_MEMORY": "256m",
            "SPARK_DAEMON_JAVA_OPTS": f"-XX:TieredStopAtLevel=1 -XX:+UseSerialGC{settings}",
        }
        command = [f"{os.environ['SPARK_HOME']}/bin/spark-class", f"org.apache.spark.deploy.{name}"]
        with (self._folder / f"{name}.log").open("ab") as log:
            return subprocess.Popen([*command, *words], env=variables, stdout=log, stderr=log)


def executors(application):
    """An application's executors by their numbers: pid of the JVM, host, folder for its files."""
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode("utf-8", "replace").split("\0")
            variables = (process / "environ").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            continue
        if application in words and "--executor-id" in words:
            number = words[words.index("--executor-id") + 1]
            host = words[words.index("--hostname") + 1]
            places = [one.partition("=")[2] for one in variables if one.startswith(_PLACE)]
            place = places[0] if places else None
            found[number] = {"pid": int(process.name), "host": host, "place": place}
    return found
