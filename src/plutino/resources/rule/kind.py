"""The kind ``rule``: how a document becomes a deployment."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any

from msgspec import Struct

from plutino.compiler import CompiledRule, compile_plan
from plutino.errors import ConflictError, PlutinoError, SqlSyntaxError
from plutino.model import Definition, Ref
from plutino.planner import Plan, plan_rule
from plutino.planner.graph import nodes_of, prop, source_ref
from plutino.resources.rule.advice import statement_advice, unavailable_advice
from plutino.resources.rule.body import INVALID, check_options, field_advice, options_of, read, select_of, sql_fault, validate
from plutino.resources.rule.calls import called_functions, plugins_of
from plutino.resources.rule.compiling import Compiled
from plutino.resources.rule.drawn import SINK, SOURCE, called_in, draw, drawing_text, nodes_in, plan_graph, source_uses
from plutino.resources.rule.endpoints import endpoints
from plutino.resources.rule.faults import property_faults, sink_faults, tried, unless_said
from plutino.resources.rule.outlook import Version, memory_topics, stop_effect, swap_effect, version_of
from plutino.resources.rule.properties import sink_refs
from plutino.resources.rule.provision import Provision, stream_named, waiting_format
from plutino.resources.rule.tracing import tracing_endpoints
from plutino.resources.rule.trial import trial_endpoints
from plutino.runtime.intake import FeedOptions
from plutino.runtime.sink_options import SinkOptions
from plutino.spi import Action, Deployment, Environment, FeedRequest, FunctionSpec, Host, LookupRequest, Mode, RuleOptions, SinkRequest
from plutino.spi.effects import Effect
from plutino.spi.gojson import decode
from plutino.spi.json_text import Path
from plutino.spi.layers import SELECTOR, brought_connector
from plutino.spi.linting import CODES, DOUBTFUL, Advice, format_models, property_advice
from plutino.spi.options import secret_paths
from plutino.spi.wire import with_prefix
from plutino.sql import sources_of

_REPLACING = (Mode.UPDATE, Mode.PARTIAL)


_ACTIVE = ("running", "starting", "stopped: waiting for next schedule.")
_FAILED = "stopped by error"
_MEMORY = "memory"
_OTHERS = ("resourceId", SELECTOR)
"""Properties of sinks that mean something whatever their type."""


class Ingredients(Struct, frozen=True, gc=False):
    """What a deployment was made of. Equal ones do the same, so that a change of name or tags leaves the rule alone.

    ``functions`` are those of stored objects: another script, another rule.
    """

    text: str
    """The statement, or the graph."""
    feeds: tuple[FeedRequest, ...]
    sinks: tuple[SinkRequest, ...]
    options: RuleOptions
    functions: tuple[FunctionSpec, ...] = ()
    tables: tuple[LookupRequest, ...] = ()


class Prepared(Struct, frozen=True):
    """A checked rule: what the engine gets, and the output columns. ``obstacle`` says why it cannot run here although nothing is wrong."""

    deployment: Deployment
    made_of: Ingredients
    columns: tuple[str, ...]
    obstacle: str = ""


class RuleKind:
    """Spec of ``rule``. A definition's content is the document as a dict, known fields under their own names."""

    kind = "rule"
    section = "rules"

    def __init__(self) -> None:
        self._provision = Provision()
        self._deployed: dict[str, Ingredients] = {}
        self._columns: dict[str, tuple[str, ...]] = {}
        self._sources: dict[str, tuple[str, tuple[str, ...]]] = {}
        self._obstacles: dict[str, str] = {}
        self._versions: dict[str, Version] = {}
        self._compiled = Compiled()

    @property
    def actions(self) -> Sequence[Action]:
        return (*endpoints(self), *tracing_endpoints(), *trial_endpoints(self._provision))

    def parse(self, ref: Ref, text: str) -> Definition:
        """Refuses a document that is wrong by itself (``Invalid rule json: …``). The statement is looked at by ``check``."""
        try:
            content = read(text)
            validate(content, ref.name)
        except PlutinoError as error:
            with_prefix(error, INVALID)
            raise
        if content.get("triggered") is True:
            del content["triggered"]  # a rule that says nothing about it means the same
        return Definition(ref, text, content, temporary=content.get("temp", False))

    def depends_on(self, definition: Definition, env: Environment) -> Iterable[Ref]:
        """Its streams and tables, the configurations that they and the actions read, the connections in use, and what brings functions."""
        found: dict[Ref, None] = {}
        if is_drawn(definition):
            found.update(dict.fromkeys(source_uses(definition.content, definition.ref.name, self._provision, env)))
        else:
            for name in self._source_names(definition):
                found.update({Ref("stream", name): None, Ref("table", name): None})
                found.update(dict.fromkeys(self._provision.feed_refs(name, env)))
        for _, connector, properties in sinks_of(definition.content):
            if isinstance(properties, dict):
                found.update(dict.fromkeys(sink_refs(connector, properties, env)))
        for name in _own_functions(definition, env):
            brought = env.function(name)
            # One that is missing is most likely a script: the rule is looked at again when it comes.
            found[Ref("script", name) if brought is None else brought.owner] = None
        return found

    def check(self, before: Definition | None, after: Definition | None, env: Environment, mode: Mode) -> Prepared | None:
        """Refuses what cannot run; the result goes to ``activate``."""
        if after is None:
            return None
        name = after.ref.name
        if mode is Mode.CREATE and before is not None:
            raise ConflictError(f"rule {name} already exists")
        if mode in _REPLACING and before is not None:
            old, new = (before.content or {}).get("version", ""), after.content.get("version", "")
            if (old or new) and new <= old:
                raise ConflictError(f"rule {name} already exists with version ({old}), new version ({new}) is lower")
        return self._prepare(after, env, mode)

    def faults(self, definition: Definition, env: Environment) -> Iterable[tuple[Path, PlutinoError]]:
        """What is wrong with its options, its statement or graph, its streams and each of its sinks."""
        parts = self._faults_drawn(definition, env) if is_drawn(definition) else self._faults_written(definition, env)
        return unless_said(chain(tried(("options",), partial(check_options, definition.content)), parts))

    def _faults_drawn(self, definition: Definition, env: Environment) -> Iterator[tuple[Path, PlutinoError]]:
        content, at = definition.content, ("graph", "nodes")
        for node in nodes_in(content, SOURCE):
            if source_ref(node) is None:
                models = _side_models("source", node.kind, env)
                yield from property_faults(node.kind, node.props, (*at, node.name, "props"), models, (FeedOptions,), env)
        for node in nodes_in(content, SINK):
            models = _side_models("sink", node.kind, env)
            yield from sink_faults(node.kind, node.name, node.props, (*at, node.name, "props"), models, env, self._provision)
        yield from tried(("graph",), partial(draw, definition, env, options_of(content), self._provision))

    def _faults_written(self, definition: Definition, env: Environment) -> Iterator[tuple[Path, PlutinoError]]:
        content, temporary = definition.content, definition.content.get("temp", False)
        unplanned = list(tried(("sql",), partial(self._compile, definition, env, Mode.FULL)))
        yield from unplanned
        unread = list(tried(("sql",), partial(select_of, content["sql"])))
        for name in () if unread else self._source_names(definition):
            part = partial(stream_named, name, env) if unplanned else partial(self._provision.feed, name, temporary, env)
            yield from tried(("sql",), part)
        for position, connector, properties in actions_of(content):
            models, path = _side_models("sink", connector, env), ("actions", str(position), connector)
            yield from sink_faults(connector, f"{connector}_{position}", properties, path, models, env, self._provision)

    async def activate(self, before: Definition | None, after: Definition | None, prepared: Any, host: Host) -> None:
        if after is None:
            if before is not None:
                self._deployed.pop(before.ref.name, None)
                self._columns.pop(before.ref.name, None)
                self._sources.pop(before.ref.name, None)
                self._obstacles.pop(before.ref.name, None)
                self._versions.pop(before.ref.name, None)
                await host.remove(before.ref.name)
            return
        name = after.ref.name
        if prepared.obstacle:
            self._deployed.pop(name, None)
            self._obstacles[name] = prepared.obstacle
            host.fail(name, prepared.obstacle)
            return
        self._obstacles.pop(name, None)
        if self._deployed.get(name) == prepared.made_of and _is_as_wanted(host.state(name), prepared.deployment.triggered):
            return
        self._deployed[name] = prepared.made_of
        self._columns[name] = prepared.columns
        self._versions[name] = version_of(prepared.deployment, prepared.made_of.functions)
        await host.deploy(prepared.deployment)

    async def resume(self, rule: str, host: Host) -> bool:
        """Start a stopped rule as it stands. False where that is not enough: it failed, or could not be prepared.

        What a rule was made of is what is committed: a change of something that it uses makes it anew, also while it is stopped.
        """
        if rule not in self._deployed or host.state(rule) != "stopped":
            return False
        await host.start(rule)
        return True

    def foretell(self, before: Definition | None, after: Definition | None, prepared: Any, host: Host) -> Effect | None:
        """What ``activate`` would do to the running rule, and what becomes of its state."""
        known = after or before
        name = known.ref.name if known is not None else ""
        running = host.state(name) in _ACTIVE
        if after is None or prepared.obstacle or not prepared.deployment.triggered:
            if running:
                return stop_effect(self._versions.get(name))
            if after is None or not prepared.obstacle:
                return None
            told = host.state(name) == _FAILED and self._obstacles.get(name) == prepared.obstacle
            return None if told else Effect("block", "none", prepared.obstacle)
        if not running:
            return Effect("start", "none")
        if self._deployed.get(name) == prepared.made_of:
            return None
        return swap_effect(self._versions.get(name), version_of(prepared.deployment, prepared.made_of.functions))

    def writes(self, definition: Definition, env: Environment) -> Iterable[str]:
        """Topics of its memory sinks."""
        return memory_topics(sinks_of(definition.content), env)

    def reads(self, definition: Definition, env: Environment) -> Iterable[str]:
        """Its streams do; of a graph also the topics of sources without a definition."""
        sources = nodes_in(definition.content, SOURCE) if is_drawn(definition) else ()
        topics = (prop(node, "datasource") for node in sources if node.kind == _MEMORY and source_ref(node) is None)
        return [topic for topic in topics if isinstance(topic, str) and topic]

    def secrets(self, definition: Definition, env: Environment) -> Iterable[tuple[str, ...]]:
        content = definition.content or {}
        for position, connector, properties in actions_of(content):
            if isinstance(properties, dict):
                for path in secret_paths(_models(connector, env), properties):
                    yield ("actions", str(position), connector, *path)
        for node in nodes_of(content.get("graph")):
            for path in secret_paths(_models(node.kind, env), node.props):
                yield ("graph", "nodes", node.name, "props", *path)

    def lint(self, definition: Definition, env: Environment, codes: Collection[str] = CODES) -> Iterable[Advice]:
        """Unknown fields and properties, older names, secrets in plain text, statements that can never work, what does not run here."""
        yield from field_advice(decode(definition.text, exact=True))
        if DOUBTFUL in codes and not is_drawn(definition):
            sql = definition.content["sql"]
            yield from statement_advice(select_of(sql), sql, env)
        if DOUBTFUL in codes:
            brought = (env.function(name) for name in _own_functions(definition, env))
            path = ("graph",) if is_drawn(definition) else ("sql",)
            yield from (Advice(DOUBTFUL, path, made.spec.unavailable) for made in brought if made is not None and made.spec.unavailable)
        for position, connector, properties in actions_of(definition.content):
            yield from self._property_advice(connector, properties, ("actions", str(position), connector), env, codes)
        for node in nodes_in(definition.content, SINK):
            yield from self._property_advice(node.kind, node.props, ("graph", "nodes", node.name, "props"), env, codes)

    def _property_advice(self, connector: str, properties: Any, path: Path, env: Environment, codes: Collection[str]) -> Iterator[Advice]:
        if DOUBTFUL in codes:
            yield from unavailable_advice("sink", connector, path, env)
        spec = env.registry.connectors.get(connector)
        if isinstance(properties, dict) and spec is not None and spec.sink is not None:
            models: tuple[type[Struct], ...] = (*_models(connector, env), SinkOptions, *format_models(env.registry))
            yield from property_advice(connector, models, properties, path, others=_OTHERS, codes=codes)

    def plan(self, definition: Definition, env: Environment, options: RuleOptions | None = None) -> Plan:
        """The plan of a rule, with its own options if no others are given.

        SqlSyntaxError and PlanError as the planner words them; a statement that does not parse is a fault of the document.
        """
        content = definition.content
        options = options or options_of(content)
        if is_drawn(definition):
            return plan_graph(definition, env, options, self._provision)
        sql = content["sql"]
        return plan_rule(select_of(sql), env, options, rule_id=definition.ref.name, text=sql)

    def columns(self, rule: str) -> tuple[str, ...]:
        """Output columns of a deployed rule, those with an alias first."""
        return self._columns.get(rule, ())

    def obstacle(self, rule: str) -> str:
        """Why a rule does not run here although nothing is wrong with it; empty when it can."""
        return self._obstacles.get(rule, "")

    def _prepare(self, definition: Definition, env: Environment, mode: Mode) -> Prepared:
        name, content = definition.ref.name, definition.content
        check_options(content)
        drawn = draw(definition, env, options_of(content), self._provision) if is_drawn(definition) else None
        compiled = drawn.compiled if drawn is not None else self._compile(definition, env, mode)
        temporary = content.get("temp", False)
        feeds = drawn.feeds if drawn is not None else self._feeds(compiled, temporary, env)
        sinks = tuple(self._provision.sink(connector, called, found, env) for called, connector, found in sinks_of(content))
        flag = env.triggered(name)
        brought = (env.function(name) for name in _own_functions(definition, env))
        functions = tuple(function.spec for function in brought if function is not None)
        tables = tuple(self._provision.table(name, temporary, env) for name in compiled.tables)
        text = content["sql"] if drawn is None else drawing_text(content)
        made_of = Ingredients(text, feeds, sinks, options_of(content), functions, tables)
        deployment = Deployment(
            rule=name,
            program=compiled.factory,
            feeds=feeds,
            sinks=sinks,
            options=made_of.options,
            triggered=content.get("triggered", True) if flag is None else flag,
            shape=compiled.shape,
            tables=tables,
            drawing=drawn.drawing if drawn is not None else None,
            plugins=plugins_of(functions),
        )
        return Prepared(deployment, made_of, compiled.columns, _obstacle(made_of, env))

    def _feeds(self, compiled: CompiledRule, temporary: bool, env: Environment) -> tuple[FeedRequest, ...]:
        return tuple(self._provision.feed(stream, temporary, env) for stream in compiled.streams)

    def _compile(self, definition: Definition, env: Environment, mode: Mode) -> CompiledRule:
        sql, options = definition.content["sql"], options_of(definition.content)
        try:
            select = select_of(sql)
        except PlutinoError as error:
            with_prefix(error, INVALID)
            raise
        sources = sources_of(select)
        self._sources[definition.ref.name] = (sql, sources)

        def make() -> CompiledRule:
            return compile_plan(plan_rule(select, env, options, rule_id=definition.ref.name, text=sql))

        try:
            # At start-up and for a single rule the state stays the same object; and the name of a rule is a part of what asks for it.
            if mode is Mode.BOOT or options.cron_datetime_range or "rule_id" in sql.lower() or _own_functions(definition, env):
                return make()
            refs = (r for name in sources for r in (Ref("stream", name), Ref("table", name), *self._provision.feed_refs(name, env)))
            return self._compiled.once(sql, options, tuple(env.get(r) for r in refs), env, make)
        except SqlSyntaxError as error:
            # Unknown functions and the like, which the original finds while parsing.
            fault = sql_fault(sql, error)
            with_prefix(fault, INVALID)
            raise fault from error

    def _source_names(self, definition: Definition) -> tuple[str, ...]:
        """Streams and tables of a rule: those seen by its check, else read again."""
        sql = definition.content["sql"]
        kept = self._sources.get(definition.ref.name)
        return kept[1] if kept is not None and kept[0] == sql else sources_of(select_of(sql))


