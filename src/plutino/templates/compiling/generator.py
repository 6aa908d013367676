"""Templates to Python source.

Each ``define`` (and the main template) becomes a function. A template without blocks is one f-string; with ``if`` and ``with`` only, it
collects pieces in a list; with loops, calls of templates, or functions that can make much out of little, it writes to a ``Run``, which
counts what it does. The source holds no text
of the template, so that templates of one shape share their code.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, assert_never

from plutino.errors import TemplateError
from plutino.templates.compiling.expressions import Constants, Expression, ExpressionWriter
from plutino.templates.compiling.kernel import NAMES
from plutino.templates.functions.registry import Function
from plutino.templates.go.quoting import quote
from plutino.templates.host import Host
from plutino.templates.language.syntax import Action, Break, Call, Continue, If, Node, Pipe, Range, Text, With

_MAX_PIECES: Final = 60
"""Pieces of one f-string."""
_MAX_SHARED: Final = 16 << 10
"""Characters of source that is kept for other templates of the same shape."""


@dataclass(frozen=True, slots=True)
class Generated:
    """The main function of a template; ``counted`` ones take the data and a ``Run``, others the data alone and give the text."""

    render: Callable[..., Any]
    counted: bool
    source: str


def generate(
    text: str, main: str, definitions: dict[str, list[Node]], called: set[str], functions: dict[str, Function], host: Host
) -> Generated:
    """Compile the templates that ``main`` reaches; ``called`` names the functions in the text.

    Raises TemplateError when they nest too deeply for Python's compiler.
    """
    constants = Constants()
    reached = _reachable(main, definitions)
    bodies = {name: f"t{index}" for index, name in enumerate(reached)}
    counted = len(reached) > 1 or _has(definitions[main], (Range, Call)) or any(functions[name].grows for name in called)
    lines: list[str] = []
    for name, function_name in bodies.items():
        writer = _BodyWriter(text, main, name, constants, functions, host, definitions, bodies, counted)
        lines += writer.function(function_name, definitions[name])
    inner = "\n".join(f"    {line}" for line in lines)
    source = f"def make({', '.join(f'k{i}' for i in range(len(constants.values)))}):\n{inner}\n    return t0\n"
    factory = _shared_factory if len(source) <= _MAX_SHARED else _factory
    return Generated(factory(source)(*constants.values), counted, source)


@lru_cache(maxsize=1024)
def _shared_factory(source: str) -> Callable[..., Callable[..., Any]]:
    return _factory(source)


def _factory(source: str) -> Callable[..., Callable[..., Any]]:
    """The function that binds constants to compiled code; templates of one shape share it."""
    namespace: dict[str, Any] = dict(NAMES)
    try:
        exec(compile(source, "<data template>", "exec"), namespace)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise TemplateError("template: sink: nested too deeply") from error
    made: Callable[..., Callable[..., Any]] = namespace["make"]
    return made


def _reachable(main: str, definitions: dict[str, list[Node]]) -> list[str]:
    """The names of the templates that run, the main one first."""
    found = {main: True}
    waiting = [main]
    while waiting:
        for node in _nodes(definitions[waiting.pop()]):
            if isinstance(node, Call) and node.name in definitions and node.name not in found:
                found[node.name] = True
                waiting.append(node.name)
    return list(found)


def _nodes(body: list[Node]) -> list[Node]:
    """All nodes of a body, those of its blocks too."""
    found: list[Node] = []
    waiting = list(body)
    while waiting:
        node = waiting.pop()
        found.append(node)
        if isinstance(node, If | With | Range):
            waiting += node.body
            waiting += node.otherwise or []
    return found


def _has(body: list[Node], kinds: tuple[type, ...]) -> bool:
    return any(isinstance(node, kinds) for node in _nodes(body))


@dataclass(slots=True)
class _Block:
    """Lines of one indentation level that are being written, and pieces of output that wait for their line."""

    lines: list[str] = field(default_factory=list)
    pieces: list[str] = field(default_factory=list)


class _BodyWriter:
    """Writes one function."""

    def __init__(
        self,
        text: str,
        main: str,
        name: str,
        constants: Constants,
        functions: dict[str, Function],
        host: Host,
        definitions: dict[str, list[Node]],
        bodies: dict[str, str],
        counted: bool,
    ) -> None:
        self.definitions = definitions
        self.bodies = bodies
        self.counted = counted
        self.constants = constants
        self.expressions = ExpressionWriter(text, main, name, constants, functions, host, charged=counted)
        self.straight = False
        self.kept = 0
        self.dots = 0

    def function(self, name: str, body: list[Node]) -> list[str]:
        """The lines of the function."""
        self.straight = not self.counted and not _has(body, (If, With, Range, Call))
        block = _Block()
        self.body(body, block)
        head = [f"def {name}(d0{', s' if self.counted else ''}):", "    r = d0"]
        head += [f"    {late} = None" for late in self.expressions.late]
        if self.counted:
            head.append("    w = s.write")
            tail = [] if block.lines else ["    pass"]
        elif self.straight:
            tail = [f"    return {_joined([f'p{i}' for i in range(self.kept)])}"]
        else:
            head += ["    o = []", "    w = o.append"]
            tail = ["    return ''.join(o)"]
        return [*head, *[f"    {line}" for line in block.lines], *tail]

    def body(self, nodes: list[Node], block: _Block) -> None:
        for node in nodes:
            self.node(node, block)
        self.flush(block)

    def node(self, node: Node, block: _Block) -> None:
        match node:
            case Text():
                block.pieces.append(self.constants.name(node.text))
            case Action():
                self.action(node, block)
            case If() | With():
                self.flush(block)
                self.branches(node, block)
            case Range():
                self.flush(block)
                self.loop(node, block)
            case Call():
                self.flush(block)
                self.template(node, block)
            case Break():
                self.flush(block)
                block.lines.append("break")
            case Continue():
                self.flush(block)
                block.lines.append("continue")
            case _:
                assert_never(node)
        if len(block.pieces) >= _MAX_PIECES:
            self.flush(block)

    def flush(self, block: _Block) -> None:
        """Write the waiting pieces."""
        if not block.pieces:
            return
        text = _joined(block.pieces)
        if self.straight:
            block.lines.append(f"p{self.kept} = {text}")
            self.kept += 1
        else:
            block.lines.append(f"w({text})")
        block.pieces = []

    def action(self, node: Action, block: _Block) -> None:
        pipe = node.pipe
        value = self.expressions.pipeline(pipe)
        if pipe.variables:
            self.flush(block)
            self.assign(pipe, value, block)
            return
        if value.kind in ("string", "int"):
            block.pieces.append(value.code)
        else:
            held, test = value.code, value.code
            if not value.simple:
                held = self.expressions.temporary()
                test = f"{held} := {value.code}"
            shown = f"show({held})"
            if self.counted:
                self.expressions.node = node
                shown = f"show_charged(s, {held}, {self.expressions.site()})"
            block.pieces.append(f"({held} if type({test}) is str else {shown})")

    def assign(self, pipe: Pipe, value: Expression, block: _Block) -> None:
        """Store the value of a pipeline that stands by itself."""
        code = value.code
        for variable in pipe.variables:
            name = self.expressions.target(pipe, variable)
            if name is None:
                block.lines.append(self.expressions.failing(f"undefined variable: {variable.names[0]}").code)
                return
            block.lines.append(f"{name} = {code}")
            code = name

    def branches(self, node: If | With, block: _Block) -> None:
        """A chain of ``if`` and ``else if``, which all stand on one level."""
        expressions = self.expressions
        outer, known, word = expressions.dot, len(expressions.scope.entries), "if"
        current: If | With = node
        while True:
            condition = expressions.pipeline(current.pipe, nested=True).code
            if isinstance(current, With):
                dot = self.new_dot()
                condition = f"({dot} := {condition})"
                expressions.dot = Expression(dot, simple=True)
            block.lines.append(f"{word} {condition}:")
            self.indented(current.body, block, len(expressions.scope.entries))
            expressions.dot = outer
            otherwise = current.otherwise
            if otherwise is None or len(otherwise) != 1 or not isinstance(otherwise[0], If | With):
                break
            current, word = otherwise[0], "elif"
        if otherwise is not None:
            block.lines.append("else:")
            self.indented(otherwise, block, len(expressions.scope.entries))
        del expressions.scope.entries[known:]

    def loop(self, node: Range, block: _Block) -> None:
        expressions = self.expressions
        outer, known = expressions.dot, len(expressions.scope.entries)
        pipe = node.pipe
        value = expressions.pipeline(pipe)
        site = expressions.site()
        source = f"q{self.dots}"
        block.lines.append(f"{source} = {value.code}")
        boxed = f"boxed({source})"
        names: list[str] = []
        for variable in pipe.variables:
            # The else branch sees the whole value in the variables.
            if pipe.assigns:
                name = expressions.target(pipe, variable)
                if name is None:
                    block.lines.append(expressions.failing(f"undefined variable: {variable.names[0]}").code)
                    return
            else:
                name = expressions.declare(variable.names[0], interface=boxed if len(names) == len(pipe.variables) - 1 else "False")
            names.append(name)
            block.lines.append(f"{name} = {source}")
        kind = "pairs" if len(names) == 2 else "items"
        steps = 1 + len(_nodes(node.body))
        found, dot = f"i{self.dots}", self.new_dot()
        block.lines.append(f"{found} = {kind}({source}, {steps}, s, {site})")
        block.lines.append(f"if {found} is not None:")
        block.lines.append(f"    for {f'{names[0]}, {dot}' if len(names) == 2 else dot} in {found}:")
        inner = _Block()
        if names:
            inner.lines.append(f"{names[-1]} = {dot}")
        expressions.dot = Expression(dot, interface=boxed, simple=True)
        mark = len(expressions.scope.entries)
        self.body(node.body, inner)
        del expressions.scope.entries[mark:]
        block.lines += [f"        {line}" for line in inner.lines or ["pass"]]
        expressions.dot = outer
        if node.otherwise is not None:
            block.lines.append("else:")
            self.indented(node.otherwise, block, mark)
        del expressions.scope.entries[known:]

    def indented(self, nodes: list[Node], block: _Block, mark: int) -> None:
        """A body one level deeper; its variables end with it."""
        inner = _Block()
        self.body(nodes, inner)
        del self.expressions.scope.entries[mark:]
        block.lines += [f"    {line}" for line in inner.lines or ["pass"]]

    def template(self, node: Call, block: _Block) -> None:
        expressions = self.expressions
        expressions.node = node
        target = self.bodies.get(node.name)
        if target is None:
            block.lines.append(expressions.failing(f"template {quote(node.name)} not defined").code)
            return
        site = expressions.site()
        steps = 1 + len(_nodes(self.definitions[node.name]))
        code = "None"
        if node.pipe is not None:
            value = expressions.pipeline(node.pipe)
            code = value.code
            if node.pipe.variables:
                self.assign(node.pipe, value, block)
                stored = expressions.scope.find(node.pipe.variables[0].names[0])
                code = stored.code if stored is not None else "None"
        block.lines.append(f"run_template(s, {target}, {steps}, {site}, {code})")

    def new_dot(self) -> str:
        self.dots += 1
        return f"d{self.dots}"


def _joined(pieces: list[str]) -> str:
    """An expression for the text of all pieces."""
    if not pieces:
        return "''"
    return 'f"' + "".join(f"{{{piece}}}" for piece in pieces) + '"'
