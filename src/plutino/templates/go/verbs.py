"""``printf``: Go's format verbs with flags, width, precision and argument indexes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from plutino.templates.go.float_format import format_float
from plutino.templates.go.printing import sorted_keys, time_text
from plutino.templates.go.quoting import can_backquote, is_print, quote, quote_character
from plutino.templates.go.time_layout import MONTHS
from plutino.templates.go.values import NIL_LISTS, Failure, Stringer, type_name, utf8
from plutino.templates.limits import Walk, check_text

_LIMIT: Final = 1_000_000
"""The largest width or precision."""
_VERB_PARTS: Final = 40
"""What a verb counts against the limit of parts: it takes about as long as that many values."""
_FLAGS: Final = re.compile(r"[#0+\- ]*")
_NUMBER: Final = re.compile(r"[0-9]+", re.ASCII)
_INDEX: Final = re.compile(r"\[([^\]]*)\]")
_BASES: Final = {"b": 2, "o": 8, "O": 8, "d": 10, "x": 16, "X": 16}
_UINT64: Final = (1 << 64) - 1


@dataclass(slots=True)
class _Spec:
    """One verb with its flags; ``sharp_v`` and ``plus_v`` are the flags of ``%#v`` and ``%+v``."""

    minus: bool = False
    plus: bool = False
    sharp: bool = False
    space: bool = False
    zero: bool = False
    width: int | None = None
    precision: int | None = None
    sharp_v: bool = False

    def pad(self, text: str, zero: bool | None = None) -> str:
        """``text`` in the width, with zeros on the left where the flags say so."""
        if not self.width:
            return text
        fill = "0" if (self.zero if zero is None else zero) and not self.minus else " "
        length = len(text)
        if self.minus:
            return text + " " * (self.width - length)
        return fill * (self.width - length) + text

    def cut(self, text: str) -> str:
        """``text`` in the precision."""
        return text if self.precision is None else text[: self.precision]


def sprintf(layout: str, arguments: Sequence[Any]) -> str:
    """``fmt.Sprintf``: faults show up in the text (``%!d(string=x)``)."""
    return _Printer(layout, arguments).run()


