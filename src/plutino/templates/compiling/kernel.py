"""What generated code calls when a template runs: fields, loops, calls of functions and templates, and the faults of each.

A *site* is the beginning of an error message, ``template: sink:1:2: executing "sink" at <.a>: ``; generated code hands it to whatever
can fail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, NoReturn

from plutino.errors import TemplateError
from plutino.templates.go.methods import find_method
from plutino.templates.go.printing import plain_text, show, sorted_keys
from plutino.templates.go.values import LISTS, MISSING, Failure, Int, NilMap, type_name
from plutino.templates.limits import MAX_CALLS, MAX_OUTPUT, MAX_STEPS, meter

_INTS: Final = tuple(map(Int, range(256)))


class Run:
    """One rendering that is counted: its output and what it may still do."""

    __slots__ = ("depth", "left", "parts", "size")

    def __init__(self) -> None:
        self.parts: list[str] = []
        self.size = 0
        self.left = MAX_STEPS
        self.depth = 0

    def write(self, text: str) -> None:
        """Add to the output; raises TemplateError when it grows too large."""
        self.size += len(text)
        if self.size > MAX_OUTPUT:
            raise TemplateError(f"template: sink: output too large: more than {MAX_OUTPUT} characters")
        self.parts.append(text)

    def charge(self, steps: int, site: str) -> None:
        """Count steps; raises TemplateError when there were too many."""
        self.left -= steps
        if self.left < 0:
            raise TemplateError(f"{site}too many steps: more than {MAX_STEPS}")


def fail(site: str, message: str) -> NoReturn:
    """Raise the fault that was already known when the template was compiled, but only shows when that part runs."""
    raise TemplateError(site + message)


def field(receiver: Any, name: str, site: str, interface: bool) -> Any:
    """``receiver.name`` for what is no plain dict. ``interface`` tells that Go sees an ``interface {}`` there, not the value's own type."""
    found = find(receiver, name, site, interface)
    return None if found is MISSING else found


def find(receiver: Any, name: str, site: str, interface: bool) -> Any:
    """As ``field``, but MISSING where there is nothing: inside a chain of fields, and for a typed parameter."""
    if receiver is MISSING:
        return MISSING
    if receiver is None:
        if interface:
            raise TemplateError(f"{site}nil pointer evaluating interface {{}}.{name}")
        return MISSING
    method = find_method(receiver, name)
    if method is not None:
        return _call_method(receiver, method, name, site, ())
    if isinstance(receiver, dict):
        return receiver.get(name, MISSING)
    shown = "interface {}" if interface else type_name(receiver)
    raise TemplateError(f"{site}can't evaluate field {name} in type {shown}")


def invoke(receiver: Any, name: str, site: str, interface: bool, arguments: Callable[[], tuple[Any, ...]]) -> Any:
    """``receiver.name`` with arguments: a method; arguments are worked out only when there is one."""
    if receiver is None or receiver is MISSING:
        return field(receiver, name, site, interface)
    method = find_method(receiver, name)
    if method is not None:
        return _call_method(receiver, method, name, site, arguments())
    if isinstance(receiver, dict):
        raise TemplateError(f"{site}{name} is not a method but has arguments")
    return field(receiver, name, site, interface)


def call(function: Callable[..., Any], site: str, *arguments: Any) -> Any:
    """The result of a function; ``site`` ends with ``error calling NAME: ``."""
    try:
        return function(*arguments)
    except Failure as failure:
        raise TemplateError(f"{site}{failure}") from None
    except (ArithmeticError, LookupError, ValueError, MemoryError) as error:
        raise TemplateError(f"{site}{error}") from error


def call_charged(run: Run, function: Callable[..., Any], site: str, *arguments: Any) -> Any:
    """``call`` in a template that is counted: what the function does, and long arguments and results, count as steps."""
    start = meter.spent
    result = call(function, site, *arguments)
    steps = 1 + meter.spent - start
    for argument in arguments:
        if type(argument) is str:
            steps += len(argument) >> 3
    if type(result) is str:
        steps += len(result) >> 3
    run.charge(steps, site)
    return result


def show_charged(run: Run, value: Any, site: str) -> str:
    """``show`` in a template that is counted."""
    start = meter.spent
    text = show(value)
    run.charge(meter.spent - start, site)
    return text


