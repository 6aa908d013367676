"""Which action a path finds."""

from __future__ import annotations

import pytest

from plutino.rest.routes import Routes, cleaned
from plutino.spi import Action, Answer, Call


async def _nothing(call: Call) -> Answer:
    return Answer()


def _routes(*served: tuple[str, str]) -> Routes:
    return Routes(Action(method, path, _nothing, "") for method, path in served)


def test_literal_segments_come_before_parameters() -> None:
    """/rules/status/all is not the status of a rule named status."""
    routes = _routes(("GET", "/rules/{id}/{what}"), ("GET", "/rules/status/all"))
    found = routes.find("GET", "/rules/status/all")
    assert found is not None
    assert found.action is not None
    assert found.action.path == "/rules/status/all"


def test_a_path_that_fits_twice_goes_to_the_one_with_the_method() -> None:
    """GET of a word that is only a POST endpoint reads a rule of that name."""
    routes = _routes(("POST", "/rules/validate"), ("GET", "/rules/{id}"))
    found = routes.find("GET", "/rules/validate")
    assert found is not None
    assert dict(found.params) == {"id": "validate"}


def test_unknown_method_tells_the_known_ones() -> None:
    """The path is known, the method is not."""
    found = _routes(("GET", "/rules"), ("POST", "/rules")).find("DELETE", "/rules")
    assert found is not None
    assert found.action is None
    assert found.methods == ("GET", "POST")


@pytest.mark.parametrize("path", ["/nosuch", "/rules/", "/rules/a/b/c", "/rules//status"])
def test_no_path_fits(path: str) -> None:
    """Paths are exact, and a parameter is never empty."""
    assert _routes(("GET", "/rules"), ("GET", "/rules/{id}/status")).find("GET", path) is None


def test_an_action_twice_is_a_defect() -> None:
    """Two kinds must not serve the same path and method."""
    with pytest.raises(ValueError, match="GET /a is defined twice"):
        _routes(("GET", "/a"), ("GET", "/a"))


@pytest.mark.parametrize(
    ("path", "clean"), [("//streams", "/streams"), ("/a/../b", "/b"), ("/a/./b/", "/a/b/"), ("/", "/"), ("/a", "/a"), ("//", "/")]
)
def test_cleaned_path(path: str, clean: str) -> None:
    """Empty and relative segments go, a slash at the end stays."""
    assert cleaned(path) == clean
