"""The MQTT client: gmqtt for connecting, subscribing, keep-alive and handshakes, with its way of reading replaced.

gmqtt makes a task, several objects and log records per message. Here received bytes are taken apart in runs of messages; everything that
is not a message goes on to gmqtt. Reconnecting is the engine's, so gmqtt's own is switched off. Imported when a connection is opened.
"""

from __future__ import annotations

import asyncio
import logging
import time
from functools import partial
from typing import Any, Protocol

from gmqtt import Client
from gmqtt.mqtt.connection import MQTTConnection
from gmqtt.mqtt.package import Package
from gmqtt.mqtt.protocol import BaseMQTTProtocol, MQTTProtocol

from plutino.connectors.mqtt.packets import MalformedError, Run, take_packets

# Every failure reaches the status and the log of the engine; gmqtt's records would repeat them.
logging.getLogger("gmqtt").setLevel(logging.CRITICAL)

WRITE_LIMIT = 256 * 1024
"""Bytes that may wait in the transport before publishers are asked to wait."""

CROWD = 8
"""So many small reads in close succession mean that messages arrive one system call each."""
CLOSE_S = 0.0002
PAUSE_S = 0.001
"""Then reading rests this long, so that one call takes what arrived meanwhile."""


class Listener(Protocol):
    """What a client tells its owner, and which client it is: an old one may still have news when a new one exists."""

    def received(self, client: PacketClient, runs: list[Run]) -> None:
        """Messages, in the order of arrival."""
        ...

    def refused(self, client: PacketClient, packet_id: int, reason: int) -> None:
        """The broker took a published message only to refuse it."""
        ...

    def lost(self, client: PacketClient, reason: str) -> None:
        """The connection is gone."""
        ...


