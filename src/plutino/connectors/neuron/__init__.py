"""Neuron, the gateway for industrial protocols: its values as rows, and commands to its tags.

Both sides speak through one socket of the kind *pair* of nanomsg: all sources and sinks of an address share it, as it has one other end.
``options`` what can be set; ``socket`` the protocol; ``source`` and ``sink`` the roles. A connection with a name is of type ``nng``.
"""

from __future__ import annotations

from plutino.connectors.neuron.options import NeuronSinkOptions, NeuronSourceOptions, PairOptions, share_key
from plutino.connectors.neuron.sink import NeuronSink
from plutino.connectors.neuron.socket import named
from plutino.connectors.neuron.source import NeuronSource
from plutino.spi import ConnectionSpec, ConnectorSpec, Example, SinkSpec, SourceSpec

_SHIPPED = "tcp://127.0.0.1:7081"

CONNECTORS = (
    ConnectorSpec(
        name="neuron",
        about="Values and tags of a Neuron gateway",
        source=SourceSpec(
            options=NeuronSourceOptions,
            create=NeuronSource,
            defaults={"url": _SHIPPED},
            examples=(Example("everything that a gateway reports", {"url": _SHIPPED}),),
        ),
        sink=SinkSpec(
            options=NeuronSinkOptions,
            create=NeuronSink,
            accepts="rows",
            dynamic=("nodeName", "groupName", "tags"),
            examples=(
                Example("columns as tags of a group", {"url": _SHIPPED, "nodeName": "plc", "groupName": "oven", "tags": ["setpoint"]}),
                Example("rows as they are", {"url": _SHIPPED, "raw": True}),
            ),
        ),
        connection=ConnectionSpec(options=PairOptions, create=named),
        share_key=share_key,
        connection_type="nng",
    ),
    ConnectorSpec(
        name="nng",
        about="Sockets of the kind pair of nanomsg, for neuron",
        connection=ConnectionSpec(options=PairOptions, create=named),
    ),
)