class _Printer:
    def __init__(self, layout: str, arguments: Sequence[Any]) -> None:
        self.layout = layout
        self.arguments = arguments
        self.at = 0
        self.argument = 0
        self.reordered = False
        self.good_index = True
        self.after_index = False
        self.parts: list[str] = []
        self.size = 0
        self.walk = Walk()

    def run(self) -> str:
        layout = self.layout
        while True:
            percent = layout.find("%", self.at)
            if percent < 0:
                self.add(layout[self.at :])
                break
            self.add(layout[self.at : percent])
            self.at = percent + 1
            if not self.verb():
                break
        if not self.reordered and self.argument < len(self.arguments):
            extra = ["<nil>" if a is None else f"{type_name(a)}={self.print(a, 'v', _Spec())}" for a in self.arguments[self.argument :]]
            self.add(f"%!(EXTRA {', '.join(extra)})")
        return "".join(self.parts)

    def add(self, text: str) -> None:
        self.size += len(text)
        check_text(self.size)
        self.parts.append(text)

    def verb(self) -> bool:
        """Print one verb; false when the layout ends inside it."""
        self.walk.visit(_VERB_PARTS)
        spec = _Spec()
        self.good_index = True
        self.after_index = False
        flags = _FLAGS.match(self.layout, self.at)
        assert flags is not None
        self.at = flags.end()
        spec.minus, spec.plus, spec.sharp = "-" in flags[0], "+" in flags[0], "#" in flags[0]
        spec.space, spec.zero = " " in flags[0], "0" in flags[0]
        self.index()
        self.read_width(spec)
        if self.layout[self.at : self.at + 1] == "." and self.at + 1 < len(self.layout):
            self.at += 1
            self.read_precision(spec)
        if not self.after_index:
            self.index()
        if self.at >= len(self.layout):
            self.add("%!(NOVERB)")
            return False
        verb = self.layout[self.at]
        self.at += 1
        if verb == "%":
            self.add("%")
        elif not self.good_index:
            self.add(f"%!{verb}(BADINDEX)")
        elif self.argument >= len(self.arguments):
            self.add(f"%!{verb}(BADINDEX)" if self.argument < 0 else f"%!{verb}(MISSING)")
        else:
            if verb == "v":
                spec.sharp_v, spec.sharp = spec.sharp, False
                spec.plus = False
            value = self.arguments[self.argument]
            self.argument += 1
            self.add(self.print(value, verb, spec))
        return True

    def index(self) -> None:
        """An explicit argument index, ``[2]``."""
        self.after_index = False
        if self.layout[self.at : self.at + 1] != "[":
            return
        self.reordered = True
        found = _INDEX.match(self.layout, self.at)
        if found is None:
            self.good_index = False
            self.at += 1
            return
        self.at = found.end()
        number = int(found[1]) if _NUMBER.fullmatch(found[1]) and len(found[1]) < 8 else 0
        if 1 <= number <= len(self.arguments):
            self.argument = number - 1
            self.after_index = True
        else:
            self.good_index = False
            self.after_index = number > 0

    def read_width(self, spec: _Spec) -> None:
        if self.layout[self.at : self.at + 1] == "*":
            self.at += 1
            spec.width = self.star()
            if spec.width is None:
                self.add("%!(BADWIDTH)")
            elif spec.width < 0:
                spec.width, spec.minus, spec.zero = -spec.width, True, False
            self.after_index = False
            return
        spec.width = self.number()
        if self.after_index and spec.width is not None:
            self.good_index = False

    def read_precision(self, spec: _Spec) -> None:
        if self.after_index:
            self.good_index = False
        self.index()
        if self.layout[self.at : self.at + 1] == "*":
            self.at += 1
            spec.precision = self.star()
            if spec.precision is not None and spec.precision < 0:
                spec.precision = None
            if spec.precision is None:
                self.add("%!(BADPREC)")
            self.after_index = False
            return
        spec.precision = self.number() or 0

    def star(self) -> int | None:
        if self.argument >= len(self.arguments):
            return None
        value = self.arguments[self.argument]
        self.argument += 1
        good = isinstance(value, int) and not isinstance(value, bool) and -_LIMIT <= value <= _LIMIT
        return int(value) if good else None

    def number(self) -> int | None:
        found = _NUMBER.match(self.layout, self.at)
        if found is None:
            return None
        digits = found[0]
        if len(digits) > 7 or int(digits) > _LIMIT:
            # Go gives up in the middle of the digits, reads the rest as a verb.
            raise Failure(f"width or precision too large: {digits[:12]}")
        self.at = found.end()
        return int(digits)

    def print(self, value: Any, verb: str, spec: _Spec, depth: int = 0) -> str:
        """One value by one verb."""
        if value is None:
            if depth:
                return "interface {}(nil)" if spec.sharp_v else "<nil>"
            return spec.pad("<nil>") if verb in "vT" else f"%!{verb}(<nil>)"
        if verb == "T" and not depth:
            return spec.pad(spec.cut(type_name(value)))
        match value:
            case bool():
                return spec.pad("true" if value else "false") if verb in "tv" else self.bad(value, verb, spec)
            case Stringer() if verb in "vsxXq" and not (spec.sharp_v and isinstance(value, int)):
                return self.string(value.text(), verb, spec, value)
            case int():
                return self.integer(value, verb, spec)
            case float():
                return _float(value, verb, spec) if verb in "vbgGxXfFeE" else self.bad(value, verb, spec)
            case complex():
                return self.complex(value, verb, spec)
            case str():
                return self.string(value, verb, spec, value)
            case bytes() | bytearray():
                return self.bytes(bytes(value), verb, spec, depth)
            case datetime():
                return self.time(value, verb, spec)
            case list() | tuple() | dict():
                return self.compound(value, verb, spec, depth)
        return self.string(str(value), verb, spec, value)

    def bad(self, value: Any, verb: str, spec: _Spec) -> str:
        return f"%!{verb}({type_name(value)}={self.print(value, 'v', spec)})"

    def time(self, value: datetime, verb: str, spec: _Spec) -> str:
        if verb not in "vsxXq":
            return self.bad(value, verb, spec)
        if not spec.sharp_v:
            return self.string(time_text(value), verb, spec, value)
        zone = "time.UTC" if value.tzinfo in (None, UTC) else f"time.Location({quote(value.tzname() or '')})"
        day = f"{value.year}, time.{MONTHS[value.month - 1]}, {value.day}"
        return f"time.Date({day}, {value.hour}, {value.minute}, {value.second}, {value.microsecond * 1000}, {zone})"

    def compound(self, value: Any, verb: str, spec: _Spec, depth: int) -> str:
        self.walk.visit(len(value))
        if isinstance(value, dict):
            pairs = [
                f"{self.print(key, verb, spec, depth + 1)}:{self.print(value[key], verb, spec, depth + 1)}" for key in sorted_keys(value)
            ]
            return f"{type_name(value)}{{{', '.join(pairs)}}}" if spec.sharp_v else f"map[{' '.join(pairs)}]"
        if spec.sharp_v and isinstance(value, NIL_LISTS):
            return f"{type_name(value)}(nil)"
        parts = [self.print(v, verb, spec, depth + 1) for v in value]
        return f"{type_name(value)}{{{', '.join(parts)}}}" if spec.sharp_v else f"[{' '.join(parts)}]"

    def integer(self, value: int, verb: str, spec: _Spec) -> str:
        unsigned = type_name(value).startswith("uint")
        match verb:
            case "v":
                if spec.sharp_v and unsigned:
                    return f"{int(value):#x}"
                return _integer(value, "d", spec)
            case "d" | "b" | "o" | "O" | "x" | "X":
                return _integer(value, verb, spec)
            case "c":
                return spec.pad(chr(value) if 0 <= value <= 0x10FFFF and not 0xD800 <= value <= 0xDFFF else "\ufffd")
            case "q":
                return spec.pad(quote_character(int(value), ascii_only=spec.plus))
            case "U":
                return _unicode(value, spec)
        return self.bad(value, verb, spec)

    def complex(self, value: complex, verb: str, spec: _Spec) -> str:
        if verb not in "vbgGxXfFeE":
            return self.bad(value, verb, spec)
        real = _float(value.real, verb, spec)
        plus, spec.plus = spec.plus, True
        text = f"({real}{_float(value.imag, verb, spec)}i)"
        spec.plus = plus
        return text

    def string(self, text: str, verb: str, spec: _Spec, value: Any) -> str:
        match verb:
            case "v" if spec.sharp_v:
                return _quoted(text, spec)
            case "v" | "s":
                return spec.pad(spec.cut(text))
            case "q":
                return _quoted(text, spec)
            case "x" | "X":
                return _hexadecimal(utf8(text), verb, spec)
        return self.bad(value, verb, spec)

    def bytes(self, data: bytes, verb: str, spec: _Spec, depth: int) -> str:
        match verb:
            case "s" | "q":
                return self.string(data.decode("utf-8", "surrogateescape"), verb, spec, data)
            case "x" | "X":
                return _hexadecimal(data, verb, spec)
        self.walk.visit(len(data))
        if verb == "v" and spec.sharp_v:
            return f"{'[]uint8' if depth else '[]byte'}{{{', '.join(f'{b:#x}' for b in data)}}}"
        one = "d" if verb == "v" else verb
        if one in _BASES or one in "cqU":
            return f"[{' '.join(self.integer(b, one, spec) for b in data)}]"
        return f"[{' '.join(f'%!{verb}(uint8={b})' for b in data)}]"


