"""The error stream: recent errors of each rule with an excerpt of what caused them, sampled so that a flood costs nothing."""

from __future__ import annotations

import re
from collections import deque

from msgspec import Struct

EXCERPT = 256
"""Characters of a payload that are kept."""

KEPT = 16
"""Errors kept per rule."""

BURST = 4
"""Errors of one rule and second that are kept; the rest is only counted."""

_SECRET = r"[^\"\s:]*(?:password|pass|token|secret|key|credential|auth)[^\"\s:]*"
_JSON_SECRET = re.compile(rf"(\"{_SECRET}\"\s*:\s*)(\"(?:[^\"\\]|\\.)*\"?|[^,}}\]\s]+)", re.IGNORECASE)
_MAP_SECRET = re.compile(rf"(\b{_SECRET}:)([^\s\]]+)", re.IGNORECASE)


class ErrorEntry(Struct, frozen=True):
    """One sampled error: epoch ms, the operator that failed, its text, and the start of the payload (secrets masked)."""

    time: int
    stage: str
    text: str
    excerpt: str = ""


class ErrorLog:
    """Sampled recent errors by rule; a rule without errors costs nothing."""

    __slots__ = ("_rules", "_second", "_taken")

    def __init__(self) -> None:
        self._rules: dict[str, deque[ErrorEntry]] = {}
        self._second = 0
        self._taken: dict[str, int] = {}

    def add(self, rule: str, time: int, stage: str, text: str, payload: bytes | str | None = None) -> None:
        """Keep an error, unless this rule has had its share of this second."""
        second = time // 1000
        if second != self._second:
            self._second = second
            self._taken.clear()
        taken = self._taken.get(rule, 0)
        if taken >= BURST:
            return
        self._taken[rule] = taken + 1
        kept = self._rules.get(rule)
        if kept is None:
            kept = self._rules[rule] = deque(maxlen=KEPT)
        kept.append(ErrorEntry(time, stage, mask_text(text), excerpt(payload)))

    def recent(self, rule: str) -> tuple[ErrorEntry, ...]:
        """The kept errors of a rule, oldest first."""
        return tuple(self._rules.get(rule, ()))

    def forget(self, rule: str) -> None:
        """Drop what is kept of a rule."""
        self._rules.pop(rule, None)


def excerpt(payload: bytes | str | None) -> str:
    """The start of a payload as text, secret values masked."""
    if payload is None:
        return ""
    text = payload[: EXCERPT * 4].decode("utf-8", "replace") if isinstance(payload, bytes) else payload
    return mask_text(text)[:EXCERPT]


def mask_text(text: str) -> str:
    """A text with the values of secret-looking keys replaced, in JSON and in printed maps."""
    return _MAP_SECRET.sub(r"\1***", _JSON_SECRET.sub(r'\1"***"', text))
