"""Source that is pushed to: a path of the data server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from plutino.connectors.http.options import HttpPushOptions, HttpPushPathOptions, check_pushed
from plutino.errors import ProvisionError
from plutino.spi import Delivery, Inlet, SourceContext
from plutino.spi.served import ServedPath

OK = (200, b"ok")
FULL = (503, b"the stream's buffer is full; send again later")


class HttpPushSource:
    """Each body of a request is one payload. A full engine answers 503, so nothing is lost unseen."""

    def __init__(self, options: HttpPushOptions, datasource: str, context: SourceContext) -> None:
        self._path = check_path(datasource)
        check_pushed(options.method)
        self._method = options.method
        self._ingress = context.ingress

    async def run(self, inlet: Inlet, resume: Any) -> None:
        """Serve until cancelled."""

        async def handle(body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
            return OK if inlet.offer(Delivery(payloads=[body])) else FULL

        leave = self._ingress.register(self._path, self._method, handle)
        try:
            inlet.connected()
            await asyncio.get_running_loop().create_future()
        finally:
            leave()


def named_path(id: str, options: HttpPushPathOptions, context: SourceContext) -> ServedPath:
    """A connection of type httppush: the path that its streams are served at."""
    return ServedPath(check_path(options.datasource))


def check_path(path: str) -> str:
    """The path; ProvisionError for one that cannot be served."""
    if not path.startswith("/"):
        raise ProvisionError("property `endpoint` must start with /")
    return path
