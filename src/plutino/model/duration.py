"""Durations as Go writes them (``1m30s``, ``500ms``); a bare number counts milliseconds (runtime reference §0)."""

from __future__ import annotations

import re
from typing import Annotated

from msgspec import Meta

Duration = Annotated[int, Meta(extra={"duration": True}, description='Duration in milliseconds; text such as "10s" is accepted')]
"""Whole milliseconds; option models that use it accept Go duration text or a number of milliseconds."""

_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_LONGEST = 100
"""Characters of a text that may be a duration."""
_NANOS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def parse_nanoseconds(text: str) -> int:
    """Nanoseconds of a Go duration text; ValueError with Go's wording when it is none."""
    body = text.lstrip("+-") if text[:1] in "+-" else text
    if len(text) - len(body) > 1:
        raise ValueError(f'time: invalid duration "{text}"')
    if body == "0":
        return 0
    if len(body) > _LONGEST:
        raise ValueError(f'time: invalid duration "{text[:_LONGEST]}…"')
    total, end = 0, 0
    for match in _PART.finditer(body):
        if match.start() != end:
            break
        total += int(float(match[1]) * _NANOS[match[2]]) if "." in match[1] else int(match[1]) * _NANOS[match[2]]
        end = match.end()
    if not body or end != len(body):
        raise ValueError(_refusal(text, body, end))
    return -total if text[0] == "-" else total


def _refusal(text: str, body: str, end: int) -> str:
    rest = re.match(r"(\d+\.?\d*|\.\d+)([^\d.]*)", body[end:])
    if rest and not rest[2]:
        return f'time: missing unit in duration "{text}"'
    if rest:
        return f'time: unknown unit "{rest[2]}" in duration "{text}"'
    return f'time: invalid duration "{text}"'


def parse_duration(value: str | int | float) -> int:
    """Milliseconds of a Go duration text or a number of milliseconds; ValueError when it is neither."""
    if isinstance(value, str):
        return parse_nanoseconds(value) // 10**6
    return int(value)


def format_duration(ms: int) -> str:
    """Go's text of a duration in milliseconds: ``90000`` is ``1m30s``."""
    if ms == 0:
        return "0s"
    sign, ms = ("-", -ms) if ms < 0 else ("", ms)
    if ms < 1000:
        return f"{sign}{ms}ms"
    seconds, millis = divmod(ms, 1000)
    hours, rest = divmod(seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{millis:03d}".rstrip("0").rstrip(".")
    head = f"{hours}h{minutes}m" if hours else (f"{minutes}m" if minutes else "")
    return f"{sign}{head}{seconds}{fraction}s"
