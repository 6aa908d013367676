"""The original's own plugins: entries that name one need no package, whether this engine does their work or only knows their names."""

from __future__ import annotations

import platform

from plutino.model import Ref
from plutino.resources.native_plugin.content import NativeContent, Role
from plutino.spi import Arg, DeclaredConnector, Environment, FunctionKind, FunctionSpec
from plutino.spi.package import NotExecuted

_BOTH = ("mqtt", "memory", "neuron", "file", "websocket", "redis", "sql")
_BUILT_IN = {
    Role.SOURCES: frozenset((*_BOTH, "httppull", "httppush", "simulator", "redisSub")),
    Role.SINKS: frozenset((*_BOTH, "log", "logToMemory", "rest", "nop", "sse", "redisPub")),
    Role.FUNCTIONS: frozenset[str](),
}
"""Those whose work this engine does, by the names that the original gives them."""

_SOURCES = {
    "edgex": "mqtt",
    "kafka": "mqtt or httppush",
    "nexmark": "simulator",
    "random": "simulator",
    "video": "httppull",
    "zmq": "mqtt or httppush",
}
_SINKS = {
    "edgex": "mqtt",
    "image": "file",
    "influx": "rest",
    "influx2": "rest",
    "kafka": "mqtt or rest",
    "tdengine": "rest",
    "tdengine3": "rest",
    "zmq": "mqtt or rest",
}
_STAND_INS = {Role.SOURCES: _SOURCES, Role.SINKS: _SINKS}
"""Sources and sinks that are known by name only, each with what comes closest to it here."""

_GEOHASH = tuple(f"geohash{what}{form}" for what in ("Encode", "Decode", "BoundingBox", "Neighbor", "Neighbors") for form in ("", "Int"))
_FUNCTIONS: dict[str, tuple[str, ...]] = {
    "accumulateWordCount": ("accumulateWordCount",),
    "countPlusOne": ("countPlusOne",),
    "echo": ("echo",),
    "geohash": _GEOHASH,
    "image": ("resize", "thumbnail"),
    "labelImage": ("labelImage",),
    "onnx": ("onnx",),
    "tfLite": ("tfLite",),
}
"""The functions of each function plugin, which are known by name only."""

_AGGREGATES = frozenset(("countPlusOne",))

_LISTED = {
    Role.SOURCES: ("kafka", "random", "sql", "video", "zmq"),
    Role.SINKS: ("image", "influx", "influx2", "kafka", "sql", "tdengine3", "zmq"),
    Role.FUNCTIONS: ("accumulateWordCount", "countPlusOne", "echo", "geohash", "image"),
}
"""What ``prebuild`` offers."""

_HOST = "https://packages.emqx.io"
_VERSION = "2.4.0"
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm"}


def listed(role: Role) -> frozenset[str]:
    """The original's own plugins of a role."""
    return _BUILT_IN[role] | (_FUNCTIONS if role is Role.FUNCTIONS else _STAND_INS[role]).keys()


def is_listed(role: Role, name: str) -> bool:
    """Whether a plugin of this name is one of the original's own."""
    return name in listed(role)


def stand_in_connectors(content: NativeContent, owner: Ref) -> tuple[DeclaredConnector, ...]:
    """The source or sink that an entry for one of the original's own plugins declares; none where this engine has it itself."""
    role, name = content.role, content.name
    if role is Role.FUNCTIONS or name not in _STAND_INS[role]:
        return ()
    todo = "read from" if role is Role.SOURCES else "remove the action or use"
    return (DeclaredConnector(role.one, name, _missing(role, name, owner, f"{todo} {_STAND_INS[role][name]}")),)


def stand_in_functions(content: NativeContent, owner: Ref) -> tuple[FunctionSpec, ...]:
    """The functions that an entry for one of the original's own plugins declares: those that it has there, and those that the entry names.

    Only their Go library knows what they take, so that any arguments are accepted.
    """
    if content.role is not Role.FUNCTIONS or content.name not in _FUNCTIONS:
        return ()
    names = dict.fromkeys((*_FUNCTIONS[content.name], *content.request.functions))
    return tuple(_stand_in(name, owner) for name in names)


def _stand_in(name: str, owner: Ref) -> FunctionSpec:
    text = _missing(Role.FUNCTIONS, name, owner, "take it out of the rule")
    return FunctionSpec(
        name,
        NotExecuted(text, ""),
        "Function of one of eKuiper's own plugins",
        args=(Arg("value"),),
        optional=1,
        variadic=True,
        kind=FunctionKind.AGGREGATE if name in _AGGREGATES else FunctionKind.SCALAR,
        pure=False,
        unavailable=text,
    )


def _missing(role: Role, name: str, owner: Ref, todo: str) -> str:
    """Why a rule that uses a part of a Go plugin does not run, and what can be done."""
    group = "functions" if role is Role.FUNCTIONS else "connectors"
    return (
        f"{role.one} {name}: declared by the native plugin {owner.name}, whose Go library does not run here; "
        f"{todo}, or install a Python package that brings it (entry point plutino.{group})"
    )


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
