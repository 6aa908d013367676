"""Advice on one stored object: what is right, but likely a mistake."""

from __future__ import annotations

from collections.abc import Sequence

from plutino.control import Controller
from plutino.errors import NotFoundError, PlutinoError
from plutino.model import Ref
from plutino.spi import Action, Answer, Call
from plutino.spi.linting import Lintable
from plutino.spi.wire import json_answer

_LIST = {"type": "array", "items": {"type": "object"}}
_QUERY = {"kind": "What it is: stream, table, rule, source_config …", "name": "Its name"}


class AdviceEndpoint:
    """The endpoint: misspelt names that clients of the original may send, and which are accepted therefore, are told here."""

    def __init__(self, controller: Controller) -> None:
        self._controller = controller

    @property
    def actions(self) -> Sequence[Action]:
        about = "What is right in a stored object, but likely a mistake"
        return (Action("GET", "/data/advice", self._advise, about, reply=_LIST, tags=("transfer",), query=_QUERY),)

    async def _advise(self, call: Call) -> Answer:
        kind, name = call.query.get("kind", ""), call.query.get("name", "")
        spec = self._controller.specs.get(kind)
        if spec is None:
            raise PlutinoError(f"kind: {kind}; one of {', '.join(sorted(self._controller.specs))} is expected")
        definition = self._controller.environment.get(Ref(kind, name))
        if definition is None:
            raise NotFoundError(f"{kind} {name} is not found")
        if not isinstance(spec, Lintable) or definition.content is None:
            return json_answer([])
        found = spec.lint(definition, self._controller.environment)
        return json_answer([{"code": advice.code, "path": ".".join(advice.path), "text": advice.text} for advice in found])
