"""Content types of answers: those of the original for its clients, JSON for those that ask for it by name."""

from __future__ import annotations

import pytest

from plutino.rest.media import JSON_ERRORS, TEXT_RESULTS, error_media, labelled
from plutino.spi import Action, Answer, Call
from unit.rest.kit import Api

JSON, TEXT = "application/json", "text/plain; charset=utf-8"


async def _nothing(_: Call) -> Answer:
    return Answer()


@pytest.mark.parametrize(
    ("method", "path", "accept", "media"),
    [
        ("GET", "/connections", "*/*", TEXT),
        ("GET", "/connections", "application/json", JSON),
        ("GET", "/connections/{id}", "*/*", JSON),
        ("POST", "/data/import", "", TEXT),
    ],
)
def test_results(method: str, path: str, accept: str, media: str) -> None:
    """Some endpoints of the original send their JSON as plain text."""
    action = Action(method, path, _nothing, "")
    assert labelled(action, Answer(b"{}", media=JSON), {"accept": accept}).media == media
    assert labelled(action, Answer(b"x", media="text/html"), {"accept": accept}).media == "text/html"


def test_errors() -> None:
    """Plain text, with the exception that the original makes."""
    upload = Action("PUT", "/schemas/{type}/{name}/upload", _nothing, "")
    assert (error_media(None, {}), error_media(None, {"accept": JSON}), error_media(upload, {})) == (TEXT, JSON, JSON)


async def test_endpoints_that_are_named_exist(api: Api) -> None:
    """A path that is spelled otherwise some day is not forgotten here."""
    paths = (await api.ask("GET", "/openapi.json")).json["paths"]
    found = {(method.upper(), path) for path, methods in paths.items() for method in methods}
    assert (TEXT_RESULTS | JSON_ERRORS) - found == set()
