"""gunicorn_conf: gunicorn's settings for the server; its command line lays others over them."""

import os

__all__ = ["bind", "graceful_timeout", "keepalive", "timeout", "worker_tmp_dir", "workers"]

bind = os.environ.get("DAI_SPARK_BIND", "127.0.0.1:8000")
# Each has a loaded pipeline and scorers of its own.
workers = int(os.environ.get("WEB_CONCURRENCY", "1"))
# A worker says that it lives when its pipeline is loaded.
timeout = 180
# Below the 30 s that orchestrators wait.
graceful_timeout = 25
keepalive = 75
# Workers touch a file each second, which a disk may make them wait for.
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
