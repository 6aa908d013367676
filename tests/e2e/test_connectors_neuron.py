"""Neuron against a gateway of our own, which speaks the protocol with plain sockets."""

from __future__ import annotations

import contextlib
import json
import queue
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.harness import Server, wait_until

GREETING = b"\x00SP\x00\x00\x10\x00\x00"


class Gateway:
    """One end of a pair: takes one client at a time, over TCP or a local socket."""

    def __init__(self, path: Path | None = None) -> None:
        self._mark = b"" if path is None else b"\x01"
        family, address = (socket.AF_INET, ("127.0.0.1", 0)) if path is None else (socket.AF_UNIX, str(path))
        self._door = socket.socket(family)
        self._door.bind(address)
        self._door.listen()
        self.url = f"tcp://127.0.0.1:{self._door.getsockname()[1]}" if path is None else f"ipc://{path}"
        self.received: queue.Queue[Any] = queue.Queue()
        self.clients = 0
        self._client: socket.socket | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def send(self, value: Any) -> None:
        """One message to the client."""
        wait_until(lambda: self._client, 10, "the gateway has a client")
        assert self._client is not None
        payload = json.dumps(value).encode()
        self._client.sendall(self._mark + len(payload).to_bytes(8) + payload)

    def hang_up(self) -> None:
        """Leave the client alone."""
        client, self._client = self._client, None
        if client is not None:
            with contextlib.suppress(OSError):
                client.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Be gone."""
        self.hang_up()
        self._door.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._door.accept()
                with client, contextlib.suppress(OSError):
                    self._talk(client)

    def _talk(self, client: socket.socket) -> None:
        client.sendall(GREETING)
        stream = client.makefile("rb")
        assert stream.read(8) == GREETING
        self.clients += 1
        self._client = client
        while head := stream.read(len(self._mark) + 8):
            self.received.put(json.loads(stream.read(int.from_bytes(head[len(self._mark) :]))))


@pytest.fixture(params=["tcp", "ipc"])
def gateway(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Gateway]:
    """A gateway that listens."""
    found = Gateway(tmp_path / "neuron.ipc" if request.param == "ipc" else None)
    yield found
    found.close()


def _post(server: Server, path: str, body: Any) -> None:
    answer = server.request("PUT" if "/confKeys/" in path else "POST", path, json=body)
    assert answer.ok, f"{path}: {answer.status_code} {answer.text}"


def test_values_come_in_and_commands_go_out_on_one_socket(server: Server, gateway: Gateway) -> None:
    """A source and a sink share the connection, and it comes back when it is lost."""
    _post(server, "/metadata/sources/neuron/confKeys/plant", {"url": gateway.url})
    _post(server, "/streams", {"sql": 'CREATE STREAM tags () WITH (TYPE="neuron", CONF_KEY="plant")'})
    sink = {"url": gateway.url, "nodeName": "plc", "groupName": "oven", "sendSingle": True}
    _post(server, "/rules", {"id": "heat", "sql": "SELECT t + 1 AS setpoint FROM tags WHERE t > 10", "actions": [{"neuron": sink}]})
    gateway.send({"t": 5})
    gateway.send({"t": 20})
    expected = {"group_name": "oven", "node_name": "plc", "tags": [{"tag_name": "setpoint", "value": 21}]}
    assert gateway.received.get(timeout=10) == expected
    assert gateway.clients == 1
    gateway.hang_up()
    wait_until(lambda: gateway.clients == 2, 10, "connected again")
    gateway.send({"t": 20})
    assert gateway.received.get(timeout=10) == expected


def test_a_connection_with_a_name_is_of_type_nng(server: Server, gateway: Gateway) -> None:
    """Rules name it, and then it cannot be dropped."""
    _post(server, "/connections", {"id": "plant", "typ": "nng", "props": {"url": gateway.url}})
    _post(server, "/metadata/sources/neuron/confKeys/plant", {"connectionSelector": "plant"})
    _post(server, "/streams", {"sql": 'CREATE STREAM tags () WITH (TYPE="neuron", CONF_KEY="plant")'})
    sink = {"connectionSelector": "plant", "raw": True, "sendSingle": True}
    _post(server, "/rules", {"id": "echo", "sql": "SELECT * FROM tags", "actions": [{"neuron": sink}]})
    gateway.send({"t": 1})
    assert gateway.received.get(timeout=10) == {"t": 1}
    assert server.request("GET", "/connections/plant").json()["status"] == "connected"
    assert server.request("DELETE", "/connections/plant").status_code == 400
    server.request("DELETE", "/rules/echo")
    server.request("DELETE", "/streams/tags")
    server.request("DELETE", "/metadata/sources/neuron/confKeys/plant")
    assert server.request("DELETE", "/connections/plant").text == "success"
