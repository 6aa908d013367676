"""All plugins of an engine, and the threads on which rules wait for them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from plutino.errors import EvaluationError, PlutinoError, TransportError
from plutino.runtime.facilities import Facilities
from plutino.runtime.plugins.connectors import Components, specs_of
from plutino.runtime.plugins.packages import known_aggregates
from plutino.runtime.plugins.plugin import STOPPED, Plugin, request_of, result_of
from plutino.spi.plugin import PluginPackage, PluginSettings, PluginStatus

FOLDER = ("plugins", "portable")
"""Where packages are unpacked, in the data directory."""

THREADS = 32
"""Rules that wait for plugins at the same time; more wait for each other."""

PATIENCE_SECONDS = 3.0
"""How long a changeset waits for its plugins to start, all together, before it goes on."""

REST_SECONDS = 5.0
"""After this time without a new plugin the next one is waited for again."""

LEAST_SECONDS = 0.01

NOT_ALLOWED = "this server does not run plugins; start it without --no-plugins"


class Plugins:
    """Plugins by name; at most one process each."""

    def __init__(self, facilities: Facilities, settings: PluginSettings, components: Components) -> None:
        """``components`` are told which sources and sinks there are."""
        self._facilities = facilities
        self._components = components
        self._settings = settings
        self._root = Path(facilities.data_dir, *FOLDER)
        self._plugins: dict[str, Plugin] = {}
        self._refused: set[str] = set()
        self._threads: ThreadPoolExecutor | None = None
        self._patience = 0.0
        self._waited_at = -REST_SECONDS
        self.on_learned: Callable[[str], None] = lambda name: None
        """Told that a plugin has said something new about which of its functions are aggregates."""

    @property
    def threads(self) -> ThreadPoolExecutor:
        """Where programs run that wait for plugins."""
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, "rule")
        return self._threads

    async def install(self, package: PluginPackage) -> None:
        """Run a plugin in the place of an earlier one; an equal one is left alone. What goes wrong shows in its status."""
        if not self._settings.allowed:
            self._refused.add(package.name)
            return
        old = self._plugins.get(package.name)
        if old is not None:
            if old.package == package:
                return
            await old.close()
        try:
            plugin = Plugin(package, self._root, self._settings, self._facilities)
        except PlutinoError as error:
            self._plugins.pop(package.name, None)
            self._facilities.log.error("plugin cannot run", plugin=package.name, error=error.message)
            return
        self._plugins[package.name] = plugin
        self._components.brought = specs_of(tuple(self._plugins.values()), self._bringing)
        self._facilities.spawn(self._learn(plugin))
        await self._wait_for(plugin)

    async def remove(self, name: str) -> None:
        """End a plugin and take its files away; unknown ones are ignored."""
        self._refused.discard(name)
        plugin = self._plugins.pop(name, None)
        if plugin is not None:
            self._components.brought = specs_of(tuple(self._plugins.values()), self._bringing)
            await plugin.remove()

    def status(self, name: str) -> PluginStatus | None:
        """How a plugin is, None for an unknown one."""
        if name in self._refused:
            return PluginStatus(STOPPED, NOT_ALLOWED)
        plugin = self._plugins.get(name)
        return None if plugin is None else plugin.status

    def aggregates(self, name: str, digest: str) -> tuple[str, ...]:
        """Which functions of a package are aggregates, as far as it has said so."""
        plugin = self._plugins.get(name)
        if plugin is not None and plugin.package.digest == digest:
            return plugin.aggregates
        return known_aggregates(name, digest, self._root)

    async def call(self, rule: str, name: str, symbol: str, args: Sequence[Any]) -> Any:
        """The result of a function for a rule; EvaluationError when there is none."""
        plugin = self._plugins.get(name)
        if plugin is None:
            raise EvaluationError(f"plugin {name}: {NOT_ALLOWED}" if name in self._refused else f"plugin {name} is not found")
        return result_of(await plugin.call(symbol, request_of(rule, args)))

    async def close(self) -> None:
        """End all processes."""
        plugins = tuple(self._plugins.values())
        self._plugins.clear()
        await asyncio.gather(*(plugin.close() for plugin in plugins))
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)

    def _bringing(self, role: str, symbol: str) -> Plugin:
        """The plugin that brings a source or sink now; TransportError when it is not there any more."""
        for plugin in self._plugins.values():
            if symbol in (plugin.package.sources if role == "source" else plugin.package.sinks):
                return plugin
        raise TransportError(f"{role} {symbol}: no plugin brings it")

    async def _learn(self, plugin: Plugin) -> None:
        known = plugin.aggregates
        await plugin.running.wait()
        if self._plugins.get(plugin.package.name) is plugin and plugin.aggregates != known:
            self.on_learned(plugin.package.name)

    async def _wait_for(self, plugin: Plugin) -> None:
        time = asyncio.get_running_loop().time
        began = time()
        if began - self._waited_at >= REST_SECONDS:
            self._patience = PATIENCE_SECONDS
        waiting = self._facilities.spawn(_wait(plugin.tried))
        try:
            await asyncio.wait((waiting,), timeout=max(self._patience, LEAST_SECONDS))
        finally:
            waiting.cancel()
        self._waited_at = time()
        self._patience -= self._waited_at - began


class RuleCaller:
    """Carries out the calls of one rule from its thread (``spi.outside.Caller``)."""

    def __init__(self, rule: str, plugins: Plugins) -> None:
        self._rule = rule
        self._plugins = plugins
        self._loop = asyncio.get_running_loop()

    def call(self, plugin: str, symbol: str, args: Sequence[Any]) -> Any:
        """Ask on the event loop, and wait here."""
        asking = self._plugins.call(self._rule, plugin, symbol, args)
        try:
            return asyncio.run_coroutine_threadsafe(asking, self._loop).result()
        except CancelledError:
            raise EvaluationError(f"plugin {plugin}: the engine stops") from None
        except RuntimeError as error:  # the loop is closed
            asking.close()
            raise EvaluationError(f"plugin {plugin}: {error}") from None


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
