"""The API's description."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from unit.rest.kit import Api


async def test_every_action_is_described(api: Api) -> None:
    """Paths, parameters, bodies and answers come from the actions."""
    document = (await api.ask("GET", "/openapi.json")).json
    assert document["openapi"].startswith("3.1")
    served = {(a.method.lower(), a.path) for spec in api.controller.specs.values() for a in spec.actions}
    described = {(method, path) for path, methods in document["paths"].items() for method in methods}
    assert served <= described
    operation = document["paths"]["/metadata/sources/{type}/confKeys/{key}"]["put"]
    assert [p["name"] for p in operation["parameters"]] == ["type", "key"]
    assert operation["requestBody"]["required"] is True


async def test_references_lead_somewhere_and_operation_ids_are_distinct(api: Api) -> None:
    """What generators of clients rely on."""
    text = (await api.ask("GET", "/openapi.json")).text
    document = (await api.ask("GET", "/openapi.json")).json
    for name in re.findall(r'"\$ref":"#/components/schemas/(\w+)"', text):
        assert name in document["components"]["schemas"]
    ids = [operation["operationId"] for methods in document["paths"].values() for operation in methods.values()]
    assert len(ids) == len(set(ids))


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value or "" for name, value in attrs if name == "src" or (tag == "link" and name == "href")]


async def test_the_page_loads_nothing_from_elsewhere(api: Api) -> None:
    """One page, complete in itself, and a policy that says so."""
    reply = await api.ask("GET", "/docs")
    assert reply.headers["content-type"].startswith("text/html")
    links = _Links()
    links.feed(reply.text)
    assert links.loaded == []
    assert "http://" not in reply.text
    assert "https://" not in reply.text
    assert "default-src 'none'" in reply.headers["content-security-policy"]
