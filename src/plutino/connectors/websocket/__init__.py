"""WebSocket, in both directions: a path of the data server that clients connect to, or a client of another server.

``options`` what can be set; ``session`` both ways to be connected; ``source`` and ``sink`` the roles.
"""

from __future__ import annotations

from plutino.connectors.websocket.options import SessionOptions, WebSocketSinkOptions, WebSocketSourceOptions, check_path
from plutino.connectors.websocket.session import named
from plutino.connectors.websocket.sink import WebSocketSink
from plutino.connectors.websocket.source import WebSocketSource
from plutino.spi import ConnectionSpec, ConnectorSpec, Datasource, Example, SinkSpec, SourceSpec


def _check_datasource(path: str) -> None:
    if path:  # else the options have one
        check_path(path)


CONNECTOR = ConnectorSpec(
    name="websocket",
    about="WebSocket messages, as a server or as a client",
    source=SourceSpec(
        options=WebSocketSourceOptions,
        create=WebSocketSource,
        defaults={"addr": ""},
        datasource=Datasource("Path", "Path of the data server, or of the other server, with a leading /", "/api/data", _check_datasource),
        examples=(
            Example("clients connect to a path of the data server", {}, "/plant/events"),
            Example("connect to another server", {"addr": "gateway:8080", "scheme": "wss"}, "/events"),
        ),
    ),
    sink=SinkSpec(
        options=WebSocketSinkOptions,
        create=WebSocketSink,
        examples=(
            Example("to everybody who is connected to a path of the data server", {"path": "/plant/alarms", "sendSingle": True}),
            Example("to another server", {"addr": "dashboard:8080", "path": "/alarms"}),
        ),
    ),
    connection=ConnectionSpec(options=SessionOptions, create=named),
)