def _obstacle(made_of: Ingredients, env: Environment) -> str:
    """Why a rule that is all right does not run here: all that it uses and that is known, but not executed. Empty when it runs."""
    return "; also: ".join(dict.fromkeys(_obstacles(made_of, env)))


def _obstacles(made_of: Ingredients, env: Environment) -> Iterator[str]:
    for function in made_of.functions:
        if function.unavailable:
            yield function.unavailable
    requests: tuple[FeedRequest | SinkRequest, ...] = (*made_of.feeds, *made_of.sinks)
    for request in requests:
        brought = brought_connector("source" if isinstance(request, FeedRequest) else "sink", request.connector, env)
        if brought is not None and brought.declared.unavailable:
            yield brought.declared.unavailable
            continue
        format = waiting_format(request, env)
        if format is not None:
            where = f"stream {request.stream}" if isinstance(request, FeedRequest) else f"action {request.name}"
            yield f"{where}: payloads of format {format} are not read or written by this version; convert them to json outside"


def _own_functions(definition: Definition, env: Environment) -> list[str]:
    """Names that a rule calls and this process does not have built in, as written."""
    built_in = env.registry.functions
    called = called_in(definition.content) if is_drawn(definition) else called_functions(definition.content["sql"])
    return [name for name in called if name not in built_in and name.lower() not in built_in]


