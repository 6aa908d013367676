"""Who may talk to the server."""

from __future__ import annotations

import socket

import pytest

from plutino.errors import AccessError
from plutino.rest.guard import Guard

LOOPBACK = Guard("127.0.0.1")
EVERYWHERE = Guard("0.0.0.0")


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:9081", "127.0.0.1:9081", "127.8.8.8", "[::1]:9081", "app.localhost:1", "localhost.", "127.0.0.1:80"]
)
def test_own_names_are_let_in(host: str) -> None:
    """Names and addresses of this machine."""
    LOOPBACK.check({"host": host})


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:9081", "192.168.0.7", "[2001:db8::1]", "localhost.evil.example", "", "127.0.0.1.evil"]
)
def test_foreign_host_is_refused(host: str) -> None:
    """A name that was made to point here is not a name of this server."""
    with pytest.raises(AccessError, match="is not allowed") as caught:
        LOOPBACK.check({"host": host})
    assert caught.value.status == 403


def test_request_without_host_is_let_in() -> None:
    """Only browsers are the danger, and they always send it."""
    LOOPBACK.check({})


def test_server_on_all_addresses_is_known_by_any_address_and_its_name() -> None:
    """An address is never the name of another owner."""
    EVERYWHERE.check({"host": "192.168.0.7:9081"})
    EVERYWHERE.check({"host": socket.gethostname()})
    with pytest.raises(AccessError):
        EVERYWHERE.check({"host": "evil.example"})


def test_allowed_names_and_any() -> None:
    """What the operator names is let in; a star lets everything in."""
    Guard("127.0.0.1", hosts=frozenset({"edge.example"})).check({"host": "Edge.Example:9081"})
    Guard("127.0.0.1", hosts=frozenset({"*"})).check({"host": "anything"})


@pytest.mark.parametrize("origin", ["http://localhost:3000", "https://127.0.0.1", "http://[::1]:1"])
def test_pages_of_this_machine_may_call(origin: str) -> None:
    """They get the headers that let them read the answer."""
    LOOPBACK.check({"origin": origin})
    assert LOOPBACK.cors({"origin": origin})["access-control-allow-origin"] == origin


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "file://", "https://localhost.evil.example", "chrome-extension://localhost"]
)
def test_foreign_pages_are_refused(origin: str) -> None:
    """And get no such headers."""
    with pytest.raises(AccessError, match="origin"):
        LOOPBACK.check({"origin": origin})
    assert LOOPBACK.cors({"origin": origin}) == {}


def test_allowed_origin() -> None:
    """An origin that was named, in any case; a star for all."""
    guard = Guard("127.0.0.1", origins=frozenset({"https://ui.example"}))
    assert guard.allows_origin("https://UI.example")
    assert not guard.allows_origin("http://ui.example")
    assert Guard("127.0.0.1", origins=frozenset({"*"})).allows_origin("null")


def test_preflight_names_every_method() -> None:
    """PATCH is among them."""
    assert "PATCH" in LOOPBACK.preflight({"origin": "http://localhost"})["access-control-allow-methods"]
    assert LOOPBACK.preflight({"origin": "http://evil.example"}) == {}
