"""Go's gob encoding, as far as stored values use it: plain values, lists, maps, structs, and interfaces holding these.

A value is a sequence of messages. Each begins with its length; one with a negative type number describes that type, the last one holds the
value. Numbers below 128 are one byte, others a byte with the negated length and big-endian bytes; signed numbers have their sign in the
lowest bit; floats are their bytes in reverse order, as a number.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from plutino.errors import FormatError

_DEEPEST = 100


class _Type(Struct, frozen=True):
    """A described type: ``list`` with ``element``, ``map`` with ``key`` and ``element``, ``struct`` with ``fields`` (name, type)."""

    shape: str
    key: int = 0
    element: int = 0
    fields: tuple[tuple[str, int], ...] = ()


def decode(data: bytes) -> Any:
    """The value in ``data``: structs and maps are dicts, absent struct fields are left out. FormatError when it is none."""
    return _Decoder(data).value()


class _Decoder:
    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0
        self._types: dict[int, _Type] = {}
        self._depth = 0

    def value(self) -> Any:
        while True:
            end = self._length() + self._at
            number = self._signed()
            if number < 0:
                self._describe(-number)
                if self._at != end:
                    raise self._fault("a type description has another length than it says")
                continue
            found = self._outermost(number)
            if self._at != end or end != len(self._data):
                raise self._fault("a value ends elsewhere than it says")
            return found

    def _outermost(self, number: int) -> Any:
        """A value that stands by itself: what is no struct has a zero in front."""
        known = self._types.get(number)
        if (known is None or known.shape != "struct") and self._unsigned() != 0:
            raise self._fault("a plain value must begin with zero")
        return self._of_type(number)

    def _of_type(self, number: int) -> Any:
        # Numbers that every encoder knows.
        match number:
            case 1:
                return self._unsigned() != 0
            case 2:
                return self._signed()
            case 3:
                return self._unsigned()
            case 4:
                return self._float()
            case 5:
                return self._take(self._length())
            case 6:
                return self._text()
            case 7:
                return (self._float(), self._float())
            case 8:
                return self._interface()
        known = self._types.get(number)
        if known is None:
            raise self._fault(f"type {number} is not described")
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self._fault(f"more than {_DEEPEST} levels deep")
        try:
            return self._collection(known)
        finally:
            self._depth -= 1

    def _collection(self, known: _Type) -> Any:
        match known.shape:
            case "list":
                return [self._of_type(known.element) for _ in range(self._length())]
            case "map":
                return {self._key(known.key): self._of_type(known.element) for _ in range(self._length())}
            case _:
                return dict(self._fields(known.fields))

    def _key(self, number: int) -> str:
        key = self._of_type(number)
        return key if isinstance(key, str) else str(key)

    def _fields(self, fields: tuple[tuple[str, int], ...]) -> list[tuple[str, Any]]:
        """Fields that are set."""
        found = []
        for index in self._steps():
            if index >= len(fields):
                raise self._fault(f"a struct of {len(fields)} fields has a field {index}")
            name, number = fields[index]
            found.append((name, self._of_type(number)))
        return found

    def _interface(self) -> Any:
        """The name of a Go type, descriptions of what it needs, the length and the value."""
        if not self._text():
            return None
        number = self._signed()
        while number < 0:
            self._describe(-number)
            self._length()
            number = self._signed()
        self._length()
        return self._outermost(number)

    def _describe(self, number: int) -> None:
        """Read what a type is; the layout of descriptions is fixed."""
        found: _Type | None = None
        for index in self._steps():
            match index:
                case 0 | 1:  # array and slice
                    found = _Type("list", element=self._numbers((1,))[0])
                case 2:
                    found = self._struct()
                case 3:
                    key, element = self._numbers((1, 2))
                    found = _Type("map", key=key, element=element)
                case _:
                    raise self._fault("a type that encodes itself cannot be read")
        if found is None:
            raise self._fault(f"type {number} is described by nothing")
        self._types[number] = found

    def _struct(self) -> _Type:
        fields: list[tuple[str, int]] = []
        for index in self._steps():
            if index == 0:
                self._common()
            elif index == 1:
                fields = [self._field() for _ in range(self._length())]
            else:
                raise self._fault("an unknown part in the description of a struct")
        return _Type("struct", fields=tuple(fields))

    def _field(self) -> tuple[str, int]:
        name, number = "", 0
        for index in self._steps():
            if index == 0:
                name = self._text()
            else:
                number = self._signed()
        return name, number

    def _numbers(self, wanted: tuple[int, ...]) -> list[int]:
        """Type numbers at the wanted places of a description."""
        found = dict.fromkeys(wanted, 0)
        for index in self._steps():
            if index == 0:
                self._common()
            else:
                found[index] = self._signed()
        return [found[index] for index in wanted]

    def _common(self) -> None:
        """Name and number, which every description begins with."""
        for index in self._steps():
            if index == 0:
                self._text()
            else:
                self._signed()

    def _steps(self) -> Iterator[int]:
        """Indexes of the parts that follow, each with the distance to the one before in front; zero ends them."""
        index = -1
        while step := self._unsigned():
            index += step
            yield index

    def _text(self) -> str:
        return self._take(self._length()).decode("utf-8", "replace")

    def _float(self) -> float:
        number: float = struct.unpack("<d", self._unsigned().to_bytes(8, "big"))[0]
        return number

    def _signed(self) -> int:
        number = self._unsigned()
        return ~(number >> 1) if number & 1 else number >> 1

    def _length(self) -> int:
        """A count of bytes or members, each of which has a byte at least."""
        number = self._unsigned()
        if number > len(self._data) - self._at:
            raise self._fault(f"{number} bytes or members are said to follow; there are {len(self._data) - self._at} bytes")
        return number

    def _unsigned(self) -> int:
        first = self._take(1)[0]
        if first < 128:
            return first
        size = 256 - first
        if size > 8:
            raise self._fault(f"a number of {size} bytes")
        return int.from_bytes(self._take(size), "big")

    def _take(self, size: int) -> bytes:
        found = self._data[self._at : self._at + size]
        if len(found) != size:
            raise self._fault("ends too early")
        self._at += size
        return found

    def _fault(self, text: str) -> FormatError:
        return FormatError(f"gob value: at byte {self._at} of {len(self._data)}: {text}")
