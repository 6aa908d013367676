"""Endpoints of rules (rest reference §1.6)."""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Any, Protocol

import msgspec

from plutino.errors import DefinitionError, NotFoundError, PlutinoError, SqlSyntaxError, UnsupportedError
from plutino.model import Definition, Ref
from plutino.planner import Plan
from plutino.resources.rule import live
from plutino.resources.rule.body import INVALID, RULE_SCHEMA, read, select_of, sql_fault, validate
from plutino.resources.rule.drawn import stream_names
from plutino.spi import Action, Answer, Call, Control, Environment, Host, Mode, Origin, RuleOptions
from plutino.spi.gojson import ANY, GoJsonError, Shape, bind, decode
from plutino.spi.wire import JSON, check_id, json_answer, text_answer, truth, with_prefix
from plutino.sql import sources_of

_KIND = "rule"
_TAGS = Shape("server.RuleTagRequest", {"tags": "[]string"})
_RESET = Shape("server.ResetStateRequest", {"type": "int", "params": ANY})
_RESET_OFFSET = 1
_NO_TOPOLOGY = 1001
_LIVE = ("starting", "running", "stopping")
_INVALID = "invalid rule json"

_TAGS_SCHEMA = {"type": "object", "properties": {"tags": {"type": "array", "items": {"type": "string"}}}}
_CHECK_QUERY = {"explain": "1: a refusal is sent as the envelope of errors, which shows the place in the statement"}
_EXPLAIN_QUERY = {"code": "1: operators, needed columns and generated code as well"}
_OBJECT = {"type": "object"}
_LIST = {"type": "array", "items": {"type": "object"}}


class Rules(Protocol):
    """What the endpoints need of the kind."""

    def plan(self, definition: Definition, env: Environment, options: RuleOptions | None = None) -> Plan: ...

    def columns(self, rule: str) -> tuple[str, ...]: ...

    def obstacle(self, rule: str) -> str: ...

    async def resume(self, rule: str, host: Host) -> bool: ...


def endpoints(rules: Rules) -> Sequence[Action]:
    """The actions of the kind."""
    on, tags, one = _Endpoints(rules), ("rules",), "/rules/{id}"
    return (
        Action("GET", "/rules", on.list, "All rules with their states", reply=_LIST, tags=tags),
        Action("POST", "/rules", on.create, "Create a rule", body=RULE_SCHEMA, status=201, tags=tags),
        Action("GET", "/rules/status/all", on.status_all, "States and errors of all rules", reply=_OBJECT, tags=tags),
        Action(
            *("POST", "/rules/validate", on.validate, "Check a rule without creating it"),
            body=RULE_SCHEMA,
            reply=_OBJECT,
            tags=tags,
            query=_CHECK_QUERY,
        ),
        Action("GET", "/rules/usage/cpu", on.usage, "CPU time of rules, where it is measured", tags=tags),
        Action("GET", "/rules/tags/match", on.match, "Rules that have all given tags", body=_TAGS_SCHEMA, reply=_OBJECT, tags=tags),
        Action("POST", "/rules/bulkstart", on.start_matching, "Start rules by tags", body=_TAGS_SCHEMA, reply=_LIST, tags=tags),
        Action("POST", "/rules/bulkstop", on.stop_matching, "Stop rules by tags", body=_TAGS_SCHEMA, reply=_LIST, tags=tags),
        Action("GET", one, on.describe, "The document of a rule", reply=RULE_SCHEMA, tags=tags),
        Action("PUT", one, on.update, "Create or replace a rule", body=RULE_SCHEMA, tags=tags),
        Action("DELETE", one, on.drop, "Delete a rule", tags=tags),
        Action("GET", f"{one}/status", on.status, "State and metrics of a rule", reply=_OBJECT, tags=tags),
        Action("GET", f"/v2{one}/status", on.status_v2, "State and metrics of a rule, compact", reply=_OBJECT, tags=tags),
        Action("POST", f"{one}/start", on.start, "Start a rule (a running one again)", tags=tags),
        Action("POST", f"{one}/stop", on.stop, "Stop a rule", tags=tags),
        Action("POST", f"{one}/restart", on.restart, "Stop a rule and start it", tags=tags),
        Action("GET", f"{one}/topo", on.topology, "Operators of a rule and how they are connected", reply=_OBJECT, tags=tags),
        Action("GET", f"{one}/schema", on.schema, "Output columns of a rule", reply=_OBJECT, tags=tags),
        Action("GET", f"{one}/scantables", on.scan_tables, "Rows that the scan tables of a rule hold", reply=_LIST, tags=tags),
        Action("GET", f"{one}/explain", on.explain, "Logical plan of a rule", query=_EXPLAIN_QUERY, tags=tags),
        Action("GET", f"{one}/tail", on.tail, "Live results of a rule as server-sent events", tags=tags),
        Action("PUT", f"{one}/reset_state", on.reset_state, "Move a source of a running rule to another offset", body=_OBJECT, tags=tags),
        Action("PUT", f"{one}/tags", on.replace_tags, "Replace the tags of a rule", body=_TAGS_SCHEMA, tags=tags),
        Action("PATCH", f"{one}/tags", on.add_tags, "Add tags to a rule", body=_TAGS_SCHEMA, tags=tags),
        Action("DELETE", f"{one}/tags", on.remove_tags, "Remove tags from a rule", body=_TAGS_SCHEMA, tags=tags),
    )


