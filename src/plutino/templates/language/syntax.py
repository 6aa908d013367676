"""The syntax tree of a template. ``str()`` of a node is its text in Go's error messages."""

from __future__ import annotations

from dataclasses import dataclass, field

from plutino.templates.go.quoting import quote
from plutino.templates.language.literals import Number


@dataclass(slots=True)
class Text:
    """Plain text."""

    position: int
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True)
class Dot:
    """``.``"""

    position: int

    def __str__(self) -> str:
        return "."


@dataclass(slots=True)
class Nil:
    """``nil``"""

    position: int

    def __str__(self) -> str:
        return "nil"


@dataclass(slots=True)
class Bool:
    """``true`` or ``false``."""

    position: int
    value: bool

    def __str__(self) -> str:
        return "true" if self.value else "false"


@dataclass(slots=True)
class NumberLiteral:
    """A number or a character; ``text`` as written."""

    position: int
    text: str
    value: Number

    def __str__(self) -> str:
        return self.text


@dataclass(slots=True)
class StringLiteral:
    """A string; ``quoted`` as written."""

    position: int
    quoted: str
    value: str

    def __str__(self) -> str:
        return self.quoted


@dataclass(slots=True)
class Field:
    """``.a.b``"""

    position: int
    names: list[str]

    def __str__(self) -> str:
        return "." + ".".join(self.names)


@dataclass(slots=True)
class Variable:
    """``$x.a``: the first name has the dollar sign."""

    position: int
    names: list[str]

    def __str__(self) -> str:
        return ".".join(self.names)


@dataclass(slots=True)
class Identifier:
    """The name of a function."""

    position: int
    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(slots=True)
class Chain:
    """``(pipeline).a.b`` or ``function.a``."""

    position: int
    node: Operand
    names: list[str]

    def __str__(self) -> str:
        inner = f"({self.node})" if isinstance(self.node, Pipe) else str(self.node)
        return inner + "".join("." + name for name in self.names)


@dataclass(slots=True)
class Command:
    """One stage of a pipeline: an operand and its arguments."""

    position: int
    operands: list[Operand] = field(default_factory=list)

    def __str__(self) -> str:
        return " ".join(f"({o})" if isinstance(o, Pipe) else str(o) for o in self.operands)


@dataclass(slots=True)
class Pipe:
    """Stages, and the variables that take the result (declared, or assigned when ``assigns``)."""

    position: int
    variables: list[Variable] = field(default_factory=list)
    assigns: bool = False
    commands: list[Command] = field(default_factory=list)

    def __str__(self) -> str:
        head = ""
        if self.variables:
            head = ", ".join(map(str, self.variables)) + (" = " if self.assigns else " := ")
        return head + " | ".join(map(str, self.commands))


@dataclass(slots=True)
class Action:
    """``{{pipeline}}``"""

    position: int
    pipe: Pipe

    def __str__(self) -> str:
        return "{{" + str(self.pipe) + "}}"


@dataclass(slots=True)
class If:
    """``{{if}}``; ``otherwise`` is ``None`` without ``{{else}}``."""

    position: int
    pipe: Pipe
    body: list[Node]
    otherwise: list[Node] | None


@dataclass(slots=True)
class With:
    """``{{with}}``"""

    position: int
    pipe: Pipe
    body: list[Node]
    otherwise: list[Node] | None


@dataclass(slots=True)
class Range:
    """``{{range}}``"""

    position: int
    pipe: Pipe
    body: list[Node]
    otherwise: list[Node] | None


@dataclass(slots=True)
class Break:
    """``{{break}}``"""

    position: int


@dataclass(slots=True)
class Continue:
    """``{{continue}}``"""

    position: int


@dataclass(slots=True)
class Call:
    """``{{template "name" pipeline}}``"""

    position: int
    name: str
    pipe: Pipe | None

    def __str__(self) -> str:
        argument = f" {self.pipe}" if self.pipe is not None else ""
        return "{{template " + quote(self.name) + argument + "}}"


@dataclass(slots=True)
class End:
    """``{{end}}``: closes a list, is no part of the tree."""

    position: int

    def __str__(self) -> str:
        return "{{end}}"


@dataclass(slots=True)
class Else:
    """``{{else}}``: closes a list, is no part of the tree."""

    position: int

    def __str__(self) -> str:
        return "{{else}}"


Operand = Dot | Nil | Bool | NumberLiteral | StringLiteral | Field | Variable | Identifier | Chain | Pipe
Node = Text | Action | If | With | Range | Break | Continue | Call
"""What a body is made of."""


def is_empty(nodes: list[Node]) -> bool:
    """Whether a body holds nothing but white space."""
    return all(isinstance(node, Text) and not node.text.strip() for node in nodes)