def run_template(run: Run, template: Callable[[Any, Run], None], steps: int, site: str, dot: Any) -> None:
    """``{{template}}``; ``steps`` is the size of the body."""
    run.charge(steps, site)
    if run.depth >= MAX_CALLS:
        raise TemplateError(f"{site}exceeded maximum template depth ({MAX_CALLS})")
    run.depth += 1
    template(dot, run)
    run.depth -= 1


def items(value: Any, steps: int, run: Run, site: str) -> Iterable[Any] | None:
    """The elements that ``{{range}}`` goes through; ``None`` when there are none. ``steps`` is the size of the body."""
    if isinstance(value, LISTS):
        run.charge(len(value) * steps, site)
        return value or None
    if isinstance(value, dict):
        run.charge(len(value) * steps, site)
        return [value[key] for key in sorted_keys(value)] or None
    if isinstance(value, bytes):
        run.charge(len(value) * steps, site)
        return value or None
    if isinstance(value, int) and not isinstance(value, bool):
        if value <= 0:
            return None
        run.charge(value * steps, site)
        return map(type(value), range(value))
    if value is None or value is MISSING:
        return None
    raise TemplateError(f"{site}range can't iterate over {plain_text(value)}")


def pairs(value: Any, steps: int, run: Run, site: str) -> Iterable[tuple[Any, Any]] | None:
    """As ``items``, with the index or key before each element."""
    if isinstance(value, dict):
        run.charge(len(value) * steps, site)
        return [(key, value[key]) for key in sorted_keys(value)] or None
    if isinstance(value, int) and not isinstance(value, bool):
        raise TemplateError(f"{site}can't use {plain_text(value)} to iterate over more than one variable")
    found = items(value, steps, run, site)
    if found is None:
        return None
    count = len(value)
    return zip(_INTS if count <= 256 else map(Int, range(count)), found, strict=False)


def boxed(source: Any) -> bool:
    """Whether Go holds the elements of ``source`` as ``interface {}``, so that messages do not name their own type."""
    return type(source) in (list, dict, tuple)


def wrong(value: Any, expected: str, interface: bool, site: str) -> NoReturn:
    """Refuse an argument whose Go type is not the parameter's."""
    if value is MISSING or (value is None and not interface):
        raise TemplateError(f"{site}invalid value; expected {expected}")
    shown = "interface {}" if value is None else type_name(value)
    raise TemplateError(f"{site}wrong type for value; expected {expected}; got {shown}")


def map_argument(value: Any, interface: bool, site: str) -> dict[str, Any]:
    """An argument for a parameter of type ``map[string]interface {}``."""
    if type(value) is dict or isinstance(value, NilMap):
        return value
    if value is MISSING or (value is None and not interface):
        return NilMap()
    wrong(value, "map[string]interface {}", interface, site)


def time_argument(value: Any, interface: bool, site: str) -> datetime:
    """An argument for a parameter of type ``time.Time``."""
    if isinstance(value, datetime):
        return value
    wrong(value, "time.Time", interface, site)


def _call_method(receiver: Any, method: Any, name: str, site: str, arguments: tuple[Any, ...]) -> Any:
    if len(arguments) != len(method.parameters):
        raise TemplateError(f"{site}wrong number of args for {name}: want {len(method.parameters)} got {len(arguments)}")
    for argument, (kind, expected) in zip(arguments, method.parameters, strict=True):
        if not isinstance(argument, kind):
            wrong(argument, expected, False, site)
    try:
        return method.call(receiver, *arguments)
    except (Failure, ArithmeticError, ValueError) as failure:
        raise TemplateError(f"{site}error calling {name}: {failure}") from None


NAMES: Final[dict[str, Any]] = {
    "Int": Int,
    "MISSING": MISSING,
    "boxed": boxed,
    "call": call,
    "call_charged": call_charged,
    "fail": fail,
    "field": field,
    "find": find,
    "invoke": invoke,
    "items": items,
    "map_argument": map_argument,
    "pairs": pairs,
    "run_template": run_template,
    "show": show,
    "show_charged": show_charged,
    "time_argument": time_argument,
    "wrong": wrong,
}
"""The names that generated code may use."""
