"""A server of Spark Connect that is started apart, on two executors with folders of their own."""

import contextlib
import os
import signal
import socket

from cluster.programs import looking
from free_port import free_port

SERVER = "org.apache.spark.sql.connect.service.SparkConnectServer"
START_LIMIT_S = 120


def answers(port):
    """Whether somebody listens on a port."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


class Server:
    """A Connect server: its address, and the run that it is."""

    def __init__(self, url, run):
        self.url = url
        self.run = run


@contextlib.contextmanager
def connect_server(start, **more):
    """Run a server; `start` is the fixture, `more` are settings of Spark's."""
    port = free_port()
    settings = {
        "spark.connect.grpc.binding.port": port,
        "spark.driver.memory": "1g",
        "spark.ui.enabled": "false",
        **more,
    }
    words = [word for name, value in settings.items() for word in ("--conf", f"{name}={value}")]
    master = ["--master", "local-cluster[2,1,1024]"]
    run, process = start([*master, *words, "--class", SERVER, "spark-internal"])
    ready = looking.wait_until(lambda: answers(port) or process.poll() is not None, START_LIMIT_S)
    assert ready, run.stderr
    assert process.poll() is None, run.stderr
    yield Server(f"sc://127.0.0.1:{port}", run)
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(60)
