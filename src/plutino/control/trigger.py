"""Whether a rule is started: its JSON text says it (``triggered``, default true), start and stop may say otherwise later."""

from __future__ import annotations

import msgspec
from msgspec import Raw

FIELD = "triggered"


def started(text: str) -> bool:
    """What a rule's text says; True where it says nothing (or is no JSON object, which its kind refuses)."""
    try:
        fields = msgspec.json.decode(text, type=dict[str, Raw])
    except (msgspec.DecodeError, RecursionError):
        return True
    # Field names match without regard to case, as everywhere in rule documents.
    return all(bytes(value) != b"false" for name, value in fields.items() if name.lower() == FIELD)


def with_started(text: str, flag: bool) -> str:
    """A rule's text with the flag set: keys sorted, values as written. Text that is no JSON object stays as it is."""
    try:
        fields = msgspec.json.decode(text, type=dict[str, Raw])
    except (msgspec.DecodeError, RecursionError):
        return text
    kept = {name: value for name, value in fields.items() if name.lower() != FIELD}
    kept[FIELD] = Raw(b"true" if flag else b"false")
    return msgspec.json.encode(dict(sorted(kept.items()))).decode()
