"""MQTT sink: publishes what it is given in one piece, with qos 1 and 2 until the broker has acknowledged it."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from plutino.connectors.mqtt.options import VERSIONS, MqttSinkOptions, check_connection, check_qos, check_topic
from plutino.connectors.mqtt.packets import Header, property_block
from plutino.connectors.mqtt.session import MqttSession
from plutino.errors import DeliveryError, PlutinoError
from plutino.spi import SinkContext

MAX_PAYLOAD = 268_435_455 - 70_000
KNOWN_HEADERS = 1_000


class MqttSink:
    """Publishes each item under the topic, which may depend on the data."""

    def __init__(self, options: MqttSinkOptions, context: SinkContext) -> None:
        check_connection(options.broker)
        if not options.topic or "{{" not in options.topic:
            check_topic(options.topic)
        check_qos(options.qos)
        self._options = options
        self._context = context
        self._version5 = VERSIONS[options.broker.protocol_version] == 5
        self._headers: dict[tuple[str, bytes], Header] = {}
        self._header = self._header_of(options.topic, options.properties) if "{{" not in options.topic else None
        self._session: MqttSession | None = None
        self._shared = False

    async def open(self) -> None:
        """Connect, unless the connection is a shared one."""
        shared = self._context.connection()
        if shared is not None:
            assert isinstance(shared, MqttSession)
            self._session, self._shared = shared, True
            await shared.ping()
            return
        if self._session is None:
            self._session = MqttSession(self._options.broker, self._context.allow_file)
        await self._session.open()

    def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> Awaitable[None] | None:
        """Publish; at qos 0 without waiting unless the transport is full."""
        session = self._session
        if session is None:
            session = self._session = MqttSession(self._options.broker, self._context.allow_file)
        if self._options.qos == 0 and properties is None and self._header is not None and _fit(items):
            session.publish(self._header, items if isinstance(items, list) else list(items))
            return session.writable() if session.crowded else None
        messages, fault = self._messages(items, properties)
        if self._options.qos > 0:
            return self._deliver(session, messages, fault)
        session.send(b"".join(header.join([payload]) for header, payload in messages))
        if fault is not None:
            raise fault
        return session.writable() if session.crowded else None

    async def close(self) -> None:
        """Disconnect, unless the connection is a shared one."""
        session, self._session = self._session, None
        if session is not None and not self._shared:
            await session.close()

    async def _deliver(self, session: MqttSession, messages: list[tuple[Header, bytes]], fault: PlutinoError | None) -> None:
        refused = await session.deliver(messages)
        if refused:
            raise DeliveryError(refused[0])
        if fault is not None:
            raise fault

    def _messages(
        self, items: Sequence[bytes], properties: Sequence[Mapping[str, Any]] | None
    ) -> tuple[list[tuple[Header, bytes]], PlutinoError | None]:
        messages: list[tuple[Header, bytes]] = []
        fault: PlutinoError | None = None
        for i, payload in enumerate(items):
            dynamic = properties[i] if properties is not None else {}
            try:
                if len(payload) > MAX_PAYLOAD:
                    raise DeliveryError(f"mqtt payload of {len(payload)} bytes; at most {MAX_PAYLOAD} fit in a packet")
                topic = str(dynamic.get("topic", self._options.topic))
                header = self._header_of(topic, dynamic.get("properties", self._options.properties))
            except PlutinoError as error:
                fault = fault or error
            else:
                messages.append((header, payload))
        return messages, fault

    def _header_of(self, topic: str, user: Mapping[str, Any]) -> Header:
        block = b""
        if self._version5:
            try:
                block = property_block({str(k): str(v) for k, v in user.items()})
            except ValueError as error:
                raise DeliveryError(f"mqtt sink properties: {error}") from error
        found = self._headers.get((topic, block))
        if found is None:
            check_topic(topic)
            if len(self._headers) >= KNOWN_HEADERS:
                self._headers.clear()
            found = self._headers[topic, block] = Header(topic, self._options.qos, self._options.retained, block)
        return found


def _fit(items: Sequence[bytes]) -> bool:
    return max(map(len, items), default=0) <= MAX_PAYLOAD