class PacketProtocol(MQTTProtocol):
    """gmqtt's protocol without its reader task."""

    def __init__(self, client: PacketClient, listener: Listener, version: int, **gmqtt: Any) -> None:
        super().__init__(**gmqtt)
        self._client = client
        self._listener = listener
        self._version5 = version == 5
        if version == 3:
            self.proto_name = b"MQIsdp"
        self._loop_ = asyncio.get_running_loop()
        self._parts: list[bytes] = []
        self._have = 0
        self._need = 0
        self._last_read = 0.0
        self._small_reads = 0
        self._resting = False
        self.held = False
        self._writable = asyncio.Event()
        self._writable.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """As gmqtt, but without its reader task."""
        BaseMQTTProtocol.connection_made(self, transport)
        transport.set_write_buffer_limits(high=WRITE_LIMIT)  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Take packets apart; what is not whole yet waits for more."""
        if self._need:
            self._parts.append(data)
            self._have += len(data)
            if self._have < self._need:
                return
            data = b"".join(self._parts)
            self._parts, self._have, self._need = [], 0, 0
        runs: list[Run] = []
        try:
            used, need = take_packets(data, self._version5, runs, self._other)
        except (MalformedError, IndexError) as error:
            self._listener.lost(self._client, f"malformed packet: {error}")
            self._transport.abort()
            return
        if used < len(data):
            self._parts, self._have, self._need = [data[used:]], len(data) - used, need
        if runs:
            self._rest_if_crowded(len(data))
            self._listener.received(self._client, runs)

    def eof_received(self) -> bool:
        """The broker closed its side: close ours."""
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Tell gmqtt and the owner; wake whoever waits to write."""
        super().connection_lost(exc)
        self._writable.set()
        self._listener.lost(self._client, str(exc) if exc is not None else "EOF")

    def pause_writing(self) -> None:
        """Too much waits to be sent."""
        super().pause_writing()
        self._writable.clear()

    def resume_writing(self) -> None:
        """There is room again."""
        super().resume_writing()
        self._writable.set()

    @property
    def may_write(self) -> bool:
        """Whether publishers need not wait."""
        return self._writable.is_set()

    async def writable(self) -> None:
        """Wait until publishers may go on (also when the connection is gone)."""
        await self._writable.wait()

    def hold(self, held: bool) -> None:
        """Stop or go on reading: the source cannot place what it has."""
        self.held = held
        self._connection._last_data_in = time.monotonic()
        self._read_or_not()

    def _read_or_not(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if self.held or self._resting:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _rest_if_crowded(self, size: int) -> None:
        now = self._loop_.time()
        if now - self._last_read > CLOSE_S or size > 16384:
            self._small_reads = 0
        else:
            self._small_reads += 1
            if self._small_reads >= CROWD and not self._resting:
                self._small_reads = CROWD // 2
                self._resting = True
                self._read_or_not()
                self._loop_.call_later(PAUSE_S, self._rested)
        self._last_read = now

    def _rested(self) -> None:
        self._resting = False
        self._last_read = self._loop_.time()
        self._read_or_not()

    def _other(self, first: int, body: bytes) -> None:
        if first & 0xF0 in (0x40, 0x50) and len(body) > 2 and body[2] >= 0x80:
            self._listener.refused(self._client, int.from_bytes(body[:2], "big"), body[2])
        self._connection.put_package(Package(first, body))


class InFlight:
    """Published messages that the broker has not acknowledged; stands in for gmqtt's store, which would send them again by itself."""

    is_empty = True

    def __init__(self) -> None:
        self._waiting: set[int] = set()
        self._done = asyncio.Event()

    def expect(self, packet_ids: list[int]) -> None:
        """Wait for these from now on."""
        self._waiting.update(packet_ids)
        self._done.clear()

    async def acknowledged(self) -> None:
        """Return when all are (or ``clear`` was called)."""
        await self._done.wait()

    def push_message(self, mid: int, raw_package: bytes) -> None:
        """gmqtt swaps a message for its PUBREL here; nothing is stored, as the engine repeats what was not acknowledged."""

    def remove_message_by_mid(self, mid: int) -> None:
        """gmqtt saw the last acknowledgement of a message."""
        self._waiting.discard(mid)
        if not self._waiting:
            self._done.set()

    def get_all(self) -> list[tuple[int, bytes]]:
        """Nothing to send again."""
        return []

    def clear(self) -> None:
        """Wake whoever waits."""
        self._waiting.clear()
        self._done.set()

    async def wait_empty(self) -> None:
        """gmqtt waits here after connecting."""


class PacketClient(Client):
    """gmqtt's client over PacketProtocol, without reconnecting by itself."""

    def __init__(self, listener: Listener, client_id: str, version: int, clean: bool, **properties: Any) -> None:
        self.in_flight = InFlight()
        super().__init__(client_id, clean_session=clean, persistent_storage=self.in_flight, **properties)
        self.set_config({"reconnect_retries": -2})
        self._listener = listener
        self._version = version
        self.protocol: PacketProtocol | None = None

    async def _create_connection(self, host: str, port: int, ssl: Any, clean_session: bool, keepalive: int) -> MQTTConnection:
        self._package_handler.clear_topics_aliases()
        self._connack_received.clear()
        self._connection_lost.clear()
        factory = partial(
            PacketProtocol,
            self,
            self._listener,
            self._version,
            connection_state=self._connection_state,
            id_generator=self._package_handler.id_generator,
        )
        transport, self.protocol = await asyncio.get_running_loop().create_connection(factory, host, port, ssl=ssl)
        return MQTTConnection(transport, self.protocol, clean_session, keepalive, package_handler=self._package_handler)

    def next_packet_id(self) -> int:
        """A free packet id; freed by gmqtt with the acknowledgement."""
        number: int = self._package_handler.id_generator.next_id()
        return number

    @property
    def window(self) -> int:
        """How many messages may be unacknowledged: the broker's receive maximum, at most 1000."""
        receive_maximum: int = self._package_handler.id_generator._max
        return max(1, min(receive_maximum - 2, 1000))

    def send(self, data: bytes) -> None:
        """Hand packets to the transport."""
        self._connection.send_package(data)

    def abort(self) -> None:
        """Drop the connection without a farewell."""
        if self.protocol is not None and self.protocol._transport is not None:
            self.protocol._transport.abort()
