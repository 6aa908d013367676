"""One MQTT connection: who receives what, acknowledgement after processing, publishing. Anonymous, or named and shared."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import uuid
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from plutino.connectors.mqtt.options import VERSIONS, ConnectionOptions, address_of, check_connection
from plutino.connectors.mqtt.packets import Header, Run
from plutino.errors import TransportError
from plutino.spi import SourceContext
from plutino.spi.bus import matches
from plutino.spi.options import ssl_context

if TYPE_CHECKING:
    from plutino.connectors.mqtt.client import PacketClient

ANSWER_S = 5
"""How long the broker may take to answer a request."""
ACKNOWLEDGE_S = 30
"""How long it may take to acknowledge published messages."""
KEEP_ALIVE_S = {3: 30, 4: 30, 5: 20}
KNOWN_TOPICS = 10_000
UNCLAIMED = 10_000

_REFUSALS = {
    1: "unacceptable protocol version",
    2: "identifier rejected",
    3: "server Unavailable",
    4: "bad user name or password",
    5: "not Authorized",
}
_REFUSALS |= {132: _REFUSALS[1], 133: _REFUSALS[2], 134: _REFUSALS[4], 135: _REFUSALS[5], 136: _REFUSALS[3]}

Ack = Callable[[], None]
Take = Callable[[list[Run], Ack | None], None]
"""Gets runs in order of arrival, and what to call when the messages with qos 1 or 2 among them (None: there are none) are done."""


class Receiver:
    """One subscriber of a session."""

    __slots__ = ("filters", "qos", "take")

    def __init__(self, filters: Sequence[str], qos: int, take: Take) -> None:
        self.filters = tuple(filters)
        self.qos = qos
        self.take = take

    def wants(self, topic: str) -> bool:
        """Whether a topic falls under one of the filters; of a shared subscription the part after the group counts."""
        return any(matches(_plain_filter(f), topic) for f in self.filters)


class MqttSession:
    """A client with its receivers. ``open`` may be called again after each loss; receivers stay and are subscribed again."""

    def __init__(self, options: ConnectionOptions, allow_file: Callable[[str], str]) -> None:
        check_connection(options)
        self._options = options
        self._allow_file = allow_file
        self._version = VERSIONS[options.protocol_version]
        self._current: PacketClient | None = None
        """The newest client, connected or not."""
        self._client: PacketClient | None = None
        """The client when the broker has accepted it."""
        self._receivers: list[Receiver] = []
        self._routes: dict[bytes, tuple[Receiver, ...]] = {}
        self._unclaimed: list[Run] = []
        self._lost = asyncio.Event()
        self._lost.set()
        self._reason = "not connected"
        self._subscribed: dict[int, asyncio.Future[Sequence[int]]] = {}
        self._refusals: dict[int, int] = {}
        self._publishing = asyncio.Lock()
        self._holders: set[Receiver] = set()
        self._publishes = False

    @property
    def version5(self) -> bool:
        """Whether user properties exist."""
        return self._version == 5

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted the connection and it stands."""
        return self._client is not None and not self._lost.is_set()

    async def open(self) -> None:
        """Connect and subscribe all receivers; TransportError when the broker does not answer or refuses."""
        if self.connected:
            return
        if self._current is not None:
            self._current.abort()
        self._client = None
        address = address_of(self._options.server)
        tls = ssl_context(self._options.tls, self._allow_file) if address.secure else None
        client = self._current = self._new_client()
        self._reason = "connection closed by the broker"
        self._lost.clear()
        try:
            await self._connect(client, address.host, address.port, tls)
            self._client = client
            if self._receivers:
                await self._subscribe(self._wanted([f for r in self._receivers for f in r.filters]))
        except TransportError as error:
            self._abandon(client, str(error))
            raise
        except asyncio.CancelledError:
            self._abandon(client, "cancelled")
            raise

    async def ping(self) -> None:
        """TransportError unless the connection stands (gmqtt's keep-alive notices a silent broker)."""
        if not self.connected:
            raise TransportError(f"found error when connecting for {self._options.server}: {self._reason}")

    async def wait_lost(self) -> str:
        """Return the reason when the connection is lost or closed."""
        await self._lost.wait()
        return self._reason

    async def close(self) -> None:
        """Say farewell and release."""
        client, connected = self._current, self.connected
        if client is None:
            return
        self.lost(client, "connection is closed")
        self._current = self._client = None
        if connected:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(ANSWER_S):
                    await client.disconnect()
        client.abort()

    async def subscribe(self, receiver: Receiver) -> None:
        """Add a receiver (``open`` subscribes those that are there already)."""
        self._check_connected()
        if receiver not in self._receivers:
            self._add(receiver)
        try:
            await self._subscribe(self._wanted(receiver.filters))
        except TransportError:
            self._forget(receiver)
            raise

    def expect(self, receiver: Receiver) -> None:
        """Add a receiver before ``open``, as a kept session delivers at once."""
        self._add(receiver)

    def unsubscribe(self, receiver: Receiver) -> None:
        """Remove a receiver; filters that nobody else has are given up at the broker."""
        self._forget(receiver)
        kept = {f for r in self._receivers for f in r.filters}
        gone = [f for f in receiver.filters if f not in kept]
        if gone and self.connected and self._client is not None:
            self._client.unsubscribe(gone)

    def hold(self, receiver: Receiver, held: bool) -> None:
        """A receiver has more than it can place: reading stops until all have room again.

        While a publisher waits for acknowledgements reading goes on: the receiver's room may depend on just them.
        """
        (self._holders.add if held else self._holders.discard)(receiver)
        self._hold_or_not()

    def publish(self, header: Header, payloads: list[bytes]) -> None:
        """Send messages with qos 0."""
        self.send(header.join(payloads))

    def send(self, packets: bytes) -> None:
        """Hand PUBLISH packets with qos 0 to the transport."""
        self._check_connected()
        assert self._client is not None
        self._client.send(packets)

    @property
    def crowded(self) -> bool:
        """Whether publishers should wait for ``writable``."""
        client = self._client
        return client is not None and client.protocol is not None and not client.protocol.may_write

    async def writable(self) -> None:
        """Wait until the transport has room; TransportError when the connection is lost."""
        if self._client is not None and self._client.protocol is not None:
            await self._client.protocol.writable()
        self._check_connected()

    async def deliver(self, messages: Sequence[tuple[Header, bytes]]) -> list[str]:
        """Send messages with qos 1 or 2 and wait until the broker has acknowledged all; texts of those that it refused for good."""
        refused: list[str] = []
        position = 0
        async with self._publishing:
            self._publishes = True
            self._hold_or_not()
            try:
                while position < len(messages):
                    self._check_connected()
                    assert self._client is not None
                    part = messages[position : position + self._client.window]
                    refused += await self._deliver_window(self._client, part)
                    position += len(part)
            except TransportError as error:
                raise TransportError(error.message, delivered=position) from error
            finally:
                self._publishes = False
                self._hold_or_not()
        return refused

    def received(self, client: PacketClient, runs: list[Run]) -> None:
        """Called by a client with what arrived together."""
        if client is not self._current:
            return
        if len(runs) == 1:
            receivers = self._route(runs[0].topic)
            self._hand_over(receivers, runs, client)
            return
        start, current = 0, self._route(runs[0].topic)
        for i in range(1, len(runs)):
            receivers = self._route(runs[i].topic)
            if receivers is not current and receivers != current:
                self._hand_over(current, runs[start:i], client)
                start, current = i, receivers
        self._hand_over(current, runs[start:], client)

    def refused(self, client: PacketClient, packet_id: int, reason: int) -> None:
        """Called by a client when the broker refuses a published message."""
        self._refusals[packet_id] = reason

    def lost(self, client: PacketClient, reason: str) -> None:
        """Called by a client when its connection is gone."""
        if client is not self._current or self._lost.is_set():
            return
        self._reason = reason
        self._lost.set()
        self._holders.clear()
        for waiting in self._subscribed.values():
            if not waiting.done():
                waiting.set_exception(TransportError(f"mqtt client is not connected: {reason}"))
        self._subscribed.clear()
        client.in_flight.clear()

    def _new_client(self) -> PacketClient:
        from plutino.connectors.mqtt.client import PacketClient

        options = self._options
        keep = options.enable_client_session and bool(options.client_id)
        properties: dict[str, Any] = {}
        if self.version5:
            properties["receive_maximum"] = 65535
            if keep:
                properties["session_expiry_interval"] = max(0, options.session_expiry_interval_seconds)
        client = PacketClient(self, options.client_id or str(uuid.uuid4()), self._version, not keep, **properties)
        if options.username or options.password:
            client.set_auth_credentials(options.username, options.password or None)
        client.on_subscribe = self._on_subscribe
        return client

    async def _connect(self, client: PacketClient, host: str, port: int, tls: Any) -> None:
        from gmqtt import MQTTConnectError

        prefix = f"found error when connecting for {self._options.server}: "
        connecting = asyncio.ensure_future(client.connect(host, port, tls or False, KEEP_ALIVE_S[self._version], self._version))
        closed = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait((connecting, closed), timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
            if connecting.done():
                connecting.result()
            elif closed.done():
                raise TransportError(prefix + self._reason)
            else:
                raise TransportError(prefix + f"network Error : dial tcp {host}:{port}: i/o timeout")
        except MQTTConnectError as error:
            raise TransportError(prefix + _REFUSALS.get(error._code, str(error))) from error
        except OSError as error:
            raise TransportError(prefix + f"network Error : {_dial_error(error, host, port)}") from error
        finally:
            closed.cancel()
            if not connecting.done():
                connecting.cancel()
                with contextlib.suppress(asyncio.CancelledError, OSError, MQTTConnectError):
                    await connecting

    async def _subscribe(self, filters: Sequence[tuple[str, int]]) -> None:
        from gmqtt import Subscription

        assert self._client is not None
        client = self._client
        mid = client.subscribe([Subscription(f, qos=q) for f, q in filters])
        client.subscriptions.clear()  # gmqtt's own list serves its reconnect; SUBACKs are matched here
        answer: asyncio.Future[Sequence[int]] = asyncio.get_running_loop().create_future()
        self._subscribed[mid] = answer
        try:
            granted = await asyncio.wait_for(answer, ANSWER_S)
        except TimeoutError as error:
            raise TransportError(f"found error when subscribing to {filters[0][0]}: no answer from the broker in {ANSWER_S} s") from error
        finally:
            self._subscribed.pop(mid, None)
        for (topic, _), code in zip(filters, granted, strict=False):
            if code >= 128:
                raise TransportError(f"found error when subscribing to {topic}: refused by the broker with code {code}")

    def _on_subscribe(self, client: Any, mid: int, granted: Sequence[int], properties: Any) -> None:
        answer = self._subscribed.get(mid)
        if answer is not None and not answer.done():
            answer.set_result(granted)

    async def _deliver_window(self, client: PacketClient, part: Sequence[tuple[Header, bytes]]) -> list[str]:
        packet_ids = [client.next_packet_id() for _ in part]
        client.in_flight.expect(packet_ids)
        self._refusals.clear()
        client.send(b"".join(h.numbered(payload, i) for (h, payload), i in zip(part, packet_ids, strict=True)))
        try:
            async with asyncio.timeout(ACKNOWLEDGE_S):
                await client.in_flight.acknowledged()
        except TimeoutError:
            self._abandon(client, f"no acknowledgement in {ACKNOWLEDGE_S} s")
        self._check_connected()
        return [f"mqtt message refused by the broker with code {code}" for code in self._refusals.values()]

    def _hand_over(self, receivers: tuple[Receiver, ...], runs: list[Run], client: PacketClient) -> None:
        ack = self._acknowledgement(runs, client, max(1, len(receivers))) if any(r.extras for r in runs) else None
        if receivers:
            for receiver in receivers:
                receiver.take(runs, ack)
        elif self._options.enable_client_session and len(self._unclaimed) < UNCLAIMED:
            self._unclaimed.extend(runs)
        elif ack is not None:
            ack()

    def _acknowledgement(self, runs: list[Run], client: PacketClient, readers: int) -> Ack | None:
        numbered = [e for r in runs for e in r.extras if e.first & 6]
        answers = b"".join((b"\x40\x02" if e.first & 6 == 2 else b"\x50\x02") + e.packet_id.to_bytes(2, "big") for e in numbered)
        if not answers:
            return None
        missing = readers

        def done() -> None:
            nonlocal missing
            missing -= 1
            # A broker gives packet ids anew after a loss, so an answer for an old connection must not be sent on a new one.
            if missing == 0 and client is self._client and self.connected:
                client.send(answers)

        return done

    def _route(self, topic: bytes) -> tuple[Receiver, ...]:
        found = self._routes.get(topic)
        if found is None:
            if len(self._routes) >= KNOWN_TOPICS:
                self._routes.clear()
            name = topic.decode(errors="replace")
            found = self._routes[topic] = tuple(r for r in self._receivers if r.wants(name))
        return found

    def _add(self, receiver: Receiver) -> None:
        self._receivers.append(receiver)
        self._routes.clear()
        if self._unclaimed and self._current is not None:
            runs, self._unclaimed = self._unclaimed, []
            self.received(self._current, runs)

    def _wanted(self, filters: Sequence[str]) -> list[tuple[str, int]]:
        """Filters, each once, with the highest qos that a receiver asks for: a broker keeps one subscription per filter."""
        return [(f, max(r.qos for r in self._receivers if f in r.filters)) for f in dict.fromkeys(filters)]

    def _forget(self, receiver: Receiver) -> None:
        if receiver in self._receivers:
            self._receivers.remove(receiver)
        self._routes.clear()
        self.hold(receiver, False)

    def _hold_or_not(self) -> None:
        protocol = self._client.protocol if self._client is not None else None
        hold = bool(self._holders) and not self._publishes
        if protocol is not None and protocol.held != hold:
            protocol.hold(hold)

    def _check_connected(self) -> None:
        if not self.connected:
            raise TransportError("mqtt client is not connected")

    def _abandon(self, client: PacketClient, reason: str) -> None:
        client.abort()
        self.lost(client, reason)


def _plain_filter(topic_filter: str) -> str:
    return topic_filter.split("/", 2)[2] if topic_filter.startswith("$share/") and topic_filter.count("/") >= 2 else topic_filter


def _dial_error(error: OSError, host: str, port: int) -> str:
    if isinstance(error, ssl.SSLError):
        return f"tls: {error.strerror or error}"
    if isinstance(error, socket.gaierror):
        return f"dial tcp: lookup {host}: no such host"
    if isinstance(error, TimeoutError):
        return f"dial tcp {host}:{port}: i/o timeout"
    if isinstance(error, ConnectionRefusedError):
        return f"dial tcp {host}:{port}: connect: connection refused"
    if isinstance(error, ConnectionResetError):
        return f"read tcp {host}:{port}: connection reset by peer"
    text = os.strerror(error.errno).lower() if error.errno is not None and error.errno > 0 else str(error)
    return f"dial tcp {host}:{port}: {text}"


def named(name: str, options: ConnectionOptions, context: SourceContext) -> MqttSession:
    """A session that is shared by name (ConnectionSpec.create)."""
    return MqttSession(options, context.allow_file)
