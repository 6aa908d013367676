"""Whether a rule is started: its JSON text says it (``triggered``, default true), start and stop may say otherwise later."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from plutino.model import Ref

FIELD = "triggered"

RULE = "rule"
"""The kind whose texts say whether they are started."""

TRIGGER = "trigger"
"""Kind of the entries of the history that say how a rule was started or stopped: their texts are ``true`` and ``false``."""


def entry(rule: str, flag: bool | None) -> tuple[Ref, str | None]:
    """A rule's stored trigger as an entry of the history; absent where the rule's text decides."""
    return Ref(TRIGGER, rule), None if flag is None else "true" if flag else "false"


def flag_of(text: str | None) -> bool | None:
    """The trigger that an entry of the history says."""
    return None if text is None else text == "true"


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
