"""A server that answers from a table, and a command line in this process."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import click
import pytest

from plutino.cli import definitions, history, rules, shell, transfer


@dataclass
class FakeServer:
    """Answers ``"GET /path"`` (with query) with what ``answers`` holds: text, a JSON value, or ``(status, text)``; keeps the requests."""

    url: str = ""
    answers: dict[str, Any] = field(default_factory=dict)
    requests: list[tuple[str, Any]] = field(default_factory=list)

    def body(self, index: int = -1) -> Any:
        """The JSON body of a request."""
        return json.loads(self.requests[index][1])


def _handler(server: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            size = int(self.headers.get("Content-Length") or 0)
            key = f"{self.command} {self.path}"
            server.requests.append((key, self.rfile.read(size).decode()))
            found = server.answers.get(key, (404, "404 page not found\n"))
            status, value = found if isinstance(found, tuple) else (200, found)
            data = (value if isinstance(value, str) else json.dumps(value)).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        do_GET = do_POST = do_PUT = do_DELETE = answer  # noqa: N815 (names that the library calls)

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    return Handler


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    """A fake server on loopback."""
    server = FakeServer()
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(server)) as http:
        server.url = f"http://127.0.0.1:{http.server_address[1]}"
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        http.shutdown()
        thread.join()


@pytest.fixture
def plutino(fake: FakeServer, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Run a command line against the fake server; the result is the exit code."""
    monkeypatch.setenv("PLUTINO_SERVER", fake.url)
    group = shell.Commands("plutino")
    for module in (transfer, definitions, rules, history):
        for command in module.commands:
            group.add_command(command)

    def run(*arguments: str) -> int:
        assert isinstance(group, click.Group)
        return shell.run(group, arguments)

    return run
