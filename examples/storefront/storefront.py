"""A small shop: the HTTP server and its life cycle. Python's standard library is all it needs.

Where it listens and keeps its files comes from the environment: HOST_ROOT (a prefix for every path, empty on a real
host), HOST_IP and PORT. What the release is comes with the bundle, from `release.env` beside this file:

    RELEASE=2026.11.3       said in every answer's X-Release header and on every page; `dev` without it
    FAULT=broken-release    for rehearsals: what is wrong with this release, nothing without it

FAULT is one of `broken-release` (every answer but the health check is a 500), `sick-release=PERCENT` (that share of
them is), `dead-release` (the process lives and never listens) and `failing-hook=EVENT` (see scripts/common.sh).
"""

import contextlib
import itertools
import os
import selectors
import signal
import socket
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from orders import Orders
from shop import Shop

KEEP_ALIVE_S = 75.0  # longer than a load balancer's idle timeout (60 s), so that the balancer closes first
BODY_BYTES_MAX = 16 * 1024
CONNECTIONS_MAX = 500  # below the usual limit of open files
STOP_GRACE_S = 0.3  # for a request that is on its way while the server stops
STOP_LIMIT_S = 4.0  # for requests in flight

IDLE, BUSY = "idle", "busy"


class Release:
    """What `release.env` says."""

    def __init__(self, path):
        lines = path.read_text().splitlines() if path.exists() else []
        settings = dict(line.split("=", 1) for line in lines if "=" in line)
        self.name = settings.get("RELEASE") or "dev"
        self.fault, _, argument = settings.get("FAULT", "").partition("=")
        self._failing_percent = 0
        if self.fault == "broken-release":
            self._failing_percent = 100
        elif self.fault == "sick-release":
            self._failing_percent = int(argument)
        self._answers = itertools.count()

    def fails_next(self):
        """Whether the next answer is a failure. Failures are spread evenly: of any 100 answers in a row, PERCENT."""
        answer = next(self._answers)
        return (answer + 1) * self._failing_percent // 100 > answer * self._failing_percent // 100


class Connection(BaseHTTPRequestHandler):
    """One connection of a client, on a thread of its own."""

    protocol_version = "HTTP/1.1"
    timeout = KEEP_ALIVE_S
    wbufsize = -1  # an answer leaves in one piece
    disable_nagle_algorithm = True

    def handle_one_request(self):
        self.server.connections[self.connection] = IDLE
        super().handle_one_request()

    def parse_request(self):
        self.server.connections[self.connection] = BUSY
        return super().parse_request()

    def do_GET(self):
        self.answer("GET")

    def do_HEAD(self):
        self.answer("GET")

    def do_POST(self):
        self.answer("POST")

    def answer(self, method):
        """Answers the request whose line and headers have been read."""
        body = self.read_body()
        if body is None:
            return
        path, shop = self.path.partition("?")[0], self.server.shop
        if path != "/healthz" and self.server.release.fails_next():
            status, headers, text = shop.sorry(500, "this release is broken")
        else:
            status, headers, text = shop.answer(method, path, body)
        page = text.encode()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(page))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(page)

    def read_body(self):
        """The request's body; None if it was refused."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            self.send_error(411)
        elif int(length) > BODY_BYTES_MAX:
            self.send_error(413)
        else:
            return self.rfile.read(int(length))
        return None

    def end_headers(self):
        self.send_header("X-Release", self.server.release.name)
        if self.server.is_stopping:
            self.send_header("Connection", "close")
        super().end_headers()

    def version_string(self):
        return "storefront"

    def log_request(self, code="-", size="-"):
        """Keeps no access log: the load balancer does."""

    def log_message(self, format, *args):
        log(f"{self.client_address[0]} {format % args}")


class Server:
    """Accepts connections until it is told to stop, then finishes what it has accepted."""

    def __init__(self, address, release, shop):
        self.release, self.shop = release, shop
        self.is_stopping = False
        self.connections = {}  # each open one: IDLE or BUSY
        self._closed = threading.Condition()
        self._listener = socket.create_server(address, backlog=512)
        self._listener.setblocking(False)

    def serve(self, stop):
        """Serves until the socket `stop` becomes readable, then stops without cutting off a request."""
        selector = selectors.DefaultSelector()
        selector.register(self._listener, selectors.EVENT_READ)
        selector.register(stop, selectors.EVENT_READ)
        while not self.is_stopping:
            ready = [key.fileobj for key, _ in selector.select()]
            self.is_stopping = stop in ready
            self._accept_waiting()
        self._listener.close()
        self._finish()

    def _accept_waiting(self):
        """Accepts what waits in the backlog, the last time right before the listener closes."""
        while True:
            try:
                connection, client = self._listener.accept()
            except OSError:  # nothing waits any more
                return
            if len(self.connections) >= CONNECTIONS_MAX:
                connection.close()
                continue
            self.connections[connection] = IDLE
            threading.Thread(target=self._converse, args=(connection, client), daemon=True).start()

    def _converse(self, connection, client):
        try:
            with contextlib.suppress(OSError):  # the client may go away
                Connection(connection, client, self)
        finally:
            with self._closed:
                del self.connections[connection]
                self._closed.notify_all()
            connection.close()

    def _finish(self):
        """Waits for open connections: a short while for new requests on them, longer for requests in flight."""
        with self._closed:
            self._closed.wait_for(lambda: not self.connections, STOP_GRACE_S)
            for connection in [known for known, state in self.connections.items() if state == IDLE]:
                with contextlib.suppress(OSError):  # the client may be gone
                    connection.shutdown(socket.SHUT_RD)  # ends the wait for a request
            self._closed.wait_for(lambda: not self.connections, STOP_LIMIT_S)


def log(message):
    """Writes a line to the log, which is standard error."""
    print(time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), message, file=sys.stderr, flush=True)


def main():
    release = Release(Path(__file__).with_name("release.env"))
    stop, wake = socket.socketpair()
    wake.setblocking(False)
    signal.set_wakeup_fd(wake.fileno())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)  # its number arrives on `stop`
    if release.fault == "dead-release":
        log(f"release {release.name} does not listen")
        stop.recv(1)
        return
    orders = Orders(Path(os.environ.get("HOST_ROOT", "") + "/var/lib/storefront/orders.sqlite"))
    address = (os.environ.get("HOST_IP", "0.0.0.0"), int(os.environ.get("PORT", "8080")))
    server = Server(address, release, Shop(release.name, orders))
    log(f"release {release.name} listens on {address[0]}:{address[1]}")
    server.serve(stop)
    orders.close()
    log(f"release {release.name} stopped")


if __name__ == "__main__":
    main()
