"""Traces on their way to a collector: the request, its address, and a collector that is away."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any

import pytest
from aiohttp import web

from plutino.errors import PlutinoError
from plutino.runtime.trace_export import AT_ONCE, _ended, collector_url, message
from plutino.runtime.traces import Span
from unit.runtime.plant import Plant, rule
from unit.runtime.scripted import Script

TRACE = "0af7651916cd43dd8448eb211c80319c"


class Collector:
    """A collector on a port of its own that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[dict[str, Any]] = []
        self.services: list[str] = []
        self.status = 200
        self.asked = 0
        self._runner: web.AppRunner | None = None

    async def start(self) -> str:
        """The address."""
        app = web.Application()
        app.router.add_post("/v1/traces", self._take)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self) -> None:
        """Take no more."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _take(self, request: web.Request) -> web.Response:
        self.asked += 1
        assert request.content_type == "application/json"
        if self.status == 200:
            (resource,) = (await request.json())["resourceSpans"]
            self.services += [a["value"]["stringValue"] for a in resource["resource"]["attributes"] if a["key"] == "service.name"]
            self.spans += [span for scope in resource["scopeSpans"] for span in scope["spans"]]
        return web.json_response({}, status=self.status)


@pytest.mark.parametrize(
    ("collector", "url"),
    [
        ("localhost:4318", "http://localhost:4318/v1/traces"),
        ("http://c:1/", "http://c:1/v1/traces"),
        ("https://c/x/y", "https://c/x/y"),
        ("[::1]:4318", "http://[::1]:4318/v1/traces"),
    ],
)
def test_the_path_of_a_collector_may_be_left_out(collector: str, url: str) -> None:
    """And so may the scheme."""
    assert collector_url(collector) == url


@pytest.mark.parametrize("collector", ["ftp://c:1", "c:x", "http://", ":4318", "c:99999", "c:0", "a b:1"])
def test_an_address_that_is_none_is_refused(collector: str) -> None:
    """Before anything is sent."""
    with pytest.raises(PlutinoError, match="collector_url"):
        collector_url(collector)


def test_a_request_has_every_span_with_its_parent() -> None:
    """Ids of the length that the protocol has, times in nanoseconds as text, values by their type."""
    root = Span("s", TRACE, "r", 10, 12, attributes={"data": "x", "n": 3, "f": 0.5, "b": True})
    root.add(Span("2_filter", TRACE, "r", 11, 12, links=["short"]))
    (resource,) = json.loads(message([root], "plant"))["resourceSpans"]
    assert resource["resource"]["attributes"] == [{"key": "service.name", "value": {"stringValue": "plant"}}]
    first, second = resource["scopeSpans"][0]["spans"]
    assert (first["traceId"], first["spanId"], "parentSpanId" in first) == (TRACE, root.id, False)
    assert (first["startTimeUnixNano"], first["endTimeUnixNano"]) == ("10000", "12000")
    assert [a["value"] for a in first["attributes"]] == [
        {"stringValue": "r"},
        {"stringValue": "x"},
        {"intValue": "3"},
        {"doubleValue": 0.5},
        {"boolValue": True},
    ]
    assert (second["parentSpanId"], second["name"]) == (root.id, "2_filter")
    assert len(second["links"][0]["traceId"]) == 32


def test_what_is_under_way_waits() -> None:
    """And so does what is more than a request takes."""
    under_way = Span("s", TRACE, "r", 10)
    outbox = deque([under_way, *(Span("s", TRACE, "r", 10, 12 + i) for i in range(AT_ONCE + 1))])
    assert [len(_ended(outbox)), len(_ended(outbox)), len(_ended(outbox))] == [AT_ONCE, 1, 0]
    assert list(outbox) == [under_way]


async def _until(plant: Plant, check: Any) -> None:
    async with asyncio.timeout(10):
        while not check():
            await plant.clock.advance(1000)
            await asyncio.sleep(0.01)


async def test_a_collector_that_is_away_gets_the_traces_later(plant: Plant) -> None:
    """It is told once in the log, and nothing is sent any more after stop."""
    collector = Collector()
    address = await collector.start()
    try:
        await plant.run(rule(Script(row=lambda r: r, columns=("a",))))
        plant.engine.trace("r", "always")
        collector.status = 503
        await plant.engine.export_traces(address, "plant")
        plant.source().offer({"a": 1}, {"a": 2})
        await _until(plant, lambda: collector.asked > 1)
        collector.status = 200
        await _until(plant, lambda: collector.spans)
        roots = [span for span in collector.spans if "parentSpanId" not in span]
        assert sorted(span["traceId"] for span in roots) == sorted(plant.engine.traces("r"))
        assert collector.services == ["plant"]
        await plant.engine.keep_traces()
        sent = collector.asked
        plant.source().offer({"a": 3})
        for _ in range(3):
            await plant.clock.advance(1000)
            await asyncio.sleep(0.01)
        assert collector.asked == sent
    finally:
        await plant.engine.keep_traces()
        await collector.stop()
