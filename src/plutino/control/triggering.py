"""Which trigger is stored with a rule's new text."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

from plutino.catalog.trigger import started

Triggering: TypeAlias = "Callable[[str, str | None, str, bool | None], bool | None]"
"""Gives the trigger, None where the text is to decide; called with the rule's id, its present text (None when it is new), the wanted text
and the present trigger."""


def by_text(rule: str, before: str | None, text: str, flag: bool | None) -> bool | None:
    """The new text decides. One that is not new, and agrees with what was asked for, leaves that."""
    return flag if flag is not None and text == before and flag == started(text) else None


def as_now(rule: str, before: str | None, text: str, flag: bool | None) -> bool | None:
    """Rules stay started or stopped as they are, whatever the new texts say; those of new rules decide."""
    if flag is not None or before is None or started(before) == started(text):
        return flag
    return started(before)


def as_then(triggers: Mapping[str, bool | None]) -> Triggering:
    """As these say, by rule; those that are not named stay as they are."""

    def triggering(rule: str, before: str | None, text: str, flag: bool | None) -> bool | None:
        return triggers[rule] if rule in triggers else as_now(rule, before, text, flag)

    return triggering
