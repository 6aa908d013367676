"""Strings: upper and lower case, and the naming conventions of programs."""

from __future__ import annotations

import unicodedata

from plutino.templates.functions.registry import define
from plutino.templates.functions.text import SPACE


@define("upper", "string -> string")
def upper(text: str) -> str:
    return text.upper() if text.isascii() else "".join(map(_upper, text))


@define("lower", "string -> string")
def lower(text: str) -> str:
    return text.lower() if text.isascii() else "".join(map(_lower, text))


@define("title", "string -> string")
def title(text: str) -> str:
    parts: list[str] = []
    start = True
    for c in text:
        parts.append(_title(c) if start else c)
        start = _separates(c)
    return "".join(parts)


@define("untitle", "string -> string")
def untitle(text: str) -> str:
    parts: list[str] = []
    start = True
    for c in text:
        if c in SPACE:
            start = True
        elif start:
            c = _lower(c)
            start = False
        parts.append(c)
    return "".join(parts)


@define("swapcase", "string -> string")
def swapcase(text: str) -> str:
    parts: list[str] = []
    start = True
    for c in text:
        category = unicodedata.category(c)
        if category in ("Lu", "Lt"):
            c, start = _lower(c), False
        elif category == "Ll":
            c, start = (_title(c) if start else _upper(c)), False
        else:
            start = c in SPACE
        parts.append(c)
    return "".join(parts)


@define("camelcase", "string -> string")
def camelcase(text: str) -> str:
    """``http_server`` to ``HttpServer``."""
    body = text.lstrip("-_" + SPACE)
    parts = [text[: len(text) - len(body)]]
    if not body:
        # Connectors alone: the original writes the last one twice.
        return text + text[-1:]
    previous = _upper(body[0])
    shouting = body[0].isupper()
    for c in body[1:]:
        if _connects(c) and _connects(previous):
            parts.append(previous)
            continue
        if _connects(previous):
            shouting = _is_upper(c)
            c = _upper(c)
        else:
            if shouting and _is_upper(c):
                c = _lower(c)
            else:
                shouting = False
            parts.append(previous)
        previous = c
    parts.append(previous)
    return "".join(parts)


@define("snakecase", "string -> string")
def snakecase(text: str) -> str:
    return _split_words(text, "_")


@define("kebabcase", "string -> string")
def kebabcase(text: str) -> str:
    return _split_words(text, "-")


def _split_words(text: str, connector: str) -> str:
    """``HTTPServer20x`` to ``http_server_20x``: words are runs of one kind of characters."""
    if not text:
        return ""
    parts: list[str] = []
    words = _Words(text)
    kind, word = words.next()
    while words.rest:
        if kind != "connector":
            parts.append(_lowered(kind, word, connector))
        previous, last = kind, word
        kind, word = words.next()
        if previous == "number":
            kind, word = _take_small(words, kind, word, parts, connector)
            if kind not in ("", "punctuation", "connector"):
                parts.append(connector)
        elif previous == "connector":
            parts.append(_lowered(previous, last, connector))
        elif previous != "punctuation":
            kind, word = _after_word(words, kind, word, parts, connector)
    parts.append(_lowered(kind, word, connector))
    return "".join(parts)


def _after_word(words: _Words, kind: str, word: str, parts: list[str], connector: str) -> tuple[str, str]:
    """What follows a word of letters: a number belongs to it unless small letters follow the number."""
    if kind != "number":
        if kind not in ("connector", "punctuation"):
            parts.append(connector)
        return kind, word
    if not words.rest:
        return kind, word
    number = word
    kind, word = words.next()
    if kind != "small":
        parts.append(number)
        if kind not in ("connector", "punctuation"):
            parts.append(connector)
        return kind, word
    parts += (connector, number)
    kind, word = _take_small(words, kind, word, parts, connector)
    if kind not in ("", "connector", "punctuation"):
        parts.append(connector)
    return kind, word


def _take_small(words: _Words, kind: str, word: str, parts: list[str], connector: str) -> tuple[str, str]:
    while kind in ("small", "number"):
        parts.append(_lowered(kind, word, connector))
        kind, word = words.next()
    return kind, word


def _lowered(kind: str, word: str, connector: str) -> str:
    if kind not in ("upper", "connector"):
        return word
    return "".join([connector if _connects(c) else _lower(c) if _is_upper(c) else c for c in word])


class _Words:
    """Cuts a text into runs of one kind of characters; the kind is empty at the end."""

    __slots__ = ("at", "text")

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    @property
    def rest(self) -> bool:
        """Whether there is more to come."""
        return self.at < len(self.text)

    def next(self) -> tuple[str, str]:
        start = self.at
        if not self.rest:
            return "", ""
        kind = _kind(self.text[start])
        self.at += 1
        if kind != "upper":
            self._skip(kind)
        elif self.rest and _is_upper(self.text[self.at]):
            self._skip("upper")
            # Of HTTPServer the S belongs to the next word.
            if self.rest and _kind(self.text[self.at]) == "small":
                self.at -= 1
        else:
            self._skip("small")
        return kind, self.text[start : self.at]

    def _skip(self, kind: str) -> None:
        while self.at < len(self.text) and _kind(self.text[self.at]) == kind:
            self.at += 1


def _kind(c: str) -> str:
    if _connects(c):
        return "connector"
    category = unicodedata.category(c)
    if category[0] == "P":
        return "punctuation"
    if category == "Lu":
        return "upper"
    if category[0] == "L" and not _is_cjk(c):
        return "small"
    return "number" if category[0] == "N" else "other"


def _is_cjk(c: str) -> bool:
    """Han characters make no words here."""
    return "\u3400" <= c <= "\u4d85" or "\u4e00" <= c <= "\u9fcc" or "\U00020000" <= c <= "\U0002b81d"


def _connects(c: str) -> bool:
    return c in "-_" or c in SPACE


def _separates(c: str) -> bool:
    """Whether a word may start after ``c``: not after letters, digits and the underscore."""
    if c.isascii():
        return not (c.isalnum() or c == "_")
    return not c.isalpha() and not c.isdecimal() and c in SPACE


def _is_upper(c: str) -> bool:
    return unicodedata.category(c) == "Lu"


def _upper(c: str) -> str:
    changed = c.upper()
    return changed if len(changed) == 1 else c


def _lower(c: str) -> str:
    changed = c.lower()
    return changed if len(changed) == 1 else changed[0]


def _title(c: str) -> str:
    changed = c.title()
    return changed if len(changed) == 1 else c
