"""A small web process. VERSION, which each image sets, names how it misbehaves; most names mean well."""

import os
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

fault = os.environ["VERSION"]
signal.signal(signal.SIGTERM, lambda *_: os._exit(0))


def count_starts():
    """How often the container was started in this pod: the folder is a volume of the pod."""
    folder = Path("/state")
    starts = len(list(folder.iterdir())) + 1
    (folder / str(starts)).touch()
    return starts


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        refused = {"unready": "/ready", "deadlocked": "/alive"}.get(fault) == self.path
        self.send_response(503 if refused else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


match fault:
    case "import":
        import a_package_that_nobody_installed  # noqa: F401
    case "licence":
        time.sleep(1)
        sys.exit("the licence has expired")
    case "database":
        # The first two starts come too early for it.
        if count_starts() < 3:
            socket.create_connection(("127.0.0.1", 1))
    case "database-never":
        socket.create_connection(("127.0.0.1", 1))
    case "memory":
        time.sleep(1)
        kept = [bytearray(1 << 20) for _ in range(1 << 10)]
    case "after-ready":
        threading.Timer(4, lambda: os._exit(1)).start()
    case "first":
        if socket.gethostname().endswith("-0"):
            sys.exit("the cache of this pod is broken")
    case "first-twice":
        if socket.gethostname().endswith("-0") and count_starts() < 3:
            sys.exit("the cache of this pod is broken")
    case "slow-5" | "slow-20" | "slow-40":
        time.sleep(int(fault.removeprefix("slow-")))
    case "never":
        time.sleep(3600)

Server(("", 8000), Handler).serve_forever(0.1)
