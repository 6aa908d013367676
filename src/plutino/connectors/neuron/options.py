"""Options of the Neuron connector."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from msgspec import Struct

from plutino.errors import ProvisionError
from plutino.spi.options import Opt, one_of
from plutino.spi.secrets import without_user

_URL = Opt(
    "Address of the gateway: tcp://host:port or ipc:///path",
    "URL",
    required=True,
    connection_related=True,
    check=lambda url: check_url(url),
)


class PairOptions(Struct, frozen=True, rename="camel"):
    """Options of a connection."""

    url: Annotated[str, _URL] = ""
    protocol: Annotated[
        str, Opt("Kind of the socket; pair is the only one", "Protocol", values=("pair",), connection_related=True, check=check_protocol)
    ] = "pair"


class NeuronSourceOptions(Struct, frozen=True, rename="camel"):
    """Options of the source; there is no DATASOURCE, as a gateway sends everything."""

    url: Annotated[str, _URL] = ""
    connection_selector: Annotated[str, Opt("Name of a shared connection", "Connection")] = ""


class NeuronSinkOptions(Struct, frozen=True, rename="camel"):
    """Options of the sink."""

    url: Annotated[str, _URL] = ""
    node_name: Annotated[str, Opt("Node to write to; required unless raw", "Node", dynamic=True)] = ""
    group_name: Annotated[str, Opt("Group to write to; required unless raw", "Group", dynamic=True)] = ""
    tags: Annotated[list[str], Opt("Columns to send as tags; all when empty", "Tags", dynamic=True)] = []
    raw: Annotated[bool, Opt("Send rows as they are", "Raw")] = False
    connection_selector: Annotated[str, Opt("Name of a shared connection", "Connection")] = ""


def check_url(url: str) -> None:
    """ProvisionError unless it is an address that can be connected to."""
    if not url:
        raise ProvisionError("url is required")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ProvisionError(f"error parsing url {without_user(url)}: {error}") from error
    if parts.scheme not in ("tcp", "ipc"):
        raise ProvisionError("only tcp and ipc scheme are supported")
    if (not parts.hostname or not port) if parts.scheme == "tcp" else not parts.path:
        raise ProvisionError(f"url {without_user(url)}: tcp://host:port or ipc:///path is expected")


check_protocol = one_of(("pair",), "unsupported protocol {}")
"""ProvisionError for a kind of socket that gateways do not have."""


def share_key(options: NeuronSourceOptions | NeuronSinkOptions) -> str:
    """One socket for each address."""
    return options.url
