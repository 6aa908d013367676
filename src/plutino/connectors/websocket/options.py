"""Options of the WebSocket connector."""

from __future__ import annotations

from typing import Annotated

from msgspec import Struct

from plutino.errors import ProvisionError
from plutino.spi.options import Opt, Tls, one_of

SCHEMES = ("ws", "wss")


class SessionOptions(Struct, frozen=True, rename="camel"):
    """Whom to speak with. Without ``addr`` clients connect to ``path`` of the data server."""

    addr: Annotated[str, Opt("Address of another server, host:port; empty to be the server", "Address", connection_related=True)] = ""
    scheme: Annotated[str, Opt("ws, or wss for TLS", "Scheme", values=SCHEMES, connection_related=True, check=_check_scheme)] = "ws"
    path: Annotated[str, Opt("Path, with a leading /", "Path", connection_related=True, check=check_path)] = ""
    datasource: Annotated[str, Opt("Another name for path", connection_related=True)] = ""
    request_header: Annotated[
        dict[str, list[str]], Opt("Headers of the request to another server", "Headers", connection_related=True)
    ] = {}
    tls: Annotated[Tls, Opt(inline=True)] = Tls()

    @property
    def endpoint(self) -> str:
        """The path."""
        return self.path or self.datasource


class WebSocketSourceOptions(Struct, frozen=True, rename="camel"):
    """Options of the source; the path is the DATASOURCE."""

    session: Annotated[SessionOptions, Opt(inline=True)] = SessionOptions()
    connection_selector: Annotated[str, Opt("Name of a shared connection", "Connection")] = ""


class WebSocketSinkOptions(Struct, frozen=True, rename="camel"):
    """Options of the sink."""

    session: Annotated[SessionOptions, Opt(inline=True)] = SessionOptions()
    connection_selector: Annotated[str, Opt("Name of a shared connection", "Connection")] = ""


def check_session(options: SessionOptions, path: str) -> None:
    """ProvisionError for what can never connect."""
    check_path(path)
    _check_scheme(options.scheme)


def check_path(path: str) -> None:
    """ProvisionError unless something can be served there."""
    if not path.startswith("/"):
        raise ProvisionError("websocket endpoint should start with /")


_check_scheme = one_of(SCHEMES, "websocket scheme {}: ws or wss is expected")