def _integer(value: int, verb: str, spec: _Spec) -> str:
    magnitude, base = abs(int(value)), _BASES[verb]
    digits = {2: f"{magnitude:b}", 8: f"{magnitude:o}", 10: str(magnitude), 16: f"{magnitude:x}"}[base]
    signed = value < 0 or spec.plus or spec.space
    if spec.precision is not None:
        if spec.precision == 0 and magnitude == 0:
            return " " * (spec.width or 0)
        digits = digits.rjust(spec.precision, "0")
    elif spec.zero and not spec.minus and spec.width is not None:
        digits = digits.rjust(spec.width - signed, "0")
    if spec.sharp:
        if base == 2:
            digits = "0b" + digits
        elif base == 8 and not digits.startswith("0"):
            digits = "0" + digits
        elif base == 16:
            digits = "0x" + digits
    if verb == "O":
        digits = "0o" + digits
    if verb == "X":
        digits = digits.upper()
    sign = "-" if value < 0 else "+" if spec.plus else " " if spec.space else ""
    return spec.pad(sign + digits, zero=False)


def _unicode(value: int, spec: _Spec) -> str:
    number = int(value) & _UINT64
    digits = f"{number:X}".rjust(max(4, spec.precision or 0), "0")
    shown = f" '{chr(number)}'" if spec.sharp and number <= 0x10FFFF and is_print(chr(number)) else ""
    return spec.pad(f"U+{digits}{shown}", zero=False)