class _Endpoints:
    def __init__(self, rules: Rules) -> None:
        self.rules = rules

    async def list(self, call: Call) -> Answer:
        host = call.control.host
        rows = []
        for definition in _all(call.control.environment):
            id, content = definition.ref.name, definition.content or {}
            rows.append(
                {
                    "id": id,
                    "name": content.get("name") or id,
                    "status": host.state(id) or "stopped",
                    "tags": content.get("tags"),
                    "trace": host.traced(id),
                    "version": content.get("version", ""),
                }
            )
        return json_answer(rows)

    async def create(self, call: Call) -> Answer:
        try:
            content = read(call.body)
            if not content.get("id"):
                raise DefinitionError("Missing rule id.")
        except DefinitionError as error:
            with_prefix(error, _INVALID)
            raise
        id = content["id"]
        try:
            await call.control.put(Ref(_KIND, id), _text(call), mode=Mode.CREATE, origin=_origin(call))
        except PlutinoError as error:
            _lowered(error)
            raise
        return text_answer(f"Rule {id} was created successfully.", 201)

    async def update(self, call: Call) -> Answer:
        id = _id(call)
        try:
            await call.control.put(Ref(_KIND, id), _text(call), mode=Mode.UPDATE, origin=_origin(call))
        except PlutinoError as error:
            with_prefix(error, "Update rule error")
            raise
        return text_answer(f"Rule {id} was updated successfully.")

    async def describe(self, call: Call) -> Answer:
        definition = _stored(_id(call), call.control.environment, "Describe rule error")
        started = call.control.triggered(definition.ref.name)
        if started is None:
            return Answer(definition.text, 200, JSON)
        return Answer(_with(definition.text, "triggered", started), 200, JSON)

    async def drop(self, call: Call) -> Answer:
        id = _id(call)
        if call.control.environment.get(Ref(_KIND, id)) is None:
            raise PlutinoError(f"Delete rule error: rule {id} not found")
        try:
            await call.control.delete(Ref(_KIND, id), origin=_origin(call))
        except PlutinoError as error:
            with_prefix(error, "Delete rule error")
            raise
        return text_answer(f"Rule {id} is dropped.")

    async def validate(self, call: Call) -> Answer:
        env = call.control.environment
        try:
            content = read(call.body)
            validate(content, "")
            drawn = content.get("graph") is not None
            sources = stream_names(content) if drawn else sources_of(select_of(content["sql"]))
        except PlutinoError as error:
            return _invalid(call, f"{_INVALID}: {error.message}", error)
        for name in sources:
            if env.get(Ref("stream", name)) is None and env.get(Ref("table", name)) is None:
                return text_answer(f"{name} is not found", 422)
        try:
            # Whether the options suit the streams is known when the rule is created.
            self.rules.plan(Definition(Ref(_KIND, content["id"]), _text(call), content), env, RuleOptions())
        except SqlSyntaxError as error:
            return _invalid(call, f"{_INVALID}: {sql_fault(content.get('sql', ''), error).message}", error)
        except PlutinoError as error:
            return _invalid(call, error.message, error)
        return json_answer({"sources": sources, "valid": True})

    async def status(self, call: Call) -> Answer:
        return Answer(msgspec.json.format(msgspec.json.encode(self._status(call)), indent=2), 200, JSON)

    async def status_v2(self, call: Call) -> Answer:
        return Answer(msgspec.json.encode(self._status(call), order="sorted"), 200, JSON)

    def _status(self, call: Call) -> dict[str, Any]:
        id = call.params["id"]
        found = call.control.host.status(id)
        if found is None:
            raise NotFoundError(f"get rule status error: Rule {id} is not found")
        return found

    async def status_all(self, call: Call) -> Answer:
        return json_answer(call.control.host.summary())

    async def usage(self, call: Call) -> Answer:
        return text_answer("cpu usage not enabled")

    async def start(self, call: Call) -> Answer:
        id = call.params["id"]
        try:
            _registered(id, call.control.environment)
            await call.control.trigger([id], True, origin=_origin(call))
            await self._activate(id, call.control)
        except PlutinoError as error:
            with_prefix(error, "start rule error")
            raise
        return text_answer(f"Rule {id} was started")

    async def stop(self, call: Call) -> Answer:
        id = call.params["id"]
        try:
            _registered(id, call.control.environment)
            await call.control.trigger([id], False, origin=_origin(call))
            await self._halt(id, call.control)
        except PlutinoError as error:
            with_prefix(error, "stop rule error")
            raise
        return text_answer(f"Rule {id} was stopped.")

    async def restart(self, call: Call) -> Answer:
        id, host = call.params["id"], call.control.host
        try:
            _registered(id, call.control.environment)
            ran = host.state(id) == "running"
            await call.control.trigger([id], True, origin=_origin(call))
            try:
                await self._activate(id, call.control)
            except PlutinoError as error:
                host.fail(id, error.message)  # as it was stopped first, it stands still now, and says why
                raise
            if ran and call.control.triggered(id) is not False:
                await host.restart(id)
                if call.control.triggered(id) is False:
                    await host.stop(id)
        except PlutinoError as error:
            with_prefix(error, "restart rule error")
            raise
        return text_answer(f"Rule {id} was restarted")

    async def _activate(self, id: str, control: Control) -> None:
        """Run a rule on the present state; one that runs already goes on running."""
        try:
            await control.reactivate(Ref(_KIND, id), partial(self.rules.resume, id, control.host))
        except SqlSyntaxError as error:
            raise (error.__cause__ if isinstance(error.__cause__, SqlSyntaxError) else error) from None
        obstacle = self.rules.obstacle(id)
        if obstacle:
            raise UnsupportedError(obstacle)

    async def _halt(self, id: str, control: Control) -> None:
        """Stop a rule, unless somebody has started it since; one that is started meanwhile is running afterwards."""
        if control.triggered(id) is False:
            await control.host.stop(id)
        if control.triggered(id) is True and control.host.state(id) == "stopped":
            await self._activate(id, control)

    async def start_matching(self, call: Call) -> Answer:
        matching, host = _matching(call, "start"), call.control.host
        # Feeds open when all are started, so that each rule sees what the first one sees.
        host.begin()
        try:
            await call.control.trigger(matching, True, origin=_origin(call))
            started = [await _attempt(id, self._activate(id, call.control)) for id in matching]
        finally:
            await host.finish()
        return json_answer(started)

    async def stop_matching(self, call: Call) -> Answer:
        matching = _matching(call, "stop")
        await call.control.trigger(matching, False, origin=_origin(call))
        return json_answer([await _attempt(id, self._halt(id, call.control)) for id in matching])

    async def match(self, call: Call) -> Answer:
        found = _with_tags(_tags(call), call.control.environment)
        return json_answer({"rules": found} if found else {})

    async def topology(self, call: Call) -> Answer:
        return json_answer(_topology(call, "get rule topo error"))

    async def schema(self, call: Call) -> Answer:
        _topology(call, "get rule schema error", running=True)
        columns = self.rules.columns(call.params["id"])
        return json_answer({name: {"hasIndex": True, "index": index} for index, name in enumerate(columns)})

    async def scan_tables(self, call: Call) -> Answer:
        id, prefix = call.params["id"], f"failed to get topology for rule {call.params['id']}"
        _must_exist(id, call.control.environment, prefix)
        if call.control.host.state(id) not in _LIVE:
            raise PlutinoError(f"{prefix}: topology not initialized, rule may not have been started")
        rows = call.control.host.scanned(id)
        if rows is None:
            raise PlutinoError(f"scan table error: join node is not found for {id}")
        if not rows:
            raise PlutinoError("scan table error: unable to find tuples for the given scan table")
        return json_answer([{"emitter": table, "content": dict(row)} for table, row in rows])

    async def explain(self, call: Call) -> Answer:
        from plutino.compiler.describe import describe  # loaded for who asks
        from plutino.planner.explain import explain

        env = call.control.environment
        definition = _stored(call.params["id"], env, "explain rules error")
        try:
            if definition.content.get("graph") is not None and not truth(call.query.get("code", "")):
                raise PlutinoError("only support explain sql now")
            plan = self.rules.plan(definition, env)
            return text_answer(describe(plan) if truth(call.query.get("code", "")) else explain(plan))
        except PlutinoError as error:
            with_prefix(error, "explain rules error")
            raise

    async def tail(self, call: Call) -> Answer:
        try:
            found = live.events(call.control.host, call.control.environment.registry, call.params["id"])
        except PlutinoError as error:
            with_prefix(error, "tail rule error")
            raise
        return Answer(found, 200, live.MEDIA, {"cache-control": "no-store"})

    async def reset_state(self, call: Call) -> Answer:
        id = call.params["id"]
        request = bind(decode(call.body, exact=False), _RESET)
        if request.get("type", 0) != _RESET_OFFSET:
            raise PlutinoError(f"unknown stateType:{request.get('type', 0)}")
        if call.control.environment.get(Ref(_KIND, id)) is None:
            raise PlutinoError(f"Rule {id} is not found in registry")
        if call.control.host.state(id) != "running":
            raise PlutinoError(f"rule {id} should be running when modify state")
        params = request.get("params")
        stream = params.get("streamName", "") if isinstance(params, dict) else ""
        # No source of this version can be moved.
        raise PlutinoError(f"stream {stream} not found in topo")

    async def replace_tags(self, call: Call) -> Answer:
        tags = _tags(call)
        return await _store_tags(call, lambda _: tags)

    async def add_tags(self, call: Call) -> Answer:
        tags = _tags(call)
        return await _store_tags(call, lambda old: [*old, *(tag for tag in dict.fromkeys(tags) if tag not in old)])

    async def remove_tags(self, call: Call) -> Answer:
        tags = _tags(call)
        return await _store_tags(call, lambda old: [tag for tag in old if tag not in tags])


