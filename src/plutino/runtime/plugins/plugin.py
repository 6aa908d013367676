"""One plugin: its process kept alive, and what it was told to start."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from plutino.errors import EvaluationError, PlutinoError, TransportError
from plutino.runtime.backoff import Backoff
from plutino.runtime.facilities import Facilities, settle
from plutino.runtime.plugins.packages import (
    end_orphan,
    forget_process,
    known_aggregates,
    remember_aggregates,
    remember_process,
    removed,
    unpacked,
)
from plutino.runtime.plugins.process import PluginProcess, command_of
from plutino.runtime.plugins.sockets import CommandSocket
from plutino.spi.plugin import PluginPackage, PluginSettings, PluginStatus

INITIALIZING, RUNNING, ERROR, STOPPED = "initializing", "running", "error", "stop"
OK = b"ok"
START_SECONDS = 60.0
"""How long a plugin may take to start one of its symbols."""

STOP_SECONDS = 2.0
"""How long it may take to stop one."""

GIVEN_UP = 5
"""After so many ends in a row a plugin is left alone until somebody needs it."""

STEADY_SECONDS = 10.0
"""A process that ran so long did well: its end is the first one again."""

T = TypeVar("T")


class Symbol(Struct, frozen=True):
    """Something that a plugin was told to start: ``kind`` is ``source``, ``sink`` or ``func``."""

    kind: str
    name: str
    rule: str = ""
    place: str = ""
    config: str = ""
    """JSON of its properties; empty for functions."""
    datasource: str = ""

    @property
    def address(self) -> str:
        """The name of its sockets."""
        return f"{self.rule}_{self.place}_0"

    def control(self, command: str) -> bytes:
        """The command that starts or stops it."""
        meta = {"ruleId": self.rule, "opId": self.place, "instanceId": 0}
        told: dict[str, Any] = {"symbolName": self.name, "meta": meta, "pluginType": self.kind}
        if self.kind != "func":
            # the SDK for Python looks for another spelling than the protocol says
            told |= {"dataSource": self.datasource, "datasource": self.datasource, "config": msgspec.json.decode(self.config)}
        return msgspec.json.encode({"cmd": command, "arg": msgspec.json.encode(told).decode()})


class Plugin:
    """A plugin as long as it is installed.

    ``running`` is set while its process serves, ``tried`` once the first attempt has succeeded or failed. ``aggregates``: which of its
    functions are aggregates, as far as it has said so, also when it ran before.
    """

    def __init__(self, package: PluginPackage, root: Path, settings: PluginSettings, facilities: Facilities) -> None:
        self.package = package
        self.running = asyncio.Event()
        self.tried = asyncio.Event()
        self.aggregates = known_aggregates(package.name, package.digest, root)
        self._root = root
        self._settings = settings
        self._facilities = facilities
        self._status = INITIALIZING
        self._error = ""
        self._process: PluginProcess | None = None
        self._control = CommandSocket(f"plugin_{package.name}", self._is_own)
        self._functions: dict[str, CommandSocket] = {}
        self._symbols: dict[Symbol, None] = {}
        """Sources and sinks that its process was told to start."""
        self._needed = asyncio.Event()
        self._keeping = facilities.spawn(self._keep())

    @property
    def status(self) -> PluginStatus:
        """What is shown of it."""
        users: dict[str, int] = {}
        for symbol in self._symbols:
            users[symbol.rule] = users.get(symbol.rule, 0) + 1
        return PluginStatus(self._status, self._error, users)

    async def close(self) -> None:
        """End its process."""
        self._keeping.cancel()
        await settle(self._keeping)
        self._status, self._error = STOPPED, ""

    async def remove(self) -> None:
        """End its process, and take away what was unpacked."""
        await self.close()
        await asyncio.to_thread(removed, self.package.name, self._root)

    # -- what rules ask

    async def call(self, symbol: str, request: bytes) -> bytes:
        """The answer of a function; EvaluationError when it does not come."""
        name = self.package.name
        await self._ready(EvaluationError)
        channel = self._functions.get(symbol)
        if channel is None:
            raise EvaluationError(f"function {symbol} is not found in plugin {name}")
        try:
            return await channel.command(request, self._settings.recv_timeout_ms / 1000)
        except TimeoutError:
            raise EvaluationError(f"time out, plugin {name} status {self._status}, message: {self._error}") from None
        except TransportError as error:
            raise EvaluationError(f"plugin {name} is not running successfully, please make sure it is valid: {error.message}") from None

    async def start(self, symbol: Symbol) -> None:
        """Start a source or sink; TransportError when that fails. When the process dies, who started it starts it again."""
        await self._ready(TransportError)
        await self._tell(symbol, "start", START_SECONDS)
        self._symbols[symbol] = None

    async def stop(self, symbol: Symbol) -> None:
        """Stop a source or sink; whether it hears that does not matter any more."""
        known = symbol in self._symbols
        self._symbols.pop(symbol, None)
        if known and self.running.is_set():
            try:
                await self._tell(symbol, "stop", STOP_SECONDS)
            except TransportError as error:
                self._facilities.log.warning("plugin did not stop a symbol", plugin=self.package.name, error=error.message)

    async def died(self) -> None:
        """Return when the process that serves now has ended."""
        process = self._process
        if process is not None:
            await process.ended()

    def is_own(self, pid: int) -> bool:
        """Whether a process is that of the plugin."""
        return self._is_own(pid)

    @property
    def pid(self) -> int:
        """The process that serves now, 0 for none."""
        return self._process.pid if self._process is not None else 0

    @property
    def send_timeout_s(self) -> float:
        """How long it may take to take something."""
        return self._settings.send_timeout_ms / 1000

    async def while_alive(self, asking: Awaitable[T], patience_s: float) -> T:
        """The result of a question; TimeoutError when it takes too long, TransportError as soon as the process dies."""
        async with asyncio.timeout(patience_s):
            return await self._while_alive(asking)

    # -- inside

    def _is_own(self, pid: int) -> bool:
        return self._process is not None and self._process.is_own(pid)

    async def _ready(self, failure: type[PlutinoError]) -> None:
        """Wait a moment for a process that is being started."""
        if self.running.is_set():
            return
        self._needed.set()
        try:
            async with asyncio.timeout(self._settings.send_timeout_ms / 1000):
                await self.running.wait()
        except TimeoutError:
            text = f"plugin {self.package.name} is not running successfully, please make sure it is valid"
            raise failure(f"{text}: {self._error}" if self._error else text) from None

    async def _tell(self, symbol: Symbol, command: str, patience_s: float) -> None:
        try:
            answer = await self._while_alive(self._control.command(symbol.control(command), patience_s))
        except TimeoutError:
            raise TransportError(f"plugin {self.package.name}: no answer to {command} {symbol.name} in {patience_s:g} s") from None
        if answer != OK:
            raise TransportError(f"receive error: {answer.decode('utf-8', 'replace')[:500]}")

    async def _while_alive(self, asking: Awaitable[T]) -> T:
        """The result of a question; TransportError as soon as the process dies."""
        question = asyncio.ensure_future(asking)
        death = asyncio.ensure_future(self.died())
        try:
            await asyncio.wait((question, death), return_when=asyncio.FIRST_COMPLETED)
            if question.done():
                return question.result()
            raise TransportError(f"plugin {self.package.name} is not running successfully, please make sure it is valid")
        finally:
            for each in (question, death):
                each.cancel()
            await asyncio.gather(question, death, return_exceptions=True)

    async def _keep(self) -> None:
        """Run the process again and again, until this task is cancelled."""
        backoff, failures = Backoff(self._facilities.random, first=200, limit=30_000), 0
        time = asyncio.get_running_loop().time
        try:
            while True:
                failures += 1
                began = time()
                try:
                    await self._start()
                    self._failed(f"the process ended with {await self._serve()}")
                except PlutinoError as error:
                    self._failed(error.message)
                except OSError as error:
                    self._failed((error.strerror or str(error)).lower())
                if time() - began > STEADY_SECONDS:
                    backoff.reset()
                    failures = 0
                await self._end()
                self._needed.clear()
                if failures >= GIVEN_UP:
                    await self._needed.wait()
                await self._facilities.clock.sleep(backoff.delay())
                self._status = INITIALIZING
        finally:
            await self._end()

    def _failed(self, text: str) -> None:
        self._status, self._error = ERROR, text
        self._facilities.log.warning("plugin is not running", plugin=self.package.name, error=text)
        self.tried.set()

    async def _start(self) -> None:
        """Start the process, and wait for its handshake; PlutinoError when that fails."""
        package, name = self.package, self.package.name
        program = await asyncio.to_thread(unpacked, package, self._root, os.environ)
        await asyncio.to_thread(end_orphan, name, program, self._root)
        await self._control.open()
        command = command_of(package, program, self._settings.python)
        self._process = await PluginProcess.start(name, command, program.parent, os.environ, self._facilities.log)
        remember_process(name, self._root, self._process.pid)
        try:
            async with asyncio.timeout(self._settings.init_timeout_ms / 1000):
                await self._while_alive(self._control.wait_ready())
        except TimeoutError:
            raise TransportError("control handshake error: receive time out") from None
        except TransportError:
            code = await self._process.ended()
            raise TransportError(f"control handshake error: the process ended with {code}") from None

    async def _serve(self) -> int:
        """Start all functions; gives the exit code of the process once it has ended."""
        assert self._process is not None
        found = [symbol for symbol in self.package.functions if await self._start_function(symbol)]
        if tuple(found) != self.aggregates:
            self.aggregates = tuple(found)
            await asyncio.to_thread(remember_aggregates, self.package, self.aggregates, self._root)
        self._status, self._error = RUNNING, ""
        self.running.set()
        self.tried.set()
        return await self._process.ended()

    async def _start_function(self, name: str) -> bool:
        """Start a function; whether it is an aggregate."""
        channel = CommandSocket(f"func_{name}", self._is_own)
        await channel.open()
        self._functions[name] = channel
        await self._tell(Symbol("func", name), "start", START_SECONDS)
        request = msgspec.json.encode({"func": "IsAggregate", "arg": None})
        try:
            answer = await self._while_alive(channel.command(request, self._settings.recv_timeout_ms / 1000))
            return msgspec.json.decode(answer).get("result") is True
        except (TimeoutError, msgspec.DecodeError, AttributeError):
            self._facilities.log.warning("plugin does not say whether a function is an aggregate", plugin=self.package.name, function=name)
            return name in self.aggregates

    async def _end(self) -> None:
        """End the process, and take its sockets away."""
        self.running.clear()
        self._symbols.clear()
        process, self._process = self._process, None
        if process is not None:
            await process.end()
            forget_process(self.package.name, self._root)
        self._control.close()
        for channel in self._functions.values():
            channel.close()
        self._functions.clear()


def request_of(rule: str, args: Sequence[Any]) -> bytes:
    """A call of a function as it is sent: the arguments, and for which rule."""
    context = msgspec.json.encode({"ruleId": rule, "opId": "project", "instanceId": 0, "funcId": 0}).decode()
    return msgspec.json.encode({"func": "Exec", "arg": [*map(_shown, args), context]})


def result_of(answer: bytes) -> Any:
    """The value in an answer; EvaluationError where it tells of an error, or is none."""
    try:
        found = msgspec.json.decode(answer)
        state, result = found["state"], found.get("result")
    except (msgspec.DecodeError, AttributeError, TypeError, KeyError):
        raise EvaluationError(f"answer {answer[:200].decode('utf-8', 'replace')}; an object with state and result is expected") from None
    if state is True:
        return as_dialect(result)
    if result is None:
        return None
    raise EvaluationError(result if isinstance(result, str) else msgspec.json.encode(result).decode())


def _shown(value: Any) -> Any:
    """An argument as JSON has it: whole floats without a fraction, what JSON cannot hold as null."""
    match value:
        case float():
            if value != value or value in (float("inf"), float("-inf")):
                return None
            return int(value) if value.is_integer() and abs(value) < 1e15 else value
        case list():
            return [_shown(member) for member in value]
        case dict():
            return {key: _shown(member) for key, member in value.items()}
        case _:
            return value


def as_dialect(value: Any) -> Any:
    """Numbers of JSON are floats of the dialect, where a float holds them."""
    match value:
        case bool():
            return value
        case int():
            return float(value) if abs(value) <= 2**53 else value
        case list():
            return [as_dialect(member) for member in value]
        case dict():
            return {key: as_dialect(member) for key, member in value.items()}
        case _:
            return value
