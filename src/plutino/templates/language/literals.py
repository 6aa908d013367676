"""Go literals: strings, characters and numbers as the template language writes them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from plutino.templates.go.values import INT64_MAX, INT64_MIN, from_utf8


class LiteralError(Exception):
    """A literal is malformed; the text is Go's."""


@dataclass(frozen=True, slots=True)
class Number:
    """A constant under every type that can hold it, as Go's ideal constants; ``None`` where it cannot.

    ``too_big`` tells an integer that only an unsigned 64-bit type holds.
    """

    integer: int | None = None
    real: float | None = None
    complex: complex | None = None
    too_big: bool = False


_SIMPLE: Final = {"a": 7, "b": 8, "f": 12, "n": 10, "r": 13, "t": 9, "v": 11, "\\": 92}
_ESCAPE: Final = re.compile(r"\\(?:([abfnrtv\\'\"])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3}))", re.ASCII)
_INTEGER: Final = re.compile(r"([+-]?)(0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+|[0-9_]+)\Z", re.ASCII)
_DECIMAL: Final = re.compile(r"[+-]?(?:[0-9_]+\.?[0-9_]*|\.[0-9_]+)(?:[eE][+-]?[0-9_]+)?\Z", re.ASCII)
_HEX_FLOAT: Final = re.compile(r"[+-]?0[xX](?:[0-9a-fA-F_]+\.?[0-9a-fA-F_]*|\.[0-9a-fA-F_]+)[pP][+-]?[0-9_]+\Z", re.ASCII)
_PAIR: Final = re.compile(r"([+-]?[^+-]*(?:[eEpP][+-]?[^+-]*)?)([+-].*)i\Z", re.ASCII)


def unquote(quoted: str) -> str:
    """The value of a string literal with its quotes; ``LiteralError`` when it is malformed."""
    quote, body = quoted[0], quoted[1:-1]
    if quote == "`":
        return body.replace("\r", "")
    if "\\" not in body:
        return body
    parts: list[bytes] = []
    at = 0
    while True:
        slash = body.find("\\", at)
        if slash < 0:
            parts.append(body[at:].encode("utf-8", "surrogatepass"))
            break
        parts.append(body[at:slash].encode("utf-8", "surrogatepass"))
        data, at = _escape(body, slash, '"')
        parts.append(data)
    return from_utf8(b"".join(parts))


def character(quoted: str) -> int:
    """The code of a character literal with its quotes."""
    body = quoted[1:-1]
    if body.startswith("\\"):
        match = _ESCAPE.match(body)
        if match is None:
            raise LiteralError("invalid syntax")
        if match[2] is not None or match[5] is not None:
            code = int(match[2], 16) if match[2] is not None else int(match[5], 8)
            if code > 255:
                raise LiteralError("invalid syntax")
            end = match.end()
        else:
            data, end = _escape(body, 0, "'")
            code = ord(data.decode())
    else:
        if not body:
            raise LiteralError("invalid syntax")
        code, end = ord(body[0]), 1
    if end != len(body):
        raise LiteralError(f"malformed character constant: {quoted}")
    return code


def parse_number(text: str) -> Number:
    """The value of a number literal, imaginary ones included; ``LiteralError`` when it is malformed."""
    if text.endswith("i"):
        imaginary = parse_float(text[:-1])
        if imaginary is not None:
            return _simplified(complex(0, imaginary))
    integer = parse_integer(text)
    if integer is not None:
        if integer > INT64_MAX:
            return Number(real=float(integer), too_big=True)
        return Number(integer=integer, real=float(integer))
    real = parse_float(text)
    if real is None:
        raise LiteralError(f"illegal number syntax: {_quoted(text)}")
    if not any(c in text for c in ".eEpP"):
        raise LiteralError(f"integer overflow: {_quoted(text)}")
    whole = int(real) if real.is_integer() and INT64_MIN <= real <= INT64_MAX else None
    return Number(integer=whole, real=real)


def parse_pair(text: str) -> Number:
    """The value of ``1+2i``."""
    match = _PAIR.match(text)
    real = parse_float(match[1]) if match else None
    imaginary = parse_float(match[2]) if match else None
    if real is None or imaginary is None:
        raise LiteralError("syntax error scanning complex number")
    return _simplified(complex(real, imaginary))


def parse_integer(text: str) -> int | None:
    """``strconv.ParseInt`` with base 0, up to the largest unsigned number; ``None`` when it is no integer."""
    match = _INTEGER.match(text)
    if match is None or not underscores_fit(match[2]):
        return None
    digits = match[2].replace("_", "")
    prefix = digits[:2].lower()
    try:
        if prefix in ("0x", "0b", "0o"):
            number = int(digits, 0)
        elif digits.startswith("0") and len(digits) > 1:
            number = int(digits, 8)
        elif len(digits) > 20:
            return None
        else:
            number = int(digits)
    except ValueError:
        return None
    if match[1] == "-":
        return -number if number <= -INT64_MIN else None
    if match[1] == "+" and number > INT64_MAX:
        return None
    return number if number < 1 << 64 else None


def parse_float(text: str) -> float | None:
    """``strconv.ParseFloat``; ``None`` when the text is no number or its value has no finite form."""
    sign = text.lstrip("+-") if len(text) and text[0] in "+-" else text
    if _DECIMAL.match(text) is not None:
        if "_" in text and not underscores_fit(sign):
            return None
        value = float(text.replace("_", ""))
    elif _HEX_FLOAT.match(text) is not None and underscores_fit(sign):
        try:
            value = float.fromhex(text.replace("_", ""))
        except (OverflowError, ValueError):
            return None
    else:
        return None
    return value if value not in (float("inf"), float("-inf")) else None


def underscores_fit(digits: str) -> bool:
    """Whether underscores stand between digits only, or after the base prefix."""
    if "_" not in digits:
        return True
    body = digits[2:] if digits[:2].lower() in ("0x", "0b", "0o") else digits
    if body is not digits and body.startswith("_"):
        body = body[1:]
    return re.search(r"(?:^|[^0-9a-fA-F])_|_(?:$|[^0-9a-fA-F])", body) is None


def _escape(body: str, at: int, quote: str) -> tuple[bytes, int]:
    """The bytes of the escape at ``body[at]`` and where it ends."""
    match = _ESCAPE.match(body, at)
    if match is None:
        raise LiteralError("invalid syntax")
    simple, two, four, eight, octal = match.groups()
    if simple is not None:
        if simple in "'\"" and simple != quote:
            raise LiteralError("invalid syntax")
        return bytes((_SIMPLE.get(simple, ord(simple)),)), match.end()
    if two is not None:
        return bytes((int(two, 16),)), match.end()
    if octal is not None:
        if int(octal, 8) > 255:
            raise LiteralError("invalid syntax")
        return bytes((int(octal, 8),)), match.end()
    code = int(four or eight, 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise LiteralError("invalid syntax")
    return chr(code).encode(), match.end()


def _simplified(value: complex) -> Number:
    if value.imag != 0:
        return Number(complex=value)
    whole = int(value.real) if value.real.is_integer() and INT64_MIN <= value.real <= INT64_MAX else None
    return Number(integer=whole, real=value.real, complex=value)


def _quoted(text: str) -> str:
    return f'"{text}"'
