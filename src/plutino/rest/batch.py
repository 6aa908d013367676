"""``/batch/req``: several requests in one, carried out in order, each as if it had been sent alone."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from msgspec import Struct

from plutino.errors import PlutinoError
from plutino.rest.application import Asked
from plutino.rest.discretion import TRANSFER
from plutino.spi import Action, Answer, Call
from plutino.spi.gojson import GoJsonError, Shape, bind, decode
from plutino.spi.wire import json_answer

_REQUEST = Shape("server.EachRequest", {"method": "string", "path": "string", "body": "string"})
_METHOD = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")
_OF_THE_BODY = ("content-length", "transfer-encoding")


class BatchRequest(Struct):
    """One request of a batch."""

    method: str = "GET"
    path: str = ""
    body: str = ""


class BatchAnswer(Struct, omit_defaults=True):
    """The answer to one request; ``code`` 0 and an ``error`` when it could not be sent at all."""

    code: int
    response: str = ""
    error: str = ""


class _UnsendableError(PlutinoError):
    """A request that no client could send."""


class Batch:
    """Hands the requests of a batch to ``door``, which is to be set before the first one comes.

    One after the other; what was done stays done when a later one fails. They carry the headers of the batch, so they may do what its
    sender may do.
    """

    def __init__(self) -> None:
        self.door: Callable[[Asked], Awaitable[Answer]] | None = None

    @property
    def actions(self) -> Sequence[Action]:
        # The answers inside were looked through for secrets one by one, as the actions want it.
        tags = ("server", TRANSFER)
        summary = "Carry out several requests, in order"
        return (Action("POST", "/batch/req", self._run, summary, list[BatchRequest], list[BatchAnswer], tags=tags),)

    async def _run(self, call: Call) -> Answer:
        found = decode(call.body, exact=False)
        if not isinstance(found, list | None):
            kind = {dict: "object", str: "string", bool: "bool"}.get(type(found), "number")
            raise GoJsonError(f"json: cannot unmarshal {kind} into Go value of type []*server.EachRequest")
        wanted = [_request(item, at) for at, item in enumerate(found or ())]
        headers = {name: value for name, value in call.headers.items() if name not in _OF_THE_BODY}
        return json_answer([await self._sent(request, headers, call.client) for request in wanted])

    async def _sent(self, request: BatchRequest, headers: Mapping[str, str], client: str) -> BatchAnswer:
        assert self.door is not None

        async def body() -> bytes:
            return request.body.encode("utf-8", "replace")

        try:
            path, query = _target(request)
            answer = await self.door(Asked(request.method, path, query, headers, body, client))
            return BatchAnswer(answer.status, await _text(answer, request))
        except _UnsendableError as error:
            return BatchAnswer(0, error=error.message)


def _request(item: Any, at: int) -> BatchRequest:
    if item is None:
        raise PlutinoError(f"request {at}: null; an object with method, path and body is expected")
    found = bind(item, _REQUEST)
    return BatchRequest(found.get("method") or "GET", found.get("path", ""), found.get("body", ""))


def _target(request: BatchRequest) -> tuple[str, str]:
    """The decoded path and the query of a request."""
    if _METHOD.fullmatch(request.method) is None:
        raise _UnsendableError(f"net/http: invalid method {json.dumps(request.method, ensure_ascii=False)}")
    refused = f"parse {json.dumps(request.path, ensure_ascii=False)}: "
    if _CONTROL.search(request.path):
        raise _UnsendableError(f"{refused}net/url: invalid control character in URL")
    if request.path.startswith(":"):
        raise _UnsendableError(f"{refused}missing protocol scheme")
    try:
        parts = urlsplit(request.path)
    except ValueError as error:
        raise _UnsendableError(f"{refused}{str(error).lower()}") from error
    bad = _BAD_ESCAPE.search(parts.path)
    if bad is not None:
        raise _UnsendableError(f'{refused}invalid URL escape "{bad[0]}"')
    return unquote(parts.path), parts.query


async def _text(answer: Answer, request: BatchRequest) -> str:
    content = answer.content
    if isinstance(content, str):
        return content
    if isinstance(content, bytes):
        return content.decode("utf-8", "replace")
    await content.aclose()
    raise _UnsendableError(f"{request.method} {request.path}: answers as long as somebody listens; ask for it outside of a batch")


__all__ = ["Batch", "BatchAnswer", "BatchRequest"]