def is_drawn(definition: Definition) -> bool:
    """Whether a rule has a graph in the place of a statement."""
    return definition.content.get("graph") is not None


def sinks_of(content: Mapping[str, Any]) -> Iterable[tuple[str, str, Any]]:
    """Name, type and properties of each sink: of the actions, or of the sink nodes of a graph, whose actions mean nothing."""
    if content.get("graph") is not None:
        return [(node.name, node.kind, node.props) for node in nodes_in(content, SINK)]
    return [(f"{connector}_{position}", connector, properties) for position, connector, properties in actions_of(content)]


def actions_of(content: Mapping[str, Any]) -> Iterable[tuple[int, str, Any]]:
    """Position, sink type and properties of each action."""
    for position, action in enumerate(content.get("actions") or ()):
        for connector, properties in action.items():
            yield position, connector, properties


def _models(connector: str, env: Environment) -> list[type[Struct]]:
    """What a connector declares of the options of sinks and of graph nodes."""
    spec = env.registry.connectors.get(connector)
    sides = (spec.sink, spec.source, spec.connection) if spec is not None else ()
    return [side.options for side in sides if side is not None]


def _side_models(side: str, connector: str, env: Environment) -> tuple[type[Struct], ...]:
    """What a connector declares of the options of its ``source`` or ``sink``."""
    spec = env.registry.connectors.get(connector)
    found = None if spec is None else spec.sink if side == "sink" else spec.source
    return () if found is None else (found.options,)


def _is_as_wanted(state: str, triggered: bool) -> bool:
    return state in _ACTIVE if triggered else state not in (*_ACTIVE, _FAILED, "")
