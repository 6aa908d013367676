"""The REST API as the commands use it: one request per call, refusals and unreachable servers as errors for the terminal."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode, urlsplit

from plutino.cli.output import Failure, Misuse, Refusal

if TYPE_CHECKING:
    from http.client import HTTPConnection, HTTPResponse

TIMEOUT_S = 300.0
"""How long an answer may take; a large import is one request."""

_NO_ENDPOINT = "404 page not found"


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer with a status below 400."""

    status: int
    data: bytes

    @property
    def text(self) -> str:
        """The answer as text."""
        return self.data.decode("utf-8", "replace")

    def json(self) -> Any:
        """The answer as JSON; Failure when it is none."""
        try:
            return json.loads(self.text)
        except ValueError as error:
            raise Failure(f"the server's answer is no JSON: {self.text[:80]!r}", "is this address a Plutino server?") from error


@dataclass(frozen=True, slots=True)
class Client:
    """A server by its base address (``http://127.0.0.1:9081``).

    Calls raise ``Refusal`` (exit code 1) when the server says no and ``Misuse`` (2) when nothing answers. ``headers`` go with each.
    """

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def call(self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None) -> Reply:
        """One request; ``body`` is sent as JSON unless it is bytes."""
        with self._answer(method, path, body, query) as response:
            return Reply(response.status, response.read())

    def events(self, path: str) -> Generator[tuple[str, str]]:
        """Name (empty for most) and data of each server-sent event, as long as the server keeps sending."""
        with self._answer("GET", path, None, None, accept="text/event-stream") as response:
            name = ""
            for line in response:
                field, _, value = line.decode("utf-8", "replace").partition(":")
                if field == "event":
                    name = value.strip()
                elif field == "data":
                    yield name, value.strip()
                elif not line.strip():
                    name = ""

    @contextmanager
    def _answer(
        self, method: str, path: str, body: Any, query: Mapping[str, str] | None, accept: str = "application/json"
    ) -> Iterator[HTTPResponse]:
        from http.client import HTTPException
        from ssl import SSLError

        connection, base = self._connection()
        headers = {"Accept": accept, "Connection": "close", **self.headers}
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
            headers["Content-Type"] = "application/json"
        target = base + path + ("?" + urlencode(query) if query else "")
        sent = False
        try:
            connection.request(method, target, body, headers)
            sent = True
            response = connection.getresponse()
            if response.status >= 400:
                raise _refusal(method, path, response.status, response.read().decode("utf-8", "replace"))
            yield response
        except KeyboardInterrupt as error:
            if not sent or method == "GET":
                raise
            raise Failure(f"interrupted, but {self.url} may go on with it", "'plutino history' tells whether it was done") from error
        except TimeoutError as error:
            raise Misuse(f"no answer from {self.url} within {TIMEOUT_S:g} s", "look at the server's log") from error
        except (OSError, HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            if sent and method != "GET":
                raise Misuse(
                    f"{self.url} has not answered: {reason}",
                    "the server may have ended; 'plutino history' tells whether the change was made, all of it or nothing",
                ) from error
            if isinstance(error, SSLError):
                raise Misuse(f"cannot reach {self.url}: {reason}", "if it is a Plutino server itself, write http://") from error
            raise Misuse(
                f"cannot reach {self.url}: {reason}", "start it with 'plutino serve', or name another with --server URL"
            ) from error
        finally:
            connection.close()

    def _connection(self) -> tuple[HTTPConnection, str]:
        from http.client import HTTPConnection, HTTPSConnection

        url = self.url if "://" in self.url else f"http://{self.url}"
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if parts.scheme not in ("http", "https") or not host:
            raise Misuse(f"server address {self.url!r} is no URL", "write it like http://127.0.0.1:9081")
        kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
        return kind(host, port, timeout=TIMEOUT_S), parts.path.rstrip("/")


def segment(name: str) -> str:
    """A name as one segment of a path."""
    return quote(name, safe="")


def _refusal(method: str, path: str, status: int, text: str) -> Refusal:
    """The error envelope (or whatever else came) as an error."""
    if status == 404 and text.strip() == _NO_ENDPOINT:
        return Refusal(f"this server has no endpoint {method} {path}", hint="it is another version, or the feature is not built in")
    try:
        envelope = json.loads(text)
        message, code = str(envelope["message"]), int(envelope["error"])
    except (ValueError, TypeError, KeyError):
        return Refusal(text.strip() or f"HTTP status {status} for {method} {path}")
    faults, place = envelope.get("faults"), envelope.get("explanation")
    return Refusal(
        message, code=code, faults=faults if isinstance(faults, list) else [], explanation=place if isinstance(place, str) else ""
    )
