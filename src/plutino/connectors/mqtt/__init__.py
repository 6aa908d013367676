"""MQTT 3.1, 3.1.1 and 5: source, sink and shared connections.

``options`` what can be set; ``packets`` bytes to messages and back; ``client`` gmqtt, fitted to that; ``session`` one connection with its
receivers and publishers; ``source`` and ``sink`` the two roles.
"""

from __future__ import annotations

from plutino.connectors.mqtt.options import ConnectionOptions, MqttSinkOptions, MqttSourceOptions, share_key, topics_of
from plutino.connectors.mqtt.session import named
from plutino.connectors.mqtt.sink import MqttSink
from plutino.connectors.mqtt.source import MqttSource, ping, ping_broker
from plutino.spi import ConnectionSpec, ConnectorSpec, Datasource, Example, SinkSpec, SourceSpec

CONNECTOR = ConnectorSpec(
    name="mqtt",
    about="MQTT brokers, version 3.1, 3.1.1 and 5",
    source=SourceSpec(
        options=MqttSourceOptions,
        create=MqttSource,
        bounded=True,
        defaults={"server": "tcp://127.0.0.1:1883", "qos": 1, "protocolVersion": "3.1.1", "insecureSkipVerify": False},
        datasource=Datasource("Topic", "Topic filters, separated by commas", "topic1", topics_of),
        ping=ping,
        examples=(
            Example("all devices of a plant, nothing lost", {"server": "tcp://127.0.0.1:1883", "qos": 1}, "plant/+/state"),
            Example(
                "version 5 with a session that the broker keeps",
                {"server": "tcp://127.0.0.1:1883", "qos": 1, "protocolVersion": "5", "clientid": "plutino-1", "enableClientSession": True},
                "plant/#",
            ),
        ),
    ),
    sink=SinkSpec(
        options=MqttSinkOptions,
        create=MqttSink,
        dynamic=("topic", "properties"),
        ping=ping_broker,
        examples=(
            Example("publish alarms", {"server": "tcp://127.0.0.1:1883", "topic": "plant/alarms", "qos": 1}),
            Example("topic from the data", {"server": "tcp://127.0.0.1:1883", "topic": "plant/{{.hall}}/alarm", "sendSingle": True}),
        ),
    ),
    connection=ConnectionSpec(options=ConnectionOptions, create=named),
    share_key=share_key,
)
