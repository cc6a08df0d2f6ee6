"""Asks /healthz until the release answers well: `wait_healthy.py PID RELEASE`.

Exits with 1 after 20 s, or when the process has ended.
"""

import os
import socket
import sys
import time

LIMIT_S = 20


def ask(address):
    """Status and release of an answer, as in `200 dev`, or what went wrong."""
    request = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection(address, timeout=2) as connection:
            connection.sendall(request)
            lines = connection.makefile(encoding="latin-1").read(16_384).splitlines()
    except OSError as error:
        return str(error)
    headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
    status = lines[0].split()[1] if lines and " " in lines[0] else "no answer"
    return f"{status} {headers.get('X-Release')}"


def is_alive(pid):
    """Whether the process runs; 0 is none."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return pid != 0


def main():
    pid, release = int(sys.argv[1]), sys.argv[2]
    host, port = os.environ["HOST_IP"], int(os.environ["PORT"])
    address = ("127.0.0.1" if host == "0.0.0.0" else host, port)
    deadline = time.monotonic() + LIMIT_S
    said = "not asked"
    while is_alive(pid):
        said = ask(address)
        if said == f"200 {release}":
            return
        if time.monotonic() > deadline:
            sys.exit(f"/healthz did not say `200 {release}` within {LIMIT_S} s, but: {said}")
        time.sleep(0.05)
    sys.exit(f"the shop's process has ended; /healthz: {said}")


main()
