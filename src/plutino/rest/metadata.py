"""What there is to build with: connectors, functions and operators, as editors and forms ask for it (rest reference §1.9)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from plutino.errors import ConfigKeyError, PlutinoError
from plutino.model import Ref
from plutino.rest.descriptions import (
    BUILT_IN,
    CONNECTION,
    SINK,
    SOURCE,
    Role,
    about,
    describe_connector,
    describe_declared,
    describe_functions,
    has_role,
)
from plutino.spi import Action, Answer, Call, Connecting, ConnectorSpec, DeclaredConnector, Environment, FunctionSpec, ResourceSpec
from plutino.spi.wire import json_answer

_TAGS = ("catalogue",)
_LIST, _OBJECT = {"type": "array", "items": {"type": "object"}}, {"type": "object"}
_NOT_FOUND = {"en_US": "This plugin was not found:", "zh_CN": "没有找到这个插件："}  # noqa: RUF001 - as it is written
_DEFAULT_LANGUAGE = "en_US"
_LOOKUP = "lookup"


class Metadata:
    """Describes the components of the registry, and those that stored objects of ``kinds`` bring."""

    def __init__(self, kinds: Mapping[str, ResourceSpec]) -> None:
        self._kinds = {name: spec for name, spec in kinds.items() if isinstance(spec, Connecting)}

    @property
    def actions(self) -> Sequence[Action]:
        kind = {"kind": "lookup: only what lookup tables can be made of"}
        found = [
            Action("GET", "/metadata/functions", self._functions, "SQL functions", reply=_LIST, tags=_TAGS),
            Action("GET", "/metadata/operators", self._operators, "Operators of graph rules", reply=_LIST, tags=_TAGS),
        ]
        for role, query in ((SOURCE, kind), (SINK, {}), (CONNECTION, {})):
            word = role.word
            listed, one = partial(self._list, role), partial(self._describe, role)
            found.append(Action("GET", f"/metadata/{word}", listed, f"Types of {word}", reply=_LIST, tags=_TAGS, query=query))
            found.append(Action("GET", f"/metadata/{word}/{{type}}", one, f"One of the types of {word}", reply=_OBJECT, tags=_TAGS))
        return tuple(found)

    async def _list(self, role: Role, call: Call) -> Answer:
        env, lookups = call.control.environment, role == SOURCE and call.query.get("kind", "").lower() == _LOOKUP
        shown: dict[str, dict[str, Any]] = {}
        if not lookups:
            for type_, declared in self._declared(role, env):
                shown[declared.name] = {"name": declared.name, "about": _about(declared), "type": type_}
        for name, spec in env.registry.connectors.items():
            if _is_listed(spec, role, lookups=lookups):
                entry = {"name": name, "about": about(spec.about, author="Plutino")}
                shown[name] = entry if role == CONNECTION else {**entry, "type": BUILT_IN}
        return json_answer([shown[name] for name in sorted(shown)])

    async def _describe(self, role: Role, call: Call) -> Answer:
        name, env = call.params["type"], call.control.environment
        spec = env.registry.connectors.get(name)
        if spec is not None and has_role(spec, role):
            return json_answer(describe_connector(spec, role))
        for type_, declared in self._declared(role, env):
            if declared.name == name:
                return json_answer(describe_declared(name, role, type_, installed=not declared.unavailable))
        language = call.headers.get("content-language", _DEFAULT_LANGUAGE).replace("-", "_")
        text = _NOT_FOUND.get(language, _NOT_FOUND[_DEFAULT_LANGUAGE]) + name
        raise PlutinoError(text) if role == CONNECTION else ConfigKeyError(text)

    async def _functions(self, call: Call) -> Answer:
        env = call.control.environment
        shown = [describe_functions("internal", "Built-in functions", env.registry.functions)]
        brought: dict[Ref, dict[str, FunctionSpec]] = {}
        for name in env.functions():
            found = env.function(name)
            if found is not None:
                brought.setdefault(found.owner, {})[name] = found.spec
        for owner in sorted(brought, key=str):
            shown.append(describe_functions(owner.name, f"Functions of {owner}", brought[owner]))
        return json_answer(shown)

    async def _operators(self, call: Call) -> Answer:
        """Rules are statements here, so there are no operators to draw."""
        return json_answer([])

    def _declared(self, role: Role, env: Environment) -> Iterator[tuple[str, DeclaredConnector]]:
        """Connectors of stored objects with the word for how they came."""
        for kind, spec in self._kinds.items():
            for name in env.names(kind) if role != CONNECTION else ():
                definition = env.get(Ref(kind, name))
                if definition is None or definition.content is None:
                    continue
                for declared in spec.connectors(definition):
                    if declared.role == role.category:
                        yield kind.removesuffix("_plugin"), declared


def _is_listed(spec: ConnectorSpec, role: Role, *, lookups: bool) -> bool:
    """As ``has_role``, where sources of streams and of lookup tables are listed apart."""
    if role == SOURCE:
        return (spec.lookup if lookups else spec.source) is not None
    return has_role(spec, role)


def _about(declared: DeclaredConnector) -> dict[str, Any]:
    return about("", installed=not declared.unavailable)
