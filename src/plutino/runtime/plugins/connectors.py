"""Sources and sinks that plugins bring, as connectors of the engine (rest reference §5.3)."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any

import msgspec
from msgspec import Struct, field

from plutino.errors import PlutinoError, TransportError
from plutino.runtime.plugins.plugin import Plugin, Symbol, as_dialect
from plutino.runtime.plugins.sockets import GREETING_SECONDS, Listener, clear, peer_of, socket_path
from plutino.spi import ConnectorSpec, Delivery, Inlet, SinkContext, SinkSpec, SourceContext, SourceSpec
from plutino.spi.options import Opt
from plutino.spi.scalability import Protocol, framed, greet

ACK_SECONDS = 30.0
"""How long a sink that acknowledges may take for one message."""

DIAL_ATTEMPTS = 20
DIAL_PAUSE_SECONDS = 0.05

Find = Callable[[str, str], Plugin]
"""The plugin that brings a ``source`` or ``sink`` of a name now; TransportError while there is none."""


class SymbolOptions(Struct, frozen=True, rename="camel"):
    """What a plugin gets to see: every property as it was written. ``interval`` is its own business."""

    properties: Annotated[Mapping[str, Any], Opt("Everything that is configured", whole=True)] = field(default_factory=dict)
    interval: Annotated[Any, Opt("What the plugin makes of it")] = None


class Components(Mapping[str, ConnectorSpec]):
    """The connectors of a process, and what plugins bring; where both have a role under one name, that of the process counts."""

    def __init__(self, base: Mapping[str, ConnectorSpec]) -> None:
        self._base = base
        self.brought: dict[str, ConnectorSpec] = {}

    def __getitem__(self, name: str) -> ConnectorSpec:
        own, brought = self._base.get(name), self.brought.get(name)
        if own is None or brought is None:
            found = own or brought
            if found is None:
                raise KeyError(name)
            return found
        return replace(own, source=own.source or brought.source, sink=own.sink or brought.sink)

    def __iter__(self) -> Iterator[str]:
        yield from self._base
        yield from (name for name in self.brought if name not in self._base)

    def __len__(self) -> int:
        return sum(1 for _ in self)


def specs_of(plugins: Sequence[Plugin], find: Find) -> dict[str, ConnectorSpec]:
    """What these plugins bring, by type."""
    found: dict[str, ConnectorSpec] = {}
    for plugin in plugins:
        about = f"Of the portable plugin {plugin.package.name}"
        for name in plugin.package.sources:
            source = SourceSpec(SymbolOptions, partial(PluginSource, find, name), delivers="rows", replays=True)
            found[name] = replace(found.get(name) or ConnectorSpec(name, about), source=source)
        for name in plugin.package.sinks:
            sink = SinkSpec(SymbolOptions, partial(PluginSink, find, name))
            found[name] = replace(found.get(name) or ConnectorSpec(name, about), sink=sink)
    return found


class PluginSource:
    """Rows that a plugin sends. What it cannot get rid of waits in the plugin."""

    def __init__(self, find: Find, symbol: str, options: SymbolOptions, datasource: str, context: SourceContext) -> None:
        self._find = find
        rule = context.rule or f"$$subtopo_{context.stream}"
        config = msgspec.json.encode({**options.properties, "datasource": datasource}).decode()
        self._symbol = Symbol("source", symbol, _part(rule), _part(context.stream), config, datasource)

    async def run(self, inlet: Inlet, resume: Any) -> None:
        """Receive until cancelled, or until the process ends."""
        plugin = self._find("source", self._symbol.name)

        async def take(_: asyncio.StreamWriter, message: bytes) -> None:
            try:
                delivery = delivered(message)
            except PlutinoError as error:
                inlet.failed(error.message)
            else:
                await inlet.put(delivery)

        listener = Listener(self._symbol.address, Protocol.PULL, plugin.is_own, take)
        await listener.open()
        try:
            await plugin.start(self._symbol)
            inlet.connected()
            await plugin.died()
            raise TransportError(f"plugin {plugin.package.name}: the process has ended")
        finally:
            listener.close()
            await plugin.stop(self._symbol)


class PluginSink:
    """Sends messages to a plugin; with ``requireAck`` each counts as delivered when the plugin says so."""

    def __init__(self, find: Find, symbol: str, options: SymbolOptions, context: SinkContext) -> None:
        self._find = find
        self._acknowledges = _property(options.properties, "requireAck") is True
        config = msgspec.json.encode(options.properties).decode()
        self._symbol = Symbol("sink", symbol, _part(context.rule), _part(context.action), config)
        self._plugin: Plugin | None = None
        self._listener: Listener | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._acks: asyncio.Queue[bytes] = asyncio.Queue()
        self._pid = 0

    async def open(self) -> None:
        """Let the plugin start it, and connect."""
        await self.close()
        plugin = self._plugin = self._find("sink", self._symbol.name)
        acks = self._acks = asyncio.Queue[bytes]()

        async def take(_: asyncio.StreamWriter, message: bytes) -> None:
            acks.put_nowait(message)

        listener = self._listener = Listener(f"{self._symbol.address}_ack", Protocol.PULL, plugin.is_own, take)
        try:
            await listener.open()
            clear(socket_path(self._symbol.address))
            await plugin.start(self._symbol)
            self._pid = plugin.pid
            self._writer = await _dialled(self._symbol.address, plugin)
        except PlutinoError:
            await self.close()
            raise

    async def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> None:
        """Send in order; where another process has taken the place of the plugin's, connect to that first."""
        if self._plugin is None or self._pid != self._plugin.pid:
            await self.open()
        plugin, writer = self._plugin, self._writer
        if plugin is None or writer is None:
            raise TransportError(f"sink {self._symbol.name}: not connected to its plugin")
        for done, item in enumerate(items):
            try:
                writer.write(framed(item, local=True))
                await plugin.while_alive(writer.drain(), plugin.send_timeout_s)
                if self._acknowledges:
                    _check_ack(await plugin.while_alive(self._acks.get(), ACK_SECONDS))
            except TimeoutError:
                raise TransportError(f"sink {self._symbol.name}: the plugin takes no messages in time", delivered=done) from None
            except OSError as error:
                raise TransportError(f"sink {self._symbol.name}: {error}", delivered=done) from error
            except TransportError as error:
                raise TransportError(error.message, delivered=done) from error

    async def close(self) -> None:
        """Hang up, and let the plugin stop it."""
        plugin, self._plugin = self._plugin, None
        writer, self._writer = self._writer, None
        listener, self._listener = self._listener, None
        if writer is not None:
            writer.close()
        if listener is not None:
            listener.close()
        if plugin is not None:
            await plugin.stop(self._symbol)
            with contextlib.suppress(PlutinoError):  # it may still be about to leave
                clear(socket_path(self._symbol.address))


