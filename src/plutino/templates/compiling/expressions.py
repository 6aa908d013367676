"""Pipelines to Python expressions.

The writer keeps track of the node that Go would call current, as that is the place a message names. Expressions hold no text of the
template: names and literals are constants ``k0, k1, …``, places are constants too.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from plutino.templates.functions.registry import Function
from plutino.templates.go.quoting import quote
from plutino.templates.go.values import Int, utf8
from plutino.templates.host import Host
from plutino.templates.language.syntax import (
    Action,
    Bool,
    Call,
    Chain,
    Command,
    Dot,
    Field,
    Identifier,
    Nil,
    NumberLiteral,
    Operand,
    Pipe,
    StringLiteral,
    Text,
    Variable,
)

_GO_TYPES: Final = {
    "string": "string",
    "int": "int",
    "bool": "bool",
    "float64": "float64",
    "uint32": "uint32",
    "map": "map[string]interface {}",
    "time": "time.Time",
}
_CHECKS: Final = {"string": "str", "int": "Int", "bool": "bool", "float64": "float"}
"""Parameter types that one test of the class decides."""


@dataclass(frozen=True, slots=True)
class Expression:
    """Python code and what is known of its value.

    ``kind`` is a result type of functions. ``interface`` is code that tells whether Go holds the value as ``interface {}`` (an element, a
    field), which shows in messages. ``simple`` code may be repeated, and can neither fail nor change anything.
    """

    code: str
    kind: str = "any"
    interface: str = "False"
    simple: bool = False


Located = Operand | Command | Pipe | Action | Call | Text


class Constants:
    """The constants of one template, without repetition; ``k3`` is the fourth."""

    def __init__(self) -> None:
        self.values: list[Any] = []
        self._known: dict[tuple[type, Any], str] = {}

    def name(self, value: Any) -> str:
        """The name of a constant."""
        hashable = isinstance(value, str | int | float | complex)
        # Plus and minus zero are equal, but not the same.
        key = (type(value), repr(value) if isinstance(value, float | complex) else value if hashable else id(value))
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = f"k{len(self.values)}"
            self.values.append(value)
        return found


class Scope:
    """The variables that can be seen, innermost last: their names in the template and in Python."""

    def __init__(self, root: str) -> None:
        self.entries: list[tuple[str, Expression]] = [("$", Expression(root, simple=True))]

    def find(self, name: str) -> Expression | None:
        """The variable that ``name`` means here."""
        return next((e for n, e in reversed(self.entries) if n == name), None)


class ExpressionWriter:
    """Writes the pipelines of one ``define`` (or of the main template)."""

    def __init__(
        self, text: str, main: str, name: str, constants: Constants, functions: dict[str, Function], host: Host, charged: bool
    ) -> None:
        self.text = text
        self.ascii = text.isascii()
        self.lines = [0, *[at + 1 for at, c in enumerate(text) if c == "\n"]]
        self.main = main
        self.name = name
        self.constants = constants
        self.functions = functions
        self.host = host
        self.charged = charged
        """Whether calls count as steps."""
        self.scope = Scope("r")
        self.dot = Expression("d0", simple=True)
        self.node: Located | None = None
        self.temporaries = 0
        self.variables = 0
        self.late: list[str] = []
        """Variables that are declared inside parentheses, and may be read without having been set."""

    # Places

    def site(self, extra: str = "") -> str:
        """The constant with the place of the current node, and what follows it in the message."""
        node = self.node
        assert node is not None
        line = bisect_right(self.lines, node.position)
        start = self.lines[line - 1]
        column = node.position - start if self.ascii else len(utf8(self.text[start : node.position]))
        place = f"template: {self.main}:{line}:{column}: executing {quote(self.name)} at <{node}>: {extra}"
        return self.constants.name(place)

    def failing(self, message: str) -> Expression:
        """An expression that raises when it is evaluated."""
        return Expression(f"fail({self.site()}, {self.constants.name(message)})")

    # Pipelines

    def pipeline(self, pipe: Pipe, *, nested: bool = False) -> Expression:
        """The value of a pipeline; variables are set inside the expression when it is ``nested``, else by the caller."""
        self.node = pipe
        value: Expression | None = None
        for command in pipe.commands:
            value = self.command(command, value)
            # Between stages Go looks inside an interface {}.
            value = Expression(value.code, value.kind, simple=value.simple)
        assert value is not None
        return self.store(pipe, value) if nested and pipe.variables else value

    def store(self, pipe: Pipe, value: Expression) -> Expression:
        """The pipeline's value, stored in its variables on the way."""
        code = value.code
        for variable in pipe.variables:
            name = self.target(pipe, variable)
            if name is None:
                return self.failing(f"undefined variable: {variable.names[0]}")
            if not pipe.assigns:
                self.late.append(name)
            code = f"({name} := {code})"
        return Expression(code, value.kind)

    def target(self, pipe: Pipe, variable: Variable) -> str | None:
        """The Python name that a variable of a pipeline is stored in; ``None`` when it assigns to one that is not there."""
        if not pipe.assigns:
            return self.declare(variable.names[0])
        found = self.scope.find(variable.names[0])
        return found.code if found is not None else None

    def declare(self, name: str, *, interface: str = "False") -> str:
        """A new variable in the innermost scope."""
        code = f"v{self.variables}"
        self.variables += 1
        self.scope.entries.append((name, Expression(code, interface=interface, simple=True)))
        return code

    def command(self, command: Command, final: Expression | None) -> Expression:
        first, arguments = command.operands[0], command.operands[1:]
        match first:
            case Field():
                self.node = first
                return self.fields(self.dot, first.names, arguments, final)
            case Chain():
                return self.chain(first, arguments, final)
            case Identifier():
                self.node = first
                return self.call(first.name, command, arguments, final)
            case Variable():
                return self.variable(first, arguments, final)
            case Pipe():
                refused = self.refused(command, final)
                return refused if refused is not None else self.pipeline(first, nested=True)
        self.node = first
        refused = self.refused(command, final)
        if refused is not None:
            return refused
        match first:
            case Dot():
                return self.dot
            case Nil():
                return self.failing("nil is not a command")
        return self.literal(first)

    def refused(self, command: Command, final: Expression | None) -> Expression | None:
        """The fault of arguments for what is no function; ``None`` when there are none."""
        if len(command.operands) == 1 and final is None:
            return None
        return self.after(final, self.failing(f"can't give argument to non-function {command.operands[0]}"))

    def after(self, final: Expression | None, value: Expression) -> Expression:
        """``value``, worked out after the stage before it."""
        if final is None or final.simple:
            return value
        return Expression(f"({final.code}, {value.code})[1]", value.kind)

    def held(self, final: Expression | None) -> tuple[str, Expression | None]:
        """The value of the stage before in a variable: code that sets it (empty when there is no need), and the variable."""
        if final is None or final.simple:
            return "", final
        name = self.temporary()
        return f"{name} := {final.code}", Expression(name, final.kind, simple=True)

    def sequence(self, before: str, value: Expression) -> Expression:
        return Expression(f"({before}, {value.code})[1]", value.kind) if before else value

    def literal(self, node: Operand) -> Expression:
        """A constant where no type is asked for."""
        match node:
            case Bool(_, value):
                return self.constant(value, "bool")
            case StringLiteral(_, _, text):
                return self.constant(text, "string")
            case NumberLiteral(_, text, number):
                if number.complex is not None:
                    return self.constant(number.complex, "any")
                if number.integer is None and number.too_big:
                    return self.failing(f"{text} overflows int")
                if number.integer is None or (text[0] != "'" and not _is_hex(text) and any(c in text for c in ".eEpP")):
                    return self.constant(number.real, "float64")
                return self.constant(Int(number.integer), "int")
        raise AssertionError(node)

    def constant(self, value: Any, kind: str) -> Expression:
        return Expression(self.constants.name(value), kind, simple=True)

    def variable(self, node: Variable, arguments: list[Operand], final: Expression | None, *, missing: bool = False) -> Expression:
        self.node = node
        found = self.scope.find(node.names[0])
        if found is None:
            return self.after(final, self.failing(f"undefined variable: {node.names[0]}"))
        if len(node.names) == 1:
            if arguments or final is not None:
                return self.after(final, self.failing(f"can't give argument to non-function {node}"))
            return found
        return self.fields(found, node.names[1:], arguments, final, missing=missing)

    def chain(self, node: Chain, arguments: list[Operand], final: Expression | None, *, missing: bool = False) -> Expression:
        self.node = node
        inner = node.node
        self.node = inner
        match inner:
            case Pipe():
                receiver = self.pipeline(inner, nested=True)
            case Identifier():
                receiver = self.call(inner.name, inner, [], None)
            case Nil():
                self.node = node
                return self.failing(f"indirection through explicit nil in {node}")
            case _:
                raise AssertionError(inner)
        return self.fields(receiver, node.names, arguments, final, missing=missing)

    def fields(
        self, receiver: Expression, names: list[str], arguments: list[Operand], final: Expression | None, *, missing: bool = False
    ) -> Expression:
        """``receiver.a.b``; with ``missing`` a key that is not there gives MISSING instead of nil."""
        for name in names[:-1]:
            receiver = self.field(receiver, name, True)
        if not arguments and final is None:
            return self.field(receiver, names[-1], missing)
        site = self.site()
        before, last = self.held(final)
        given = [self.argument(a, "any").code for a in arguments] + ([last.code] if last is not None else [])
        code = f"invoke({receiver.code}, {self.constants.name(names[-1])}, {site}, {receiver.interface}, lambda: ({', '.join(given)},))"
        return self.sequence(before, Expression(code))

    def field(self, receiver: Expression, name: str, missing: bool) -> Expression:
        key, site = self.constants.name(name), self.site()
        held, test = receiver.code, receiver.code
        if not receiver.simple:
            held = self.temporary()
            test = f"{held} := {receiver.code}"
        get = f"{held}.get({key}, MISSING)" if missing else f"{held}.get({key})"
        slow = f"{'find' if missing else 'field'}({held}, {key}, {site}, {receiver.interface})"
        return Expression(f"({get} if type({test}) is dict else {slow})", interface="True")

    def temporary(self) -> str:
        self.temporaries += 1
        return f"x{self.temporaries}"

    # Calls

    def call(self, name: str, node: Located, arguments: list[Operand], final: Expression | None) -> Expression:
        function = self.functions[name]
        count = len(arguments) + (final is not None)
        fixed = len(function.parameters)
        if function.variadic is not None and count < fixed:
            return self.after(final, self.failing(f"wrong number of args for {name}: want at least {fixed} got {len(arguments)}"))
        if function.variadic is None and count != fixed:
            return self.after(final, self.failing(f"wrong number of args for {name}: want {fixed} got {count}"))
        if name in ("and", "or"):
            before, last = self.held(final)
            return self.sequence(before, self.short_circuit(name, arguments, last))
        return self.plain_call(function, node, arguments, final)

    def plain_call(self, function: Function, node: Located, arguments: list[Operand], final: Expression | None) -> Expression:
        kinds = [*function.parameters, *[function.variadic or ""] * (len(arguments) + 1)]
        values = [self.argument(a, kind) for a, kind in zip(arguments, kinds, strict=False)]
        before = ""
        if final is not None:
            if any(not value.simple for value in values):
                # The stage before comes first, whatever the arguments do.
                before, final = self.held(final)
                assert final is not None
            values.append(self.checked(final, kinds[len(arguments)]))
        given = [value.code for value in values]
        if function.name == "call":
            # The message names the argument as it is written.
            given.insert(0, self.constants.name(str(arguments[0])) if arguments else "None")
        if function.name == "not":
            return self.sequence(before, Expression(f"(not {given[0]})", "bool"))
        last, self.node = self.node, node
        site = self.site(f"error calling {function.name}: ")
        self.node = last
        target: Callable[..., Any] = partial(function.call, self.host) if function.host else function.call
        # One constant per function and host: the partial would be a new object each time.
        entry = self.constants.name(target) if not function.host else self.host_function(function, target)
        code = ", ".join([entry, site, *given])
        code = f"call_charged(s, {code})" if self.charged else f"call({code})"
        return self.sequence(before, Expression(f"Int({code})" if function.result == "int" else code, function.result))

    def host_function(self, function: Function, target: Callable[..., Any]) -> str:
        for index, value in enumerate(self.constants.values):
            if isinstance(value, partial) and value.func is function.call:
                return f"k{index}"
        return self.constants.name(target)

    def short_circuit(self, name: str, arguments: list[Operand], final: Expression | None) -> Expression:
        parts = [self.argument(a, "any") for a in arguments] + ([final] if final is not None else [])
        code = parts[-1].code
        for part in reversed(parts[:-1]):
            held = self.temporary()
            test = f"({held} := {part.code})"
            code = f"({code} if {test} else {held})" if name == "and" else f"({held} if {test} else {code})"
        return Expression(code)

    def argument(self, node: Operand, kind: str) -> Expression:
        """An argument for a parameter of a type."""
        self.node = node
        typed = kind != "any"
        if isinstance(node, Nil) and kind == "value":
            return Expression("MISSING", simple=True)
        match node:
            case Dot():
                return self.checked(self.dot, kind)
            case Nil():
                if kind in ("any", "map"):
                    return self.checked(Expression("None", simple=True), kind)
                return self.failing(f"cannot assign nil to {_GO_TYPES[kind]}")
            case Field():
                return self.checked(self.fields(self.dot, node.names, [], None, missing=typed), kind)
            case Variable():
                return self.checked(self.variable(node, [], None, missing=typed), kind)
            case Pipe():
                return self.checked(self.pipeline(node, nested=True), kind)
            case Identifier():
                return self.checked(self.call(node.name, node, [], None), kind)
            case Chain():
                return self.checked(self.chain(node, [], None, missing=typed), kind)
        return self.literal_argument(node, kind)

    def literal_argument(self, node: Operand, kind: str) -> Expression:
        """A literal for a parameter: the parameter decides the type of a number."""
        match kind, node:
            case "any" | "value", _:
                return self.literal(node)
            case ("string", StringLiteral()) | ("bool", Bool()):
                return self.literal(node)
            case "int", NumberLiteral() if node.value.integer is not None:
                return self.constant(Int(node.value.integer), "int")
            case "uint32", NumberLiteral() if node.value.integer is not None and node.value.integer >= 0:
                return self.constant(node.value.integer & 0xFFFFFFFF, "any")
            case "float64", NumberLiteral() if node.value.real is not None:
                return self.constant(node.value.real, "float64")
        if kind in ("map", "time"):
            return self.failing(f"can't handle {node} for arg of type {_GO_TYPES[kind]}")
        expected = {"string": "string", "bool": "bool", "int": "integer", "uint32": "unsigned integer", "float64": "float"}[kind]
        return self.failing(f"expected {expected}; found {node}")

    def checked(self, value: Expression, kind: str) -> Expression:
        """``value`` with the test that it fits a parameter."""
        if kind in ("any", "value", value.kind):
            return value
        if kind in ("map", "time"):
            return Expression(f"{kind}_argument({value.code}, {value.interface}, {self.site()})")
        expected = self.constants.name(_GO_TYPES[kind])
        held, test = value.code, value.code
        if not value.simple:
            held = self.temporary()
            test = f"{held} := {value.code}"
        refusal = f"wrong({held}, {expected}, {value.interface}, {self.site()})"
        if kind not in _CHECKS:
            return Expression(f"wrong({value.code}, {expected}, {value.interface}, {self.site()})")
        return Expression(f"({held} if type({test}) is {_CHECKS[kind]} else {refusal})", kind)


def _is_hex(text: str) -> bool:
    return len(text) > 2 and text[:2] in ("0x", "0X") and "p" not in text and "P" not in text
