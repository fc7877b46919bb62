"""Answers the probes of a container: GET /live and GET /ready, from a thread, with the standard library's server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer

from afterwards.supervisor.health import Health

Ask = Callable[[], Health]


class CannotListen(Exception):
    """Nothing can listen on the address for probes; the text says why."""


@contextmanager
def answering(address: tuple[str, int], ask: Ask) -> Generator[int]:
    """Probes are answered inside the block; gives the port. Raises CannotListen."""
    try:
        server = _Probes(address, ask)
    except OSError as error:
        raise CannotListen(f"nothing can listen on {address[0]} port {address[1]}: {error.strerror}") from error
    with server:
        threading.Thread(target=server.serve_forever, args=(0.1,), name="afterwards-health", daemon=True).start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()


class _Probes(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], ask: Ask) -> None:
        self.ask = ask
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        super().__init__(address, _Probe)

    def server_bind(self) -> None:
        """Without the look-up of the host's name, which takes seconds where there is no name service."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is nobody's matter."""


class _Probe(BaseHTTPRequestHandler):
    timeout = 5.0  # seconds for a client that says nothing
    server_version, sys_version = "afterwards", ""

    def do_GET(self) -> None:
        match self.path.partition("?")[0]:
            case "/live":
                self._answer(HTTPStatus.OK, {"live": True})
            case "/ready":
                health = self._ask()
                well = health.trouble is None
                self._answer(HTTPStatus.OK if well else HTTPStatus.SERVICE_UNAVAILABLE, health.as_json())
            case _:
                self._answer(HTTPStatus.NOT_FOUND, {"reason": "there is GET /live and GET /ready"})

    def do_HEAD(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:
        """A probe every few seconds is no news."""

    def _ask(self) -> Health:
        assert isinstance(self.server, _Probes)
        return self.server.ask()

    def _answer(self, status: HTTPStatus, content: dict[str, object]) -> None:
        body = json.dumps(content).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
