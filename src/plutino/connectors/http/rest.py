"""Sink that sends each message in an HTTP request."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence
from typing import Any

import msgspec

from plutino.connectors.http.client import RETRY_STATUS, HttpClient, Reply, Tokens, reach, read_rows
from plutino.connectors.http.options import (
    CONTENT_TYPES,
    RestOptions,
    check_compression,
    check_exchange,
    check_url,
    read_body_type,
    read_method,
    text_headers,
)
from plutino.errors import AccessError, DeliveryError, FormatError, PlutinoError, ProvisionError, TransportError
from plutino.spi import SinkContext


class RestSink:
    """One request per message, in order.

    Without ``method`` it is GET, as in the original, but with the message as its body; an explicit GET has no body unless ``bodyType`` asks
    for one. Answers such as 503 are retried, answers such as 400 are final.
    """

    def __init__(self, options: RestOptions, context: SinkContext) -> None:
        if "{{" not in options.url:
            check_url(options.url)
        if "{{" not in options.method:
            read_method(options.method or "GET")
        check_exchange(options.timeout, options.response_type, options.oauth)
        if "{{" not in options.body_type:
            _check_format(_body_type(options.body_type, options.method), options)
        check_compression(options.compression)
        self._options = options
        self._log = context.log
        self._rule = context.rule
        self._clock = context.clock
        self._render = context.render
        self._client = HttpClient(options.timeout, options.tls, context.allow_host, context.allow_file)
        self._tokens = Tokens(options.oauth, self._client, context.clock, context.render)

    async def open(self) -> None:
        """Fetch the token; connections are made by the requests."""
        await self._client.open()
        await self._tokens.fresh()

    def write(self, items: Sequence[Any], properties: Sequence[Mapping[str, Any]] | None) -> Awaitable[None]:
        """Send everything; the awaitable ends with the last answer."""
        return self._send_all(items, properties)

    async def close(self) -> None:
        """Close the session."""
        await self._client.close()

    async def _send_all(self, items: Sequence[bytes], properties: Sequence[Mapping[str, Any]] | None) -> None:
        fault: PlutinoError | None = None
        for i, item in enumerate(items):
            try:
                await self._send(item, properties[i] if properties is not None else {})
            except TransportError as error:
                raise TransportError(error.message, delivered=i) from error
            except PlutinoError as error:
                fault = fault or error
        if fault is not None:
            raise fault

    async def _send(self, payload: bytes, dynamic: Mapping[str, Any]) -> None:
        options = self._options
        url = str(dynamic.get("url", options.url))
        method_text = str(dynamic.get("method", options.method))
        body_type = _body_type(str(dynamic.get("bodyType", options.body_type)), method_text)
        method = read_method(method_text or "GET")
        check_url(url)
        _check_format(body_type, options)
        try:
            await self._tokens.fresh()
            reply = await self._exchange(method, url, body_type, payload, dynamic)
            if reply.status == 401 and self._tokens.used:
                await self._tokens.fetch()
                reply = await self._exchange(method, url, body_type, payload, dynamic)
        except TransportError as error:
            raise TransportError(_failure(error.message, True, method, url)) from error
        except (AccessError, FormatError) as error:
            raise DeliveryError(_failure(error.message, False, method, url)) from error
        self._judge(reply, method, url)

    async def _exchange(self, method: str, url: str, body_type: str, payload: bytes, dynamic: Mapping[str, Any]) -> Reply:
        headers = text_headers(dynamic.get("headers", self._options.headers))
        if self._tokens.used:  # then the engine leaves templates in headers to us, see uses_tokens
            headers = {k: self._render(v, self._tokens.values) if "{{" in v else v for k, v in headers.items()}
        given = {k.lower() for k in headers}
        if body_type == "none":
            return await self._client.request(method, url, headers)
        body: Any = payload
        if body_type == "formdata":
            body = self._form(payload, dynamic.get("formData", self._options.form_data))
        elif CONTENT_TYPES[body_type] and "content-type" not in given:
            headers["Content-Type"] = CONTENT_TYPES[body_type]
        if self._options.compression and "content-encoding" not in given:
            headers["Content-Encoding"] = self._options.compression.lower()
        return await self._client.request(method, url, headers, body)

    def _form(self, payload: bytes, fields: Mapping[str, Any]) -> Any:
        import aiohttp

        form = aiohttp.FormData()
        for name, value in text_headers(fields).items():
            form.add_field(name, value)
        form.add_field(self._options.file_field_name or "file", payload, filename=str(self._clock.now_ms()))
        return form

    def _judge(self, reply: Reply, method: str, url: str) -> None:
        """Raise for an answer that is no success."""
        text = ""
        if not reply.good:
            text = f"response code error: {reply.status}."
        elif self._options.response_type.lower() == "body":
            try:
                read_rows(reply.body, "body")
            except FormatError as error:
                text = error.message
        shown = msgspec.json.encode(reply.body.decode(errors="replace")[:1000]).decode()
        if self._options.debug_resp:
            self._log.info(f"rest sink of rule {self._rule} got response status={reply.status} response_body={shown}")
        if not text:
            return
        text = f'parse response error: {text} | method={method} path="{url}" status={reply.status} response_body={shown}'
        if reply.status in RETRY_STATUS:
            raise TransportError(text)
        raise DeliveryError(text)


def _body_type(body_type: str, method: str) -> str:
    """What is configured, else none for an explicit GET and json for all the rest."""
    return read_body_type(body_type or ("none" if method.upper() == "GET" else "json"))


def _check_format(body_type: str, options: RestOptions) -> None:
    if body_type == "json" and options.format.lower() not in ("", "json"):
        raise ProvisionError("format must be json if bodyType is json")
    if body_type == "form" and options.format.lower() != "urlencoded":
        raise ProvisionError("format must be urlencoded if bodyType is form")


def _failure(reason: str, again: bool, method: str, url: str) -> str:
    return f'rest sink fails to send out the data:err={reason} recoverAble={str(again).lower()} method={method} path="{url}"'


async def ping(options: RestOptions, context: SinkContext) -> None:
    """Connect to the server once."""
    check_url(options.url)
    await reach(options.url, context.allow_host)
