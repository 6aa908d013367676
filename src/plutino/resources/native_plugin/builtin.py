"""Plugins of the original that are part of this engine: entries that name them need no package."""

from __future__ import annotations

import platform

from plutino.resources.native_plugin.content import NativeContent, Role
from plutino.spi import Environment

_BOTH = ("mqtt", "memory", "neuron", "file", "websocket", "redis", "kafka", "sql", "zmq", "edgex")
BUILT_IN = {
    Role.SOURCES: frozenset((*_BOTH, "httppull", "httppush", "simulator", "nexmark", "redisSub", "video", "random")),
    Role.SINKS: frozenset(
        (*_BOTH, "log", "logToMemory", "rest", "nop", "sse", "redisPub", "influx", "influx2", "image", "tdengine", "tdengine3")
    ),
    Role.FUNCTIONS: frozenset(("accumulateWordCount", "countPlusOne", "echo", "geohash", "image")),
}
"""By the names that the original gives them."""

_LISTED = {
    Role.SOURCES: ("kafka", "random", "sql", "video", "zmq"),
    Role.SINKS: ("image", "influx", "influx2", "kafka", "sql", "tdengine3", "zmq"),
    Role.FUNCTIONS: ("accumulateWordCount", "countPlusOne", "echo", "geohash", "image"),
}
"""What ``prebuild`` offers."""

_HOST = "https://packages.emqx.io"
_VERSION = "2.4.0"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


def is_listed(role: Role, name: str) -> bool:
    """Whether the original's plugin of this name is part of the engine."""
    return name in BUILT_IN[role]


def is_present(content: NativeContent, env: Environment) -> bool:
    """Whether the components of this installation have what a plugin would bring."""
    registry, name = env.registry, content.name
    match content.role:
        case Role.SOURCES:
            found = registry.connectors.get(name)
            return found is not None and (found.source is not None or found.lookup is not None)
        case Role.SINKS:
            found = registry.connectors.get(name)
            return found is not None and found.sink is not None
        case Role.FUNCTIONS:
            return all(symbol in registry.functions or symbol.lower() in registry.functions for symbol in content.symbols)


def prebuilt(role: Role) -> dict[str, str]:
    """Plugins that can be created by name, with the place where the original finds each: documents with them work on both sides."""
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    folder = f"{_HOST}/kuiper-plugins/{_VERSION}/debian/{role}"
    return {name: f"{folder}/{name}_{architecture}.zip" for name in _LISTED[role]}
