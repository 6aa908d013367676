"""Settings that are changed while the server runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from plutino.model.moment import local_zone, set_zone
from unit.rest.kit import Api


@pytest.fixture(autouse=True)
def zone() -> Iterator[None]:
    """The zone is a setting of the process."""
    yield
    set_zone("Local")


@pytest.mark.parametrize(
    ("body", "asked"),
    [
        ({}, []),
        ({"logLevel": "error"}, [("level", "error")]),
        ({"loglevel": "WARN", "debug": True}, [("level", "warning"), ("debug", True)]),
        ({"consoleLog": False, "fileLog": True}, [("write", False, True)]),
        ({"fileLog": False}, [("write", None, False)]),
        ({"debug": None, "unknown": 1}, []),
    ],
)
async def test_the_log_is_told(api: Api, body: dict[str, Any], asked: list[tuple[Any, ...]]) -> None:
    """Only what stands in the request is changed."""
    reply = await api.ask("PATCH", "/configs", body)
    assert (reply.status, reply.data, api.log_control.asked) == (204, b"", asked)


async def test_the_zone_is_changed(api: Api) -> None:
    """Dates without a zone are read in it from now on."""
    assert (await api.ask("PATCH", "/configs", {"timezone": "Asia/Tokyo"})).status == 204
    assert str(local_zone()) == "Asia/Tokyo"
    assert (await api.ask("PATCH", "/configs", {"timezone": ""})).status == 204
    assert str(local_zone()) == "UTC"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "Invalid JSON: unexpected EOF"),
        ({"debug": "x"}, "Invalid JSON: json: cannot unmarshal string into Go struct field .debug of type bool"),
        ({"timezone": "Mars/Phobos"}, "Invalid TZ: unknown time zone Mars/Phobos"),
        ({"logLevel": "nonsense"}, "logLevel: nonsense; one of trace, debug, info, warn, warning, error, fatal, panic is expected"),
    ],
)
async def test_what_cannot_be_set(api: Api, body: Any, message: str) -> None:
    """The answer says what is wrong."""
    reply = await api.ask("PATCH", "/configs", body)
    assert (reply.status, reply.json) == (400, {"error": 1000, "message": message})


async def test_nothing_is_changed_by_a_request_with_a_fault(api: Api) -> None:
    """Also what stands before the fault is left alone."""
    body = {"logLevel": "error", "metricsDumpConfig": {"enable": True}, "timezone": "Mars/Phobos"}
    assert (await api.ask("PATCH", "/configs", body)).status == 400
    api.log_control.refused = "log file: permission denied"
    refused = await api.ask("PATCH", "/configs", {"logLevel": "error", "fileLog": True, "timezone": "Asia/Tokyo"})
    assert (refused.status, refused.json["message"]) == (400, "log file: permission denied")
    assert api.log_control.asked == []
    assert not api.record.enabled
    assert str(local_zone()) != "Asia/Tokyo"
