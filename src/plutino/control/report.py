"""Wire answers of transfer: the twelve-key object of the original."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from plutino.control.failure import Failure
from plutino.control.sections import SECTIONS


def config_response(failures: Iterable[Failure]) -> dict[str, dict[str, str]]:
    """``{section: {entry: error text}}`` with all twelve sections, empty where all is well."""
    response: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for failure in failures:
        entries = response.setdefault(failure.section, {})
        earlier = entries.get(failure.entry)
        entries[failure.entry] = failure.wire_text if earlier is None else f"{earlier}; {failure.wire_text}"
    return response


def as_text(response: dict[str, dict[str, str]]) -> str:
    """The object as compact JSON: the message of a refused import, and the stored import status."""
    return msgspec.json.encode(response).decode()


def from_text(text: str) -> dict[str, dict[str, str]]:
    """What ``as_text`` made; nothing was refused where no import is known."""
    return msgspec.json.decode(text, type=dict[str, dict[str, str]]) if text else config_response(())
