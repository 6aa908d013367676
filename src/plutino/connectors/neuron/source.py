"""Neuron source: each message is one payload."""

from __future__ import annotations

from typing import Any

from plutino.connectors.neuron.options import NeuronSourceOptions, check_url
from plutino.connectors.neuron.socket import PairSocket
from plutino.errors import TransportError
from plutino.spi import Delivery, Inlet, SourceContext

TRACE_MARK = b"\x0a\xce"
TRACE_SIZE = 26
"""Bytes in front of a message that is traced: the mark, 16 of the trace, 8 of the span."""


class NeuronSource:
    """Receives what the gateway sends. It cannot wait: what a full engine drops is counted. Meta: ``sourceKind``, ``traceId``."""

    def __init__(self, options: NeuronSourceOptions, datasource: str, context: SourceContext) -> None:
        check_url(options.url)
        self._url = options.url
        self._context = context

    async def run(self, inlet: Inlet, resume: Any) -> None:
        """Receive until cancelled, or until the connection is lost."""
        shared = self._context.connection()
        assert shared is None or isinstance(shared, PairSocket)
        socket = shared or PairSocket(self._url)

        def receive(message: bytes) -> None:
            inlet.offer(_delivery(message))

        socket.subscribe(receive)
        try:
            if shared is None:
                await socket.open()
            inlet.connected()
            raise TransportError(await socket.wait_lost())
        finally:
            socket.unsubscribe(receive)
            if shared is None:
                await socket.close()


def _delivery(message: bytes) -> Delivery:
    if len(message) <= TRACE_SIZE or not message.startswith(TRACE_MARK):
        return Delivery(payloads=[message], meta={"sourceKind": "neuron"})
    meta = {"sourceKind": "neuron", "traceId": message[len(TRACE_MARK) : len(TRACE_MARK) + 16].hex()}
    return Delivery(payloads=[message[TRACE_SIZE:]], meta=meta)