def _id(call: Call) -> str:
    check_id(call.params["id"])
    return call.params["id"]


def _text(call: Call) -> str:
    return call.body.decode("utf-8", "replace")


def _origin(call: Call) -> Origin:
    return Origin("rest", call.client)


def _all(env: Environment) -> Sequence[Definition]:
    found = [env.get(Ref(_KIND, name)) for name in env.names(_KIND)]
    return [definition for definition in found if definition is not None]


def _stored(id: str, env: Environment, prefix: str) -> Definition:
    """A rule whose document is kept; temporary rules have none to show."""
    found = env.get(Ref(_KIND, id))
    if found is None or found.temporary:
        raise NotFoundError(f"{prefix}: Rule {id} is not found.")
    return found


def _registered(id: str, env: Environment) -> Definition:
    found = env.get(Ref(_KIND, id))
    if found is None:
        raise NotFoundError(f"Rule {id} is not found in registry, please check if it is created")
    return found


def _must_exist(id: str, env: Environment, prefix: str) -> None:
    if env.get(Ref(_KIND, id)) is None:
        raise NotFoundError(f"{prefix}: Rule {id} is not found")


def _topology(call: Call, prefix: str, *, running: bool = False) -> dict[str, Any]:
    """The operators of a rule that was started; of one that runs now where ``running`` is asked for."""
    id = call.params["id"]
    _must_exist(id, call.control.environment, prefix)
    found = call.control.host.topology(id)
    if found is None or (running and call.control.host.state(id) not in _LIVE):
        text = f"{prefix}: Fail to get rule {id}'s topo, make sure the rule has been started before"
        raise PlutinoError(text, code=_NO_TOPOLOGY)
    return found


