"""Functions written in JavaScript, each with a virtual machine of its own; after a call that used up its memory a new one takes over."""

from __future__ import annotations

import importlib
import re
import threading
from collections.abc import Sequence
from datetime import datetime
from math import isinf, isnan
from typing import Any

import msgspec

from plutino.errors import DefinitionError, EvaluationError, UnsupportedError

MEMORY_LIMIT = 64 * 1024 * 1024
"""Bytes of one virtual machine."""

STACK_LIMIT = 512 * 1024
TIME_LIMIT_S = 0.1
"""Processor time of one call (or of reading a script): the engine does nothing else meanwhile."""

_MAKE_DATE = "(made => ms => new made(ms))(Date)"
_CHECKED = """((has, number, abs, most) => f => (...args) => {
    const result = f(...args)
    if (typeof result === "bigint") {
        const exact = number(result)
        if (abs(exact) > most) throw new RangeError(`result is ${result}; whole numbers up to ${most} are exact`)
        return exact
    }
    if (typeof result === "string" && has(result, "\\0")) throw new TypeError("result is a text with a NUL character")
    return result
})(Function.prototype.call.bind(String.prototype.includes), Number, Math.abs, Number.MAX_SAFE_INTEGER)"""
"""What the library cannot hand over: it ends texts at a NUL character, and does not know long integers."""

_PLACE = re.compile(r"<input>:(\d+):(\d+)")
_EXACT = 2**53
"""Whole numbers up to this size are exact in JavaScript."""


class JavaScript:
    """The function of a script as SQL calls it; equal to another with the same text. Values go in and out as JavaScript sees them.

    An aggregate gets the values of its group as an array, and each further argument, which must be constant, as an array of that length.
    May be called from several threads: a machine does one call at a time, and none takes long.
    """

    __slots__ = ("_aggregate", "_id", "_machine", "_text", "_turn")

    def __init__(self, id: str, text: str, aggregate: bool) -> None:
        self._id = id
        self._text = text
        self._aggregate = aggregate
        self._machine: Machine | None = None
        self._turn = threading.Lock()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, JavaScript) and self._source == other._source

    def __hash__(self) -> int:
        return hash(self._source)

    @property
    def _source(self) -> tuple[str, str, bool]:
        return self._id, self._text, self._aggregate

    def __call__(self, *args: Any) -> Any:
        """EvaluationError when the script throws, takes too long, needs too much, or gives what is no value."""
        if self._aggregate and args:
            args = (args[0], *([other] * len(args[0]) for other in args[1:]))
        with self._turn:
            machine = self._machine
            try:
                if machine is None:
                    machine = self._machine = Machine(self._id, self._text)
                return machine.call(args)
            except _ScriptError as error:
                if error.spent:
                    self._machine = None
                raise EvaluationError(error.message) from None


class _ScriptError(DefinitionError):
    """A script was refused or threw; ``spent``: its machine cannot be used any more."""

    def __init__(self, message: str, *, spent: bool = False) -> None:
        super().__init__(message)
        self.spent = spent


class Machine:
    """A virtual machine in which a script has run."""

    __slots__ = ("_context", "_date", "_failed", "_function")

    def __init__(self, id: str, text: str) -> None:
        """_ScriptError with the wire text when the script does not run or has no such function."""
        try:
            quickjs = importlib.import_module("quickjs")
        except ImportError:
            raise UnsupportedError("JavaScript functions need quickjs; install plutino[javascript]") from None
        self._failed = quickjs.JSException
        self._context = context = quickjs.Context()
        context.set_memory_limit(MEMORY_LIMIT)
        context.set_max_stack_size(STACK_LIMIT)
        context.set_time_limit(TIME_LIMIT_S)
        # Made before the script can change what these names mean.
        self._date = context.eval(_MAKE_DATE)
        checked = context.eval(_CHECKED)
        try:
            # The last value of a script is of no interest, and may be one that the library does not know.
            context.eval(f"{text}\n;undefined")
        except quickjs.JSException as error:
            raise _ScriptError(f"failed to interprete script: {_reason(str(error))[0]}") from None
        except (ValueError, SystemError) as error:
            raise _ScriptError(f"failed to interprete script: {error}") from None
        self._function = checked(self._find(id))

    def call(self, args: Sequence[Any]) -> Any:
        """The result for dialect values, as a dialect value."""
        try:
            result = self._function(*map(self._into, args))
            kind = type(result)
            if kind is float:
                return _number(result)
            return result if result is None or kind in _PLAIN else self._from_object(result)
        except self._failed as error:
            reason, spent = _reason(str(error))
            raise _ScriptError(reason, spent=spent) from None
        except UnicodeError:
            raise _ScriptError("half of a surrogate pair; text must be valid Unicode") from None

    def _find(self, id: str) -> Any:
        written = id if id.isidentifier() else f"globalThis[{msgspec.json.encode(id).decode()}]"
        try:
            if self._context.eval(f"typeof {written} === 'function'") is True:
                return self._context.eval(written)
        except self._failed:
            pass  # a word of the language is no function
        raise _ScriptError(f'cannot find function "{id}" in script')

    def _into(self, value: Any) -> Any:
        match value:
            case None | bool() | float():
                return value
            case int():
                # The library takes 32 bits; beyond, a number of JavaScript is a float anyway.
                return value if -(2**31) <= value < 2**31 else float(value)
            case str():
                if "\x00" in value:
                    raise _ScriptError("a text with a NUL character cannot be handed over")
                value.encode()  # half of a surrogate pair would break the library
                return value
            case datetime():
                return self._date(value.timestamp() * 1000)
            case _:
                return self._context.parse_json(msgspec.json.encode(_plain(value)).decode())

    def _from_object(self, value: Any) -> Any:
        text = value.json()
        # What JSON cannot show (a function, a symbol) is no value.
        return None if text is None else msgspec.json.decode(text)


_PLAIN = (bool, str, int)


def _plain(value: Any) -> Any:
    """Lists and maps with bytes as numbers."""
    match value:
        case bytes():
            return list(value)
        case list():
            return [_plain(member) for member in value]
        case dict():
            return {key: _plain(member) for key, member in value.items()}
        case _:
            return value


def _number(value: float) -> int | float:
    if isnan(value):
        raise _ScriptError("result is NaN")
    if isinf(value):
        raise _ScriptError("result is Inf")
    whole = value.is_integer() and abs(value) <= _EXACT and (value != 0 or str(value) == "0.0")
    return int(value) if whole else value


def _reason(text: str) -> tuple[str, bool]:
    """What the machine says about an error in one line, and whether the machine is spent."""
    first, _, rest = text.partition("\n")
    # With little memory left, there may be none for the error itself.
    if first == "null" or first.startswith("InternalError: out of memory"):
        return f"out of memory; {MEMORY_LIMIT >> 20} MB are allowed", True
    if first.startswith("InternalError: interrupted"):
        return f"interrupted: it took more than {TIME_LIMIT_S * 1000:.0f} ms", True
    where = _PLACE.search(rest)
    return (f"{first} at line {where[1]}, column {where[2]}" if where else first), False
