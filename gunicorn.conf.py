"""The production server's settings: `python gunicorn.conf.py` starts it, from PORT and WEB_CONCURRENCY."""

if __name__ != "__main__":
    # Before anything makes a lock or keeps data by thread: Django above all, which preload_app loads before the fork.
    from gevent import monkey

    monkey.patch_all()

import gc
import os
import resource
import shutil
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from dotenv import load_dotenv

from spotify_top import env
from tracks.ops.logs import JSON_FORMATTER

load_dotenv(Path(__file__).with_name(".env"))

# This machine alone, where the proxy is; a container sets BIND=0.0.0.0.
bind = f"{env.address('BIND', '127.0.0.1')}:{env.number('PORT', 8000, least=1, most=65535)}"
workers = env.number("WEB_CONCURRENCY", 2, least=1, most=64)
if __name__ == "__main__":
    # With reuse_port two sites at one port share the visitors without a word, and at another program's port the workers
    # are started again for ever.
    host, _, port = bind.rpartition(":")
    with socket.socket(socket.AF_INET6 if host.startswith("[") else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), int(port)))
        except OSError as error:
            env.refuse("PORT", f"is not to be had ({error.strerror}): stop what uses it, or set another.")
# One greenlet a connection: a client that waits costs a little memory, and no thread. docs/PERFORMANCE.md compares.
worker_class = "spotify_top.worker.Worker"
worker_connections = 1000
# Some systems allow 1,024 open files, which is not enough for the connections and what else is open.
_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (max(_soft, min(_hard, 4096)), _hard))
# A bad setting ends the start with one line instead of restarting workers for ever; and they share its memory.
preload_app = True
# Each worker has its own queue of connections; with a common one, a worker may stay idle.
reuse_port = True
timeout = 30
# Below the 30 s that platforms wait before they kill.
graceful_timeout = 20
# Above the 60 s after which proxies drop an idle connection, so that no request meets one that is just closing.
keepalive = 65

# The root file system may be read-only.
worker_tmp_dir = "/dev/shm"  # noqa: S108
control_socket_disable = True

# PostgreSQL starts a process for each connection, and a greenlet would otherwise keep one.
os.environ["DATABASE_SHARED"] = "on"

# Where the workers add up their figures for /metrics; prometheus_client reads the variable when it is imported.
# The second one tells that the folder is ours to delete; an operator's own stays.
if env.text("METRICS_TOKEN") and "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    folder = tempfile.mkdtemp(prefix="top-twenty-metrics-", dir=worker_tmp_dir)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = os.environ["TOP_TWENTY_METRICS_DIR"] = folder

# Django alone decides whether to believe a proxy (BEHIND_PROXY).
forwarded_allow_ips = ""

logger_class = "spotify_top.access_log.AccessLogger"
# One JSON object a line, as the site's own log.
logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": JSON_FORMATTER},
    "handlers": {"stdout": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout", "formatter": "json"}},
    "root": {"handlers": ["stdout"], "level": "WARNING"},
    "loggers": {
        "gunicorn.error": {"handlers": ["stdout"], "level": "INFO", "propagate": False},
        "gunicorn.access": {"handlers": ["stdout"], "level": "INFO", "propagate": False},
    },
}


def when_ready(server: Any) -> None:
    # With reuse_port the sockets are the workers', and gunicorn's own line names no address.
    server.log.info("The site is at http://%s", bind)


def pre_fork(server: Any, worker: Any) -> None:
    # A database connection that two processes share breaks for both.
    from django.db import connections

    connections.close_all()


def post_fork(server: Any, worker: Any) -> None:
    # What was loaded before the fork lives on: the collector need not look at it, nor copy its memory by doing so.
    gc.freeze()


def on_exit(server: Any) -> None:
    shutil.rmtree(os.environ.get("TOP_TWENTY_METRICS_DIR", ""), ignore_errors=True)


if __name__ == "__main__":
    # gunicorn reads WEB_CONCURRENCY before it reads this file, and answers an empty or a bad one with a traceback.
    os.environ["WEB_CONCURRENCY"] = str(workers)
    command = [sys.executable, "-m", "gunicorn", "-c", __file__, "spotify_top.wsgi"]
    os.execv(sys.executable, command)  # noqa: S606  (no shell, constants only)
