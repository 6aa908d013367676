"""Go's types for Python values: what a template sees of the data, and the few types that plain Python lacks.

================  ==========================================
Python            Go
================  ==========================================
``None``          ``nil``
``bool``          ``bool``
``int``           ``int64`` (data, results of integer mathematics)
``Int``           ``int`` (literals, lengths, indexes)
``float``         ``float64``
``str``           ``string``; bytes that are no UTF-8 stand as lone surrogates (``surrogateescape``)
``bytes``         ``[]uint8``
``list``          ``[]interface {}``
``dict``          ``map[string]interface {}``
``datetime``      ``time.Time`` (without zone: UTC)
``complex``       ``complex128``
================  ==========================================
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Protocol, runtime_checkable


class Failure(Exception):  # noqa: N818 - an outcome of a template function, turned into TemplateError where it was called
    """A template function refuses its arguments; the text is Go's, without the place."""


class Int(int):
    """Go's ``int``."""

    __slots__ = ()


class Uint8(int):
    """Go's ``uint8``: one byte of a string or of bytes."""

    __slots__ = ()


class Uint64(int):
    """Go's ``uint64``: the parts of a version."""

    __slots__ = ()


class Rows(list[Any]):
    """``[]map[string]interface {}``: what a sink hands over without ``sendSingle``."""

    __slots__ = ()


class StringList(list[str]):
    """``[]string``."""

    __slots__ = ()


class IntList(list[int]):
    """``[]int``."""

    __slots__ = ()


class ListOfLists(list[list[Any]]):
    """``[][]interface {}``."""

    __slots__ = ()


class NilList(list[Any]):
    """``[]interface {}`` that is nil: empty, but ``null`` in JSON."""

    __slots__ = ()


class NilStringList(list[str]):
    """``[]string`` that is nil."""

    __slots__ = ()


class StringMap(dict[str, str]):
    """``map[string]string``."""

    __slots__ = ()


class NilMap(dict[str, Any]):
    """``map[string]interface {}`` that is nil: reads as empty, cannot be written."""

    __slots__ = ()


@runtime_checkable
class Stringer(Protocol):
    """A value that prints itself (durations, months, versions) and knows its Go type and kind."""

    go_type: str
    go_kind: str

    def text(self) -> str:
        """What ``%v`` prints."""
        ...


class _Missing:
    """The type of ``MISSING``."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()
"""A key that is not there, where Go tells it from a null: as receiver of a field and as argument of a typed parameter."""

NO_VALUE: Final = "<no value>"

INT64_MIN: Final = -(1 << 63)
INT64_MAX: Final = (1 << 63) - 1

_TYPES: Final[dict[type, tuple[str, str]]] = {
    bool: ("bool", "bool"),
    int: ("int64", "int64"),
    Int: ("int", "int"),
    Uint8: ("uint8", "uint8"),
    Uint64: ("uint64", "uint64"),
    float: ("float64", "float64"),
    complex: ("complex128", "complex128"),
    str: ("string", "string"),
    bytes: ("[]uint8", "slice"),
    bytearray: ("[]uint8", "slice"),
    list: ("[]interface {}", "slice"),
    tuple: ("[]interface {}", "slice"),
    Rows: ("[]map[string]interface {}", "slice"),
    StringList: ("[]string", "slice"),
    NilStringList: ("[]string", "slice"),
    IntList: ("[]int", "slice"),
    ListOfLists: ("[][]interface {}", "slice"),
    NilList: ("[]interface {}", "slice"),
    dict: ("map[string]interface {}", "map"),
    NilMap: ("map[string]interface {}", "map"),
    StringMap: ("map[string]string", "map"),
    datetime: ("time.Time", "struct"),
}

NIL_LISTS: Final = (NilList, NilStringList)
LISTS: Final = (list, tuple)


def type_name(value: Any) -> str:
    """The Go type of a value that is not nil."""
    found = _TYPES.get(type(value))
    if found is not None:
        return found[0]
    return str(value.go_type) if isinstance(value, Stringer) else _nearest(value)[0]


def kind_name(value: Any) -> str:
    """The Go kind of a value; ``invalid`` for nil."""
    if value is None or value is MISSING:
        return "invalid"
    found = _TYPES.get(type(value))
    if found is not None:
        return found[1]
    return str(value.go_kind) if isinstance(value, Stringer) else _nearest(value)[1]


def _nearest(value: Any) -> tuple[str, str]:
    """Types that come in with data of extensions: the Go type of their base class, else the name of the class as a struct."""
    for base in type(value).__mro__:
        if base in _TYPES:
            return _TYPES[base]
    return f"main.{type(value).__name__}", "struct"


def wrap64(number: int) -> int:
    """An integer as 64-bit arithmetic leaves it."""
    if INT64_MIN <= number <= INT64_MAX:
        return number
    return ((number + (1 << 63)) & ((1 << 64) - 1)) - (1 << 63)


def utf8(text: str) -> bytes:
    """The bytes of a Go string. Surrogates that stand for no byte become U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return b"".join(_byte_of(c) for c in text)


def from_utf8(data: bytes) -> str:
    """The string of Go bytes, whatever they hold."""
    return data.decode("utf-8", "surrogateescape")


def valid_text(text: str) -> str:
    """``text`` as it can be sent: bytes that make no UTF-8 become U+FFFD, halves of a character that meet again are joined."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return utf8(text).decode("utf-8", "replace")
    return text


def byte_length(text: str) -> int:
    """Go's ``len`` of a string."""
    return len(text) if text.isascii() else len(utf8(text))


def _byte_of(character: str) -> bytes:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return bytes((code - 0xDC00,))
    return b"\xef\xbf\xbd" if 0xD800 <= code <= 0xDFFF else character.encode()
