"""LIKE patterns as regular expressions."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=1024)
def like_regex(pattern: str) -> re.Pattern[str]:
    r"""``%`` is any run, ``_`` one character, both without newlines; ``\%``, ``\_`` and ``\\`` stand for themselves.

    Everything else is literal. (The original lets regular expression characters through, and has no way to match a plain ``%``.)
    """
    first, *others = _parts(pattern)
    if not others:
        return re.compile(first)
    *middle, last = others
    # What stands between two runs is best found as early as possible: nothing is gained by looking again further on, so a pattern with
    # many runs costs no more than text times pattern. Only a part with a newline may have to be looked for again.
    between = "".join(f".*?{part}" if "\n" in part else f"(?>.*?{part})" for part in middle if part)
    return re.compile(f"{first}{between}.*{last}")


def _parts(pattern: str) -> list[str]:
    """The regular expressions between the runs of a pattern."""
    parts = [""]
    i = 0
    while i < len(pattern):
        char = pattern[i]
        if char == "\\" and i + 1 < len(pattern) and pattern[i + 1] in "%_\\":
            i += 1
            parts[-1] += re.escape(pattern[i])
        elif char == "%":
            parts.append("")
        elif char == "_":
            parts[-1] += "."
        else:
            parts[-1] += re.escape(char)
        i += 1
    return parts
