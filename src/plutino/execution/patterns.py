"""LIKE patterns as regular expressions."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=1024)
def like_regex(pattern: str) -> re.Pattern[str]:
    r"""``%`` is any run, ``_`` one character, both without newlines; ``\%``, ``\_`` and ``\\`` stand for themselves.

    Everything else is literal. (The original lets regular expression characters through, and has no way to match a plain ``%``.)
    """
    parts: list[str] = []
    i = 0
    while i < len(pattern):
        char = pattern[i]
        if char == "\\" and i + 1 < len(pattern) and pattern[i + 1] in "%_\\":
            i += 1
            parts.append(re.escape(pattern[i]))
        elif char == "%":
            parts.append(".*")
        elif char == "_":
            parts.append(".")
        else:
            parts.append(re.escape(char))
        i += 1
    return re.compile("".join(parts))
