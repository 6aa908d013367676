"""MQTT source: hands over what arrived together, acknowledges it when the rules are done."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any

from plutino.connectors.mqtt.options import MqttSourceOptions, check_connection, check_qos, eof_payload, topics_of
from plutino.connectors.mqtt.packets import Run, user_properties
from plutino.connectors.mqtt.session import Ack, MqttSession, Receiver
from plutino.errors import TransportError
from plutino.spi import Delivery, Inlet, SourceContext

HOLD_AT, GO_ON_AT = 64, 16
"""Deliveries with qos 1 or 2 that wait for room in the engine before reading stops, and until it goes on."""


class MqttSource:
    """Receives from one or more topic filters.

    Messages with qos 0 are offered (a full engine drops and counts them), those with qos 1 or 2 wait for room and are acknowledged when
    every rule is done with them. Meta: ``topic``, ``qos``, ``messageId``; with version 5 also ``properties`` and ``traceId``.
    """

    def __init__(self, options: MqttSourceOptions, datasource: str, context: SourceContext) -> None:
        check_connection(options.broker)
        check_qos(options.qos)
        self._filters = topics_of(datasource)
        self._eof = eof_payload(options.eof_message)
        self._options = options
        self._context = context
        self._needs_meta = context.needs_meta
        self._inlet: Inlet | None = None
        self._waiting: deque[Delivery] = deque()
        self._news = asyncio.Event()
        self._ended = False
        self._names: dict[bytes, str] = {}

    async def run(self, inlet: Inlet, resume: Any) -> None:
        """Receive until cancelled, or until the end message."""
        self._inlet, self._ended = inlet, False
        self._waiting.clear()
        receiver = Receiver(self._filters, self._options.qos, self._take)
        shared = self._context.connection()
        if shared is None:
            session = MqttSession(self._options.broker, self._context.allow_file)
            session.expect(receiver)
        else:
            assert isinstance(shared, MqttSession)
            session = shared
        try:
            if shared is None:
                await session.open()
            else:
                await session.subscribe(receiver)
            inlet.connected()
            await self._place(session, receiver)
        finally:
            if shared is None:
                if not self._options.broker.enable_client_session:
                    session.unsubscribe(receiver)
                await session.close()
            else:
                session.unsubscribe(receiver)

    async def _place(self, session: MqttSession, receiver: Receiver) -> None:
        """Put what waits into the engine, until the end or a loss (TransportError)."""
        assert self._inlet is not None
        lost = asyncio.ensure_future(session.wait_lost())
        lost.add_done_callback(lambda _: self._news.set())
        held = False
        try:
            while True:
                while self._waiting:
                    if held != (len(self._waiting) > (GO_ON_AT if held else HOLD_AT)):
                        held = not held
                        session.hold(receiver, held)
                    await self._inlet.put(self._waiting.popleft())
                if held:
                    held = False
                    session.hold(receiver, False)
                if self._ended:
                    return
                if lost.done():
                    raise TransportError(f"mqtt connection to {self._options.broker.server} is lost: {lost.result()}")
                self._news.clear()
                await self._news.wait()
        finally:
            lost.cancel()

    def _take(self, runs: list[Run], ack: Ack | None) -> None:
        """Called by the session for messages that arrived together."""
        if self._ended or self._inlet is None:
            return
        if self._eof is not None:
            runs = self._until_end(runs)
        payloads = runs[0].payloads if len(runs) == 1 else [p for r in runs for p in r.payloads]
        if payloads:
            delivery = Delivery(payloads=payloads, meta=self._meta(runs) if self._needs_meta() else None)
            if ack is not None:
                delivery.ack = ack
                self._waiting.append(delivery)
                self._news.set()
            else:
                self._inlet.offer(delivery)
        elif ack is not None:
            ack()
        if self._ended:
            self._news.set()

    def _until_end(self, runs: list[Run]) -> list[Run]:
        """The runs before the end message; marks the end."""
        kept: list[Run] = []
        for run in runs:
            if self._eof in run.payloads:
                at = run.payloads.index(self._eof)
                part = Run(run.topic)
                part.payloads, part.extras = run.payloads[:at], [e for e in run.extras if e.at < at]
                self._ended = True
                return [*kept, part]
            kept.append(run)
        return kept

    def _meta(self, runs: list[Run]) -> Mapping[str, Any] | list[Mapping[str, Any]]:
        if len(runs) == 1 and not runs[0].extras:
            return {"topic": self._name(runs[0].topic), "qos": 0, "messageId": 0}
        found: list[Mapping[str, Any]] = []
        for run in runs:
            plain: Mapping[str, Any] = {"topic": self._name(run.topic), "qos": 0, "messageId": 0}
            start = len(found)
            found.extend([plain] * len(run.payloads))
            for extra in run.extras:
                meta = {**plain, "qos": (extra.first & 6) >> 1, "messageId": extra.packet_id}
                if extra.properties:
                    properties = user_properties(extra.properties)
                    meta["properties"] = properties
                    trace = properties.get("traceparent", "").split("-")
                    if len(trace) == 4:
                        meta["traceId"] = trace[1]
                found[start + extra.at] = meta
        return found

    def _name(self, topic: bytes) -> str:
        name = self._names.get(topic)
        if name is None:
            if len(self._names) > 10_000:
                self._names.clear()
            name = self._names[topic] = topic.decode(errors="replace")
        return name


async def ping(options: MqttSourceOptions, datasource: str, context: SourceContext) -> None:
    """Connect once and close."""
    await ping_broker(options, context)


async def ping_broker(options: Any, context: Any) -> None:
    """Connect to ``options.broker`` once and close; TransportError when it does not answer."""
    session = MqttSession(options.broker, context.allow_file)
    try:
        await session.open()
    finally:
        await session.close()
