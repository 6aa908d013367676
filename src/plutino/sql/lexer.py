"""Turns a statement into tokens, with one compiled regular expression.

A token is ``(kind, text, start, end)``. ``kind`` is the upper-case keyword, the operator itself, or one of the names below; ``text``
is what an error message shows (a string's value, a name without backquotes). The last token is always ``END``.

The dialect's oddities that are kept: white space may stand inside two-character operators, ``- >`` and ``/ *`` included; words are
ASCII; an unclosed backquote runs to the end; NUL ends the text. Not kept: ``- -`` is two minus signs, only ``--`` starts a comment; a
lone ``!`` is an error.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

Token: TypeAlias = tuple[str, str, int, int]

IDENT: Final = "identifier"
INTEGER: Final = "integer"
NUMBER: Final = "number"
STRING: Final = "string"
SINGLE: Final = "single-quoted string"
BAD: Final = "illegal text"
END: Final = "end"

KEYWORDS: Final = frozenset(
    (
        *("SELECT", "AS", "FROM", "WHERE", "AND", "OR", "GROUP", "HAVING", "ORDER", "BY", "DESC", "ASC", "FILTER"),
        *("INNER", "LEFT", "RIGHT", "FULL", "CROSS", "JOIN", "ON", "CASE", "WHEN", "THEN", "DEFAULT", "ELSE", "END"),
        *("IN", "NOT", "BETWEEN", "LIKE", "OVER", "PARTITION", "REPLACE", "EXCEPT", "INVISIBLE", "TRUE", "FALSE"),
        *("DD", "HH", "MI", "SS", "MS", "LIMIT"),
    )
)
UNITS: Final = frozenset(("DD", "HH", "MI", "SS", "MS"))

_TOKEN: Final = re.compile(
    r"""
    (?: [ \t\r\n]+ | --[^\n]* | /[ \t\r\n]*\*(?s:.*?)\*/ )*+
    (?: ([A-Za-z][A-Za-z0-9_]*+)                                        # 1 word
      | (/[ \t\r\n]*\*)                                                 # 2 comment that is not closed
      | ([!<>][ \t\r\n]*= | -[ \t\r\n]*> | \.(?![0-9]) | [-+*/%&|^=<>,()\[\]:;\#] )    # 3 operator
      | ([0-9]++[0-9.]*+ | \.[0-9.]++)                                  # 4 number
      | "((?:[^"\\]++|\\(?s:.))*+)"                                     # 5 string
      | '((?:[^'\\]++|\\(?s:.))*+)'                                     # 6 single-quoted string
      | `([^`]*+)`?                                                     # 7 quoted identifier
      | (["'](?s:.*))                                                   # 8 string that is not closed
      | ((?s:.))                                                        # 9 anything else
      | (\Z)                                                            # 10
    )
    """,
    re.VERBOSE,
)

_ESCAPE: Final = re.compile(r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|([0-7]{3})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|)")
_SIMPLE_ESCAPES: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", "'": "'", '"': '"'}


def tokenize(text: str) -> list[Token]:
    """The tokens of ``text``. Never fails: what is no token becomes ``BAD``, which no rule of the grammar accepts, and ends the list."""
    if "\0" in text:
        text = text[: text.index("\0")]
    tokens: list[Token] = []
    add = tokens.append
    keywords = KEYWORDS
    for match in _TOKEN.finditer(text):
        group = match.lastindex or 0
        start, end = match.span(group)
        if group == 1:
            word = match[1]
            upper = word.upper()
            add((upper, upper, start, end) if upper in keywords else (IDENT, word, start, end))
        elif group == 3:
            operator = match[3]
            if len(operator) > 2:
                operator = operator[0] + operator[-1]
            add((operator, operator, start, end))
        elif group == 4:
            number = match[4]
            add((NUMBER if "." in number else INTEGER, number, start, end))
        elif group == 10:
            break
        elif group == 5 or group == 6:
            add(_string(match[group], group == 6, start - 1, end + 1))
        elif group == 7:
            add((IDENT if end > start else BAD, match[7], start - 1, match.end()))
        else:
            shown = _normal_quotes(match[8][1:], match[8][0] == "'") if group == 8 else match[group]
            add((BAD, shown, start, end))
            break
    add((END, "EOF", len(text), len(text)))
    return tokens


def _string(body: str, single: bool, start: int, end: int) -> Token:
    value = body
    if "\n" in body or "\\" in body:
        unescaped = None if "\n" in body else _unescape(body, single)
        if unescaped is None:
            return BAD, f'invalid string: {_normal_quotes(body, single)}"', start, end
        value = unescaped
    return SINGLE if single else STRING, value, start, end


def _normal_quotes(body: str, single: bool) -> str:
    """How a faulty string is shown: opening double quote, and escapes as they would stand between double quotes."""
    return '"' + (body.replace("\\'", "'").replace('"', '\\"') if single else body)


def _unescape(body: str, single: bool) -> str | None:
    r"""The value of a string with backslashes, None when an escape is unknown. ``\x`` and octal escapes are bytes of UTF-8."""
    parts: list[bytes] = []
    position = 0
    for match in _ESCAPE.finditer(body):
        simple, hexadecimal, octal, short, long = match.groups()
        if simple is not None:
            if simple == "'" and not single:
                return None
            piece = _SIMPLE_ESCAPES[simple].encode()
        elif hexadecimal is not None or octal is not None:
            byte = int(hexadecimal, 16) if hexadecimal is not None else int(octal, 8)
            if byte > 255:
                return None
            piece = bytes((byte,))
        elif short is not None or long is not None:
            code = int(short or long, 16)
            if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
                return None
            piece = chr(code).encode()
        else:
            return None
        parts += (body[position : match.start()].encode("utf-8", "surrogatepass"), piece)
        position = match.end()
    parts.append(body[position:].encode("utf-8", "surrogatepass"))
    joined = b"".join(parts)
    try:
        return joined.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return joined.decode("utf-8", "replace")
