"""JavaScript functions: the kind ``script`` (rest reference §1.10, §5.6).

A script is run once when it is created, so that a fault in its text shows then. One virtual machine per script serves all rules.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from plutino.errors import ConflictError, DefinitionError, NotFoundError, PlutinoError
from plutino.model import Definition, Ref
from plutino.spi import Action, Answer, Arg, Call, Environment, FunctionKind, FunctionSpec, Host, Mode, Origin
from plutino.spi.function import Literal
from plutino.spi.gojson import GoJsonError, Shape, bind, decode
from plutino.spi.javascript import JavaScript, Machine
from plutino.spi.linting import CODES, Advice, text_advice
from plutino.spi.wire import check_id, json_answer, text_answer, with_prefix

_SHAPE = Shape("script.Script", {"id": "string", "description": "string", "script": "string", "isAgg": "bool"})


class Script(Struct, frozen=True):
    """The members of a text, in the order in which they are shown; also the content of a definition."""

    id: str
    description: str
    script: str
    isAgg: bool = False  # noqa: N815 - the wire spells it so


class ScriptKind:
    """Spec of ``script``."""

    kind = "script"
    section = "scripts"

    @property
    def actions(self) -> Sequence[Action]:
        path, tags = "/udf/javascript", ("functions",)
        one = f"{path}/{{id}}"
        names = {"type": "array", "items": {"type": "string"}}
        return (
            Action("GET", path, self._list, "Names of the JavaScript functions", reply=names, tags=tags),
            Action("POST", path, self._create, "Create a JavaScript function", body=Script, status=201, tags=tags),
            Action("GET", one, self._describe, "One JavaScript function", reply=Script, tags=tags),
            Action("PUT", one, self._update, "Create or replace a JavaScript function", body=Script, tags=tags),
            Action("DELETE", one, self._delete, "Delete a JavaScript function", tags=tags),
        )

    def parse(self, ref: Ref, text: str) -> Definition:
        """Runs the script, which must define the function and come to its end in time."""
        try:
            script = _script(decode(text, exact=True))
        except GoJsonError as error:
            raise DefinitionError(error.message) from None
        if script.id != ref.name:
            raise DefinitionError(f"the script id {script.id} does not match the key {ref.name}")
        check_id(script.id)
        Machine(script.id, script.script)
        return Definition(ref, text, script)

    def functions(self, definition: Definition) -> tuple[FunctionSpec, ...]:
        return (spec_of(definition.content),)

    def depends_on(self, definition: Definition, env: Environment) -> Iterable[Ref]:
        return ()

    def check(self, before: Definition | None, after: Definition | None, env: Environment, mode: Mode) -> None:
        if after is None:
            return
        if mode is Mode.CREATE and before is not None:
            raise ConflictError(f"Item {after.ref.name} already exists")
        found = env.function(after.ref.name)
        if found is not None and found.owner != after.ref and mode is not Mode.BOOT:
            raise ConflictError(f"function {after.ref.name} already exists: {found.owner} brings it; choose another id")

    async def activate(self, before: Definition | None, after: Definition | None, prepared: Any, host: Host) -> None:
        """Nothing runs for a script by itself: rules that use it are activated after it."""

    def secrets(self, definition: Definition, env: Environment) -> Iterable[tuple[str, ...]]:
        return ()

    def lint(self, definition: Definition, env: Environment, codes: Collection[str] = CODES) -> Iterable[Advice]:
        """Members that mean nothing."""
        return text_advice(definition.text, _SHAPE)

    async def _list(self, call: Call) -> Answer:
        return json_answer(list(call.control.environment.names(self.kind)))

    async def _create(self, call: Call) -> Answer:
        script = _body(call, "Error decoding the new javascript function json")
        check_id(script.id)
        await self._put(call, script, Mode.CREATE, "javascript function create command error")
        return text_answer(f"javascript function {script.id} is created", 201)

    async def _describe(self, call: Call) -> Answer:
        check_id(call.params["id"])
        definition = call.control.environment.get(Ref(self.kind, call.params["id"]))
        if definition is None:
            raise PlutinoError(f"describe javascript function {call.params['id']} error: not found")
        return json_answer(definition.content or _script(decode(definition.text, exact=True)))

    async def _update(self, call: Call) -> Answer:
        id = call.params["id"]
        check_id(id)
        script = _body(call, "Error decoding the javascript function json")
        if script.id not in ("", id):
            raise PlutinoError(f"javascript function update command error: id {script.id}; {id} as in the path is expected")
        await self._put(call, msgspec.structs.replace(script, id=id), Mode.UPDATE, "javascript function update command error")
        return text_answer(f"javascript function {id} is updated")

    async def _delete(self, call: Call) -> Answer:
        id = call.params["id"]
        check_id(id)
        try:
            if call.control.environment.get(Ref(self.kind, id)) is None:
                raise NotFoundError(f"{id} is not found")
            await call.control.delete(Ref(self.kind, id), origin=Origin("rest", call.client))
        except PlutinoError as error:
            with_prefix(error, f"delete javascript function {id} error")
            raise
        return text_answer(f"javascript function {id} is deleted")

    async def _put(self, call: Call, script: Script, mode: Mode, prefix: str) -> None:
        text = msgspec.json.encode(script).decode()
        try:
            await call.control.put(Ref(self.kind, script.id), text, mode=mode, origin=Origin("rest", call.client))
        except PlutinoError as error:
            with_prefix(error, prefix)
            raise


def spec_of(script: Script) -> FunctionSpec:
    """The SQL function; equal for equal scripts."""
    return FunctionSpec(
        name=script.id,
        call=JavaScript(script.id, script.script, script.isAgg),
        about=script.description,
        args=(Arg("value"),),
        optional=1,
        variadic=True,
        kind=FunctionKind.AGGREGATE if script.isAgg else FunctionKind.SCALAR,
        validate=_constant_rest if script.isAgg else None,
        pure=False,
    )


def _constant_rest(args: Sequence[Literal]) -> str | None:
    """Only the first argument of an aggregate differs from row to row."""
    for number, arg in enumerate(args[1:], 2):
        if not arg.known:
            return f"Expect a constant for parameter {number}; an aggregate script gets one column"
    return None


def _body(call: Call, refusal: str) -> Script:
    try:
        return _script(decode(call.body, exact=False))
    except GoJsonError as error:
        with_prefix(error, f"Invalid body: {refusal}")
        raise


def _script(value: Any) -> Script:
    found = bind(value, _SHAPE)
    return Script(found.get("id", ""), found.get("description", ""), found.get("script", ""), found.get("isAgg", False))


SPECS = (ScriptKind(),)