def delivered(frame: bytes) -> Delivery:
    """The row in what a source has sent; PlutinoError for what is none, or tells of an error."""
    try:
        found = msgspec.json.decode(frame)
    except msgspec.DecodeError as error:
        shown = frame[:200].decode("utf-8", "replace")
        raise PlutinoError(f"Invalid data format, cannot decode {shown} to json format with error {error}") from None
    message, meta = (found.get("message"), found.get("meta")) if isinstance(found, dict) else (None, None)
    if not isinstance(message, dict):
        told = found.get("error") if isinstance(found, dict) else None
        if isinstance(told, str):
            raise PlutinoError(told)
        shown = frame[:200].decode("utf-8", "replace")
        raise PlutinoError(f"Invalid data format, cannot use {shown}; an object with the object message is expected")
    return Delivery(rows=[as_dialect(message)], meta=meta if isinstance(meta, dict) else None)


def _check_ack(ack: bytes) -> None:
    """TransportError for a message that the plugin refuses."""
    try:
        found = msgspec.json.decode(ack)
    except msgspec.DecodeError:
        raise TransportError(f"acknowledged with {ack[:200].decode('utf-8', 'replace')}; an object is expected") from None
    error = found.get("error") if isinstance(found, dict) else None
    if error:
        raise TransportError(str(error))


async def _dialled(address: str, plugin: Plugin) -> asyncio.StreamWriter:
    """A connection to the socket that a sink listens on."""
    path = socket_path(address)
    for attempt in range(DIAL_ATTEMPTS):
        try:
            reader, writer = await asyncio.open_unix_connection(path)
            break
        except (FileNotFoundError, ConnectionRefusedError) as error:
            if attempt == DIAL_ATTEMPTS - 1:
                raise TransportError(f"socket {path}: {(error.strerror or str(error)).lower()}") from error
            await asyncio.sleep(DIAL_PAUSE_SECONDS)
        except OSError as error:
            raise TransportError(f"socket {path}: {(error.strerror or str(error)).lower()}") from error
    try:
        if not plugin.is_own(peer_of(writer)):
            raise TransportError(f"socket {path}: another program listens on it")
        os.chmod(path, 0o600)
        async with asyncio.timeout(GREETING_SECONDS):
            await greet(reader, writer, Protocol.PUSH)
    except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
        writer.close()
        raise TransportError(f"socket {path}: {error or 'no greeting'}") from error
    except TransportError:
        writer.close()
        raise
    return writer


def _part(name: str) -> str:
    """A name as a part of the name of a file."""
    return name.replace("/", "_")


def _property(properties: Mapping[str, Any], name: str) -> Any:
    return next((value for key, value in properties.items() if key.lower() == name.lower()), None)
