"""Options of the MQTT connector: connection, source and sink, and what they must fulfil."""

from __future__ import annotations

import base64
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct, field

from plutino.errors import ProvisionError, UnsupportedError
from plutino.spi.options import Opt, Tls, encode_options, one_of
from plutino.spi.secrets import without_user

VERSIONS = {"3.1": 3, "3.1.1": 4, "4": 4, "5": 5, "5.0": 5}
_PLAIN_SCHEMES = ("tcp", "mqtt")
_TLS_SCHEMES = ("ssl", "tls", "mqtts", "tcps", "mqtt+ssl")
_OTHER_SCHEMES = ("ws", "wss", "unix")


class ConnectionOptions(Struct, frozen=True, rename="camel"):
    """How to reach a broker."""

    server: Annotated[
        str,
        Opt("Address of the broker: tcp://host:1883, ssl://host:8883", "Server", connection_related=True, required=True, check=address_of),
    ] = ""
    client_id: Annotated[str, Opt("Client id; a random one when empty", "Client id", connection_related=True)] = field(
        default="", name="clientid"
    )
    username: Annotated[str, Opt("User name", "Username", connection_related=True)] = ""
    password: Annotated[str, Opt("Password", "Password", connection_related=True, secret=True)] = ""
    protocol_version: Annotated[
        str, Opt("Version of MQTT", "Protocol version", connection_related=True, values=("3.1", "3.1.1", "5"), check=check_version)
    ] = "3.1.1"
    enable_client_session: Annotated[bool, Opt("Let the broker keep the session; counts with a client id only", "Keep session")] = False
    client_state_path: Annotated[str, Opt("Accepted for compatibility; the broker keeps the session", "Client state path")] = ""
    session_expiry_interval_seconds: Annotated[int, Opt("How long a version 5 broker keeps the session", "Session expiry")] = 60
    tls: Annotated[Tls, Opt(inline=True)] = Tls()


class MqttSourceOptions(Struct, frozen=True, rename="camel"):
    """Options of the source; topics come from DATASOURCE."""

    broker: Annotated[ConnectionOptions, Opt(inline=True)] = ConnectionOptions()
    qos: Annotated[int, Opt("Highest quality of service to receive with", "QoS", values=(0, 1, 2), check=check_qos)] = 0
    eof_message: Annotated[str, Opt("Payload that ends the stream, as base64", "End message", check=eof_payload)] = ""
    connection_selector: Annotated[str, Opt("Name of a shared connection", "Connection")] = ""


class MqttSinkOptions(Struct, frozen=True, rename="camel"):
    """Options of the sink."""

    broker: Annotated[ConnectionOptions, Opt(inline=True)] = ConnectionOptions()
    topic: Annotated[str, Opt("Topic to publish under", "Topic", dynamic=True, required=True, check=check_topic)] = ""
    qos: Annotated[int, Opt("Quality of service", "QoS", values=(0, 1, 2), check=check_qos)] = 0
    retained: Annotated[bool, Opt("Let the broker keep the last message", "Retained")] = False
    properties: Annotated[dict[str, str], Opt("User properties of version 5", "Properties", dynamic=True)] = {}
    connection_selector: Annotated[str, Opt("Name of a shared connection", "Connection")] = ""


class Address(Struct, frozen=True):
    """A broker's address, taken apart."""

    host: str
    port: int
    secure: bool


def address_of(server: str) -> Address:
    """The parts of ``server``; ProvisionError when it cannot be used."""
    text, shown = server if "://" in server else f"tcp://{server}", without_user(server)
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise ProvisionError(f"mqtt server {shown}: {error}; tcp://host:port or ssl://host:port is expected") from error
    secure = parts.scheme in _TLS_SCHEMES
    if parts.scheme in _OTHER_SCHEMES:
        raise UnsupportedError(f"mqtt server {shown}: {parts.scheme} is not built in; tcp://host:port or ssl://host:port is expected")
    if not secure and parts.scheme not in _PLAIN_SCHEMES:
        raise ProvisionError(f"mqtt server {shown}: not supported; tcp://host:port or ssl://host:port is expected")
    if not host and port is None:
        raise ProvisionError(f"mqtt server {shown}: no host; tcp://host:port or ssl://host:port is expected")
    return Address(host or "localhost", port or (8883 if secure else 1883), secure)


def check_connection(options: ConnectionOptions) -> None:
    """ProvisionError unless a client can be made from the options."""
    if not options.server:
        raise ProvisionError("missing server property")
    address_of(options.server)
    check_version(options.protocol_version)


check_version = one_of(VERSIONS, "unsupported protocol version {}")
"""ProvisionError for a version of MQTT that is not spoken."""


check_qos = one_of((0, 1, 2), "invalid qos value {}, the value could be only int 0 or 1 or 2")
"""ProvisionError unless it is 0, 1 or 2."""


def check_topic(topic: str) -> None:
    """ProvisionError unless one can publish under it."""
    if not topic:
        raise ProvisionError("mqtt sink is missing property topic")
    if "#" in topic or "+" in topic:
        raise ProvisionError(f"mqtt sink topic {topic}: # and + are for subscriptions; a plain topic is expected")
    if len(topic.encode()) > 65535 or "\0" in topic:
        raise ProvisionError(f"mqtt sink topic {topic[:40]}…: not a valid topic; at most 65535 bytes without NUL are expected")


def topics_of(datasource: str) -> list[str]:
    """Topic filters of a comma separated DATASOURCE; ProvisionError when there is none."""
    topics = [t.strip() for t in datasource.split(",") if t.strip()]
    if not topics:
        raise ProvisionError("topic is required")
    return list(dict.fromkeys(topics))


def eof_payload(text: str) -> bytes | None:
    """The payload that ends a stream, None when none does."""
    if not text:
        return None
    try:
        return base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except ValueError as error:  # binascii.Error is one
        raise ProvisionError(f"eofMessage {text}: {error}; base64 is expected") from error


def share_key(options: MqttSourceOptions | MqttSinkOptions) -> bytes | None:
    """Equal for sinks whose clients may be one: same broker and credentials, no client id or session of its own.

    Sources have a client each: for filters that overlap a broker may send one message once per filter, and only a client of its own
    tells a stream which of them are meant for it.
    """
    broker = options.broker
    if isinstance(options, MqttSourceOptions) or broker.client_id or broker.enable_client_session:
        return None
    return msgspec.json.encode(encode_options(broker), order="sorted")
