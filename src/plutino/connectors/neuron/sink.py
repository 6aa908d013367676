"""Neuron sink: rows as commands to the tags of a gateway."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

from plutino.connectors.neuron.options import NeuronSinkOptions, check_url
from plutino.connectors.neuron.socket import PairSocket
from plutino.errors import ProvisionError
from plutino.model import to_dict
from plutino.spi import SinkContext
from plutino.spi.row_json import row_json


class NeuronSink:
    """Sends each row as one message: the values of its tags for a node and a group, or with ``raw`` the row itself."""

    def __init__(self, options: NeuronSinkOptions, context: SinkContext) -> None:
        check_url(options.url)
        if not options.raw and not options.node_name:
            raise ProvisionError("node name is required if raw is not set")
        if not options.raw and not options.group_name:
            raise ProvisionError("group name is required if raw is not set")
        self._options = options
        self._context = context
        self._socket: PairSocket | None = None
        self._shared = False

    async def open(self) -> None:
        """Connect, unless the connection is a shared one."""
        shared = self._context.connection()
        if shared is not None:
            assert isinstance(shared, PairSocket)
            self._socket, self._shared = shared, True
            await shared.ping()
            return
        if self._socket is None:
            self._socket = PairSocket(self._options.url)
        await self._socket.open()

    def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> Awaitable[None] | None:
        """Send all rows in order."""
        assert self._socket is not None
        messages: list[bytes] = []
        for i, item in enumerate(items):
            dynamic = properties[i] if properties is not None else {}
            messages += (self._message(to_dict(row), dynamic) for row in (item if isinstance(item, list) else [item]))
        return self._socket.send(messages)

    async def close(self) -> None:
        """Disconnect, unless the connection is a shared one."""
        socket, self._socket = self._socket, None
        if socket is not None and not self._shared:
            await socket.close()

    def _message(self, row: Mapping[str, Any], dynamic: Mapping[str, Any]) -> bytes:
        options = self._options
        if options.raw:
            return row_json(row)
        names = dynamic.get("tags", options.tags) or list(row)
        return row_json(
            {
                "group_name": dynamic.get("groupName", options.group_name),
                "node_name": dynamic.get("nodeName", options.node_name),
                "tags": [{"tag_name": name, "value": row[name]} for name in names if name in row],
            }
        )
