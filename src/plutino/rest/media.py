"""Content types as the original has them: some of its JSON goes out as plain text.

Clients that ask for ``application/json`` by name get JSON that is called so.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from plutino.spi import Action, Answer
from plutino.spi.wire import JSON, TEXT

TEXT_RESULTS = frozenset(
    {
        ("GET", "/"),
        ("POST", "/"),
        ("GET", "/v2/rules/{id}/status"),
        ("POST", "/rules/validate"),
        ("POST", "/ruletest"),
        ("POST", "/data/import"),
        ("POST", "/async/data/import"),
        ("GET", "/async/task/{id}"),
        ("GET", "/connections"),
        ("GET", "/metadata/resource"),
        ("GET", "/metadata/resources"),
        ("GET", "/plugins/portables/{name}/status"),
    }
)
"""What answers JSON as plain text (rest reference, ``J~``)."""

JSON_ERRORS = frozenset({("PUT", "/schemas/{type}/{name}/upload")})
"""What calls its errors JSON, unlike everything else."""


def asks_for_json(headers: Mapping[str, str]) -> bool:
    """Whether a client names JSON among what it accepts."""
    return JSON in headers.get("accept", "")


def error_media(action: Action | None, headers: Mapping[str, str]) -> str:
    """The content type of an error; ``action`` None where there is no such endpoint."""
    named = action is not None and (action.method, action.path) in JSON_ERRORS
    return JSON if named or asks_for_json(headers) else TEXT


def labelled(action: Action, answer: Answer, headers: Mapping[str, str]) -> Answer:
    """An answer under the content type that its endpoint has in the original."""
    if answer.media != JSON or answer.status >= 400 or (action.method, action.path) not in TEXT_RESULTS or asks_for_json(headers):
        return answer
    return replace(answer, media=TEXT)
