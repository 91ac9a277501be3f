"""What the containers run: `serve.py web | worker | store | agent`. FAULT names the one that ends at once."""

import json
import os
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

role = sys.argv[1]
fault = os.environ["FAULT"]
if fault in (role, "import"):
    import a_package_that_nobody_installed  # noqa: F401

over = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: over.set())


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        ready = not (self.path == "/ready" and fault == "unready")
        body = json.dumps({"version": os.environ["VERSION"]}).encode()
        self.send_response(200 if ready else 503)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    request_queue_size = 128


if role in ("web", "store"):
    server = Server(("", 8000), Handler)
    threading.Thread(target=server.serve_forever, args=(0.1,), daemon=True).start()
    over.wait()
    server.shutdown()
    server.server_close()
else:
    over.wait()
