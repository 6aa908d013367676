"""The API's description: ``/openapi.json`` for programs, ``/docs`` for people."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from importlib.resources import files

from plutino.rest.openapi import openapi
from plutino.spi import Action, Answer, Call
from plutino.spi.wire import json_answer

_POLICY = "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; frame-ancestors 'none'"
"""The page is complete in itself; it may load nothing but the API's description."""


class Documentation:
    """Describes the given actions and itself. Made anew for each request, as it is seldom asked for."""

    def __init__(self, actions: Iterable[Action], version: str) -> None:
        self._actions = (*actions, *self.actions)
        self._version = version

    @property
    def actions(self) -> Sequence[Action]:
        tags = ("server",)
        return (
            Action("GET", "/openapi.json", self._openapi, "This API as an OpenAPI document", reply={"type": "object"}, tags=tags),
            Action("GET", "/docs", self._page, "This API as a page", tags=tags),
        )

    async def _openapi(self, call: Call) -> Answer:
        return json_answer(openapi(self._actions, self._version))

    async def _page(self, call: Call) -> Answer:
        page = files("plutino.rest").joinpath("pages", "docs.html").read_text("utf-8")
        return Answer(page, 200, "text/html; charset=utf-8", {"content-security-policy": _POLICY})
