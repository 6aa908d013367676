"""What the API does not tell: secrets in error messages, and in what it shows when the server gives none away."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

import msgspec
from msgspec.structs import replace

from plutino.errors import DocumentError, Fault, PlanError, PlutinoError, SqlSyntaxError
from plutino.spi import Action, Answer
from plutino.spi.discretion import make_discreet, secrets_in
from plutino.spi.json_text import Path
from plutino.spi.rewriting import rewritten_inside, rewritten_json
from plutino.spi.secrets import MASK, masked_text, replaced, scrubbed, secret_spans
from plutino.spi.wire import JSON

_LOOKED_INTO = 256 * 1024
"""Bytes of a refused body in which secrets are looked for; the faults of a larger document are discreet already, one by one."""

TRANSFER = "transfer"
"""Tag of actions that hide secrets themselves."""


class Discretion:
    """Takes secrets out of what leaves the server.

    ``declared``: lower-case names of secret options; ``plain``: whether objects are shown as they are.
    """

    def __init__(self, declared: Collection[str] = (), *, plain: bool = True) -> None:
        self._declared = declared
        self._plain = plain

    def error(self, error: PlutinoError, body: bytes) -> None:
        """Make an error about a request tell nothing of its secrets."""
        text = body.decode("utf-8", "replace") if len(body) <= _LOOKED_INTO else ""
        make_discreet(error, text, self._declared)
        _blank_statements(error, secrets_in(text, self._declared, broken=True) if text else ())
        if isinstance(error, DocumentError) and error.faults:
            values = secrets_in(text, self._declared, broken=True) if text else set()
            error.faults = tuple(_discreet_fault(fault, values) for fault in error.faults)

    def answer(self, action: Action, answer: Answer) -> Answer:
        """The answer of an action as it may be shown."""
        if self._plain or TRANSFER in action.tags or not isinstance(answer.content, str | bytes) or answer.status >= 400:
            return answer
        if answer.media.startswith(JSON):
            content = answer.content if isinstance(answer.content, str) else answer.content.decode("utf-8", "replace")
            return replace(answer, content=self._masked(content))
        if answer.media.startswith("text/"):
            content = answer.content if isinstance(answer.content, str) else answer.content.decode("utf-8", "replace")
            return replace(answer, content=scrubbed(content, secrets_in(content, self._declared)))
        return answer

    def _masked(self, content: str) -> str:
        secret = secrets_in(content, self._declared)

        def change(path: Path, value: Any) -> str | None:
            if isinstance(value, str):
                if value in secret:
                    return MASK
                inside = rewritten_inside(path, value, change)
                found = inside if inside is not None else masked_text(value)
                return None if found == value else found
            return MASK if str(value) in secret and value is not msgspec.UNSET else None

        return rewritten_json(content, change)


def _blank_statements(error: BaseException | None, values: Collection[str]) -> None:
    """Statements are shown with a place underlined, so a secret in them becomes as many stars."""
    while error is not None:
        if isinstance(error, SqlSyntaxError | PlanError) and error.text:
            for value in values:
                for form in {value, json.dumps(value)[1:-1]}:
                    error.text = error.text.replace(form, "*" * len(form))
            error.text = replaced(error.text, secret_spans(error.text), lambda part: "*" * len(part))
        error = error.__cause__


def _discreet_fault(fault: Fault, values: Collection[str]) -> Fault:
    return Fault(fault.path, scrubbed(fault.text, values), fault.line, fault.column, fault.file)