def _float(value: float, verb: str, spec: _Spec) -> str:
    form = {"v": "g", "F": "f"}.get(verb, verb)
    precision = spec.precision
    if precision is None:
        precision = 6 if form in ("e", "E", "f") else -1
    text = format_float(value, form, precision)
    sign = "-" if text.startswith("-") else "+"
    text = text.lstrip("+-")
    if sign == "+" and spec.space and not spec.plus:
        sign = " "
    if text in ("Inf", "NaN"):
        shown = text if text == "NaN" and not spec.space and not spec.plus else sign + text
        if text == "Inf" and sign == "+" and not spec.plus:
            shown = "+Inf"
        return spec.pad(shown, zero=False)
    if spec.sharp and form != "b":
        text = _with_point(text, form, precision)
    if spec.plus or sign != "+":
        if spec.zero and not spec.minus and spec.width is not None and spec.width > len(text) + 1:
            return sign + text.rjust(spec.width - 1, "0")
        return spec.pad(sign + text)
    return spec.pad(text)


def _with_point(text: str, form: str, precision: int) -> str:
    """The ``#`` flag: a decimal point always, trailing zeros kept for ``%g``."""
    split = re.search(r"[pP]" if form in "xX" else r"[eE]", text)
    mantissa, tail = (text[: split.start()], text[split.start() :]) if split else (text, "")
    wanted = (6 if precision == -1 else precision) if form in "gGx" else 0
    significant = mantissa.replace(".", "")
    significant = significant.removeprefix("0x").lstrip("0")
    missing = wanted - len(significant) - (mantissa == "0")
    return mantissa + ("" if "." in mantissa else ".") + "0" * max(0, missing) + tail


def _quoted(text: str, spec: _Spec) -> str:
    text = spec.cut(text)
    if spec.sharp and can_backquote(text):
        return spec.pad(f"`{text}`")
    return spec.pad(quote(text, ascii_only=spec.plus))


def _hexadecimal(data: bytes, verb: str, spec: _Spec) -> str:
    if spec.precision is not None:
        data = data[: spec.precision]
    if not data:
        return spec.pad("")
    separator = (" 0x" if spec.sharp else " ") if spec.space else ""
    text = ("0x" if spec.sharp else "") + separator.join([f"{b:02x}" for b in data])
    return spec.pad(text.upper() if verb == "X" else text)