def _lowered(error: PlutinoError) -> None:
    """Creation writes the prefix of a wrong document in lower case."""
    if error.message.startswith(INVALID):
        error.message = _INVALID + error.message.removeprefix(INVALID)
        error.args = (error.message,)


def _tags(call: Call) -> list[str]:
    try:
        tags: list[str] = bind(decode(call.body, exact=False), _TAGS).get("tags", [])
    except GoJsonError as error:
        with_prefix(error, "decode body error")
        raise
    return tags


def _with_tags(tags: Sequence[str], env: Environment) -> list[str]:
    return [d.ref.name for d in _all(env) if set(tags) <= set((d.content or {}).get("tags") or ())]


def _matching(call: Call, verb: str) -> list[str]:
    found = _with_tags(_tags(call), call.control.environment)
    if not found:
        raise PlutinoError(f"bulk {verb} failed: no matching rules")
    return found


async def _attempt(id: str, act: Awaitable[None]) -> dict[str, Any]:
    try:
        await act
    except PlutinoError as error:
        return {"ruleId": id, "success": False, "error": error.message}
    return {"ruleId": id, "success": True}


def _invalid(call: Call, text: str, error: PlutinoError) -> Answer:
    """A rule that is refused by a check: bare text, or on request the error with its place."""
    if truth(call.query.get("explain", "")):
        raise PlutinoError(text, code=error.code, status=422) from error
    return text_answer(text, 422)


async def _store_tags(call: Call, change: Any) -> Answer:
    """Write the tags into the rule's text, keys sorted, together with whether it is started: a text without says that it is."""
    definition = _stored(call.params["id"], call.control.environment, "Get rule error")
    text = _with(definition.text, "tags", change(list((definition.content or {}).get("tags") or ())))
    started = call.control.triggered(definition.ref.name)
    if started is not None:
        text = _with(text, "triggered", started)
    # Not an update of the rule: its version stays.
    await call.control.put(definition.ref, text, mode=Mode.FULL, origin=_origin(call))
    return Answer()


def _with(text: str, field: str, value: Any) -> str:
    """A document with one field set, keys sorted."""
    document = {name: item for name, item in decode(text, exact=True).items() if name.lower() != field}
    return msgspec.json.encode({**document, field: value}, order="sorted").decode()
