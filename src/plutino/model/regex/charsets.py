"""Character sets by name, and the other cases of letters."""

from __future__ import annotations

import unicodedata
from functools import cache
from typing import Final

from plutino.model.regex.tree import MAX_CODE, Ranges, inverted, normalized

DIGITS: Final[Ranges] = ((48, 57),)
SPACES: Final[Ranges] = ((9, 10), (12, 13), (32, 32))
WORD: Final[Ranges] = ((48, 57), (65, 90), (95, 95), (97, 122))
NOT_NEWLINE: Final[Ranges] = ((0, 9), (11, MAX_CODE))
ANYTHING: Final[Ranges] = ((0, MAX_CODE),)

PERL: Final[dict[str, Ranges]] = {
    "d": DIGITS,
    "s": SPACES,
    "w": WORD,
    "D": inverted(DIGITS),
    "S": inverted(SPACES),
    "W": inverted(WORD),
}
POSIX: Final[dict[str, Ranges]] = {
    "alnum": ((48, 57), (65, 90), (97, 122)),
    "alpha": ((65, 90), (97, 122)),
    "ascii": ((0, 127),),
    "blank": ((9, 9), (32, 32)),
    "cntrl": ((0, 31), (127, 127)),
    "digit": DIGITS,
    "graph": ((33, 126),),
    "lower": ((97, 122),),
    "print": ((32, 126),),
    "punct": ((33, 47), (58, 64), (91, 96), (123, 126)),
    "space": ((9, 13), (32, 32)),
    "upper": ((65, 90),),
    "word": WORD,
    "xdigit": ((48, 57), (65, 70), (97, 102)),
}
_CATEGORIES: Final = frozenset(
    major + minor
    for major, minors in {"L": "ultmo", "M": "nce", "N": "dlo", "P": "cdseifo", "S": "mcko", "Z": "slp", "C": "cfos"}.items()
    for minor in ("", *minors)
)
_SCRIPTS: Final[dict[str, tuple[str, ...]]] = {
    "Latin": ("LATIN",),
    "Greek": ("GREEK",),
    "Cyrillic": ("CYRILLIC",),
    "Han": ("CJK UNIFIED", "CJK COMPATIBILITY IDEOGRAPH", "CJK RADICAL", "KANGXI RADICAL"),
    "Hiragana": ("HIRAGANA",),
    "Katakana": ("KATAKANA",),
    "Hangul": ("HANGUL",),
    "Arabic": ("ARABIC LETTER", "ARABIC LIGATURE"),
    "Hebrew": ("HEBREW",),
    "Thai": ("THAI",),
    "Devanagari": ("DEVANAGARI",),
    "Armenian": ("ARMENIAN",),
    "Georgian": ("GEORGIAN",),
}


@cache
def unicode_set(name: str) -> Ranges | None:
    """A general category or a common script; ``None`` when the name is unknown."""
    if name == "Any":
        return ANYTHING
    if name in _CATEGORIES:
        return _runs(lambda c: unicodedata.category(c).startswith(name))
    prefixes = _SCRIPTS.get(name)
    if prefixes is None:
        return None
    return _runs(lambda c: c.isalpha() and unicodedata.name(c, "").startswith(prefixes))


def fold(ranges: Ranges) -> Ranges:
    """The set with the other cases of its letters."""
    found = list(ranges)
    if ranges and ranges[-1][1] < 128:
        for low, high in ranges:
            for code in range(low, high + 1):
                c = chr(code)
                if c.isalpha():
                    found.append((ord(c.swapcase()),) * 2)
                    found.extend({"k": [(0x212A, 0x212A)], "s": [(0x17F, 0x17F)]}.get(c.lower(), []))
        return normalized(found)
    for code, others in _orbits().items():
        if any(low <= code <= high for low, high in ranges):
            found.extend((other, other) for other in others)
    return normalized(found)


@cache
def _orbits() -> dict[int, tuple[int, ...]]:
    """The other cases of every letter that has some."""
    groups: dict[str, list[int]] = {}
    for code in [*range(65, 0xD800), *range(0xFB00, 0x10000), *range(0x10400, 0x10D00), *range(0x118A0, 0x118E0), *range(0x16E40, 0x16E80)]:
        c = chr(code)
        if c.lower() != c or c.upper() != c:
            key = c.upper() if len(c.upper()) == 1 else c
            groups.setdefault(key.lower() if len(key.lower()) == 1 else key, []).append(code)
    return {code: tuple(o for o in group if o != code) for group in groups.values() if len(group) > 1 for code in group}


def _runs(belongs: object) -> Ranges:
    assert callable(belongs)
    found: list[tuple[int, int]] = []
    start = -1
    for code in range(MAX_CODE + 2):
        inside = code <= MAX_CODE and belongs(chr(code))
        if inside and start < 0:
            start = code
        elif not inside and start >= 0:
            found.append((start, code - 1))
            start = -1
    return tuple(found)
