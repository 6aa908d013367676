"""Tokens to the syntax tree, with the faults of Go's parser: ``template: sink:LINE: text``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from plutino.templates.go.quoting import quote
from plutino.templates.language.cursor import Cursor
from plutino.templates.language.lexer import Kind, Token, tokens
from plutino.templates.language.literals import LiteralError, Number, character, parse_number, parse_pair, unquote
from plutino.templates.language.syntax import (
    Action,
    Bool,
    Break,
    Call,
    Chain,
    Command,
    Continue,
    Dot,
    Else,
    End,
    Field,
    Identifier,
    If,
    Nil,
    Node,
    NumberLiteral,
    Operand,
    Pipe,
    Range,
    StringLiteral,
    Text,
    Variable,
    With,
    is_empty,
)

MAX_DEPTH: Final = 30
"""Parentheses or blocks inside one another, stages of a pipeline, fields of a chain: generated code nests with them."""
MAX_PARTS: Final = 20_000
"""Operands of a template, its actions counting several: compiling takes some 40 µs and 4 kB for each action."""
_ACTION_PARTS: Final = 4
MAX_RANGES: Final = 15
"""Loops inside one another; Python's compiler allows twenty."""
MAX_CHAIN: Final = 150
"""Branches of ``else if``; they do not nest in generated code, but the parser calls itself for each."""

_OPERANDS = frozenset(
    {
        Kind.BOOL,
        Kind.CHARACTER_CONSTANT,
        Kind.COMPLEX,
        Kind.DOT,
        Kind.FIELD,
        Kind.IDENTIFIER,
        Kind.NUMBER,
        Kind.NIL,
        Kind.RAW_STRING,
        Kind.STRING,
        Kind.VARIABLE,
        Kind.LEFT_PAREN,
    }
)
_Closing = End | Else


@dataclass(slots=True)
class Parsed:
    """The body of every template of a text by name, and the functions that they call; ``parts`` counts what was read so far."""

    definitions: dict[str, list[Node]]
    called: set[str]
    parts: int = 0


def parse(text: str, name: str, functions: Collection[str]) -> Parsed:
    """Parse ``text``; ``name`` is the main template's. Raises TemplateError."""
    parsed = Parsed({}, set())
    _Parser(Cursor(tokens(text), name), name, functions, parsed).main()
    return parsed


class _Parser:
    """One template being read; ``define`` and ``block`` start one of their own on the same tokens."""

    def __init__(self, cursor: Cursor, name: str, functions: Collection[str], parsed: Parsed) -> None:
        self.cursor = cursor
        self.name = name
        self.functions = functions
        self.parsed = parsed
        self.definitions = parsed.definitions
        self.variables = ["$"]
        self.ranges = 0
        self.depth = 0
        self.branches = 0

    def count(self, parts: int) -> None:
        self.parsed.parts += parts
        if self.parsed.parts > MAX_PARTS:
            self.cursor.fail("too large")

    # Bodies

    def main(self) -> None:
        body: list[Node] = []
        while (token := self.cursor.peek()).kind is not Kind.EOF:
            if token.kind is Kind.LEFT_DELIMITER:
                self.cursor.next()
                word = self.cursor.next_word()
                if word.kind is Kind.DEFINE:
                    self._inner("definition").define()
                    continue
                self.cursor.back(word, token)
            node = self.text_or_action()
            if isinstance(node, End | Else):
                self.cursor.fail(f"unexpected {node}")
            body.append(node)
        self.add(body)

    def define(self) -> None:
        context = "define clause"
        token = self.cursor.next_word()
        if token.kind not in (Kind.STRING, Kind.RAW_STRING):
            self.cursor.unexpected(token, context)
        self.name = self.literal(token)
        self.cursor.expect(Kind.RIGHT_DELIMITER, context)
        body, closing = self.body()
        if not isinstance(closing, End):
            self.cursor.fail(f"unexpected {closing} in {context}")
        self.add(body)

    def add(self, body: list[Node]) -> None:
        known = self.definitions.get(self.name)
        if known is None or is_empty(known):
            self.definitions[self.name] = body
        elif not is_empty(body):
            self.cursor.fail(f"template: multiple definition of template {quote(self.name)}")

    def body(self) -> tuple[list[Node], _Closing]:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.cursor.fail("max nesting depth exceeded")
        found: list[Node] = []
        while self.cursor.peek_word().kind is not Kind.EOF:
            node = self.text_or_action()
            if isinstance(node, End | Else):
                self.depth -= 1
                return found, node
            found.append(node)
        self.cursor.fail("unexpected EOF")

    def text_or_action(self) -> Node | _Closing:
        token = self.cursor.next_word()
        if token.kind is Kind.TEXT:
            return Text(token.position, token.text)
        if token.kind is not Kind.LEFT_DELIMITER:
            self.cursor.unexpected(token, "input")
        self.count(_ACTION_PARTS)
        self.cursor.action_line = token.line
        try:
            return self.action()
        finally:
            self.cursor.action_line = 0

    def action(self) -> Node | _Closing:
        token = self.cursor.next_word()
        match token.kind:
            case Kind.BLOCK:
                return self.block()
            case Kind.BREAK:
                self.loop_control("{{break}}")
                return Break(token.position)
            case Kind.CONTINUE:
                self.loop_control("{{continue}}")
                return Continue(token.position)
            case Kind.ELSE:
                word = self.cursor.peek_word()
                if word.kind in (Kind.IF, Kind.WITH):
                    return Else(word.position)
                return Else(self.cursor.expect(Kind.RIGHT_DELIMITER, "else").position)
            case Kind.END:
                return End(self.cursor.expect(Kind.RIGHT_DELIMITER, "end").position)
            case Kind.IF:
                return If(*self.control("if"))
            case Kind.RANGE:
                return Range(*self.control("range"))
            case Kind.TEMPLATE:
                return self.call()
            case Kind.WITH:
                return With(*self.control("with"))
        self.cursor.back(token)
        return Action(token.position, self.pipeline("command", Kind.RIGHT_DELIMITER))

    def loop_control(self, name: str) -> None:
        token = self.cursor.next_word()
        if token.kind is not Kind.RIGHT_DELIMITER:
            self.cursor.unexpected(token, name)
        if not self.ranges:
            self.cursor.fail(f"{name} outside {{{{range}}}}")

    def control(self, context: str) -> tuple[int, Pipe, list[Node], list[Node] | None]:
        known = len(self.variables)
        pipe = self.pipeline(context, Kind.RIGHT_DELIMITER)
        self.ranges += context == "range"
        if self.ranges > MAX_RANGES:
            self.cursor.fail("max nesting depth exceeded")
        body, closing = self.body()
        self.ranges -= context == "range"
        otherwise: list[Node] | None = None
        if isinstance(closing, Else):
            following = self.cursor.peek().kind
            if context == "if" and following is Kind.IF:
                self.cursor.next()
                otherwise = [If(*self.branch("if"))]
            elif context == "with" and following is Kind.WITH:
                self.cursor.next()
                otherwise = [With(*self.branch("with"))]
            else:
                otherwise, last = self.body()
                if not isinstance(last, End):
                    self.cursor.fail(f"expected end; found {last}")
        del self.variables[known:]
        return pipe.position, pipe, body, otherwise

    def branch(self, context: str) -> tuple[int, Pipe, list[Node], list[Node] | None]:
        """The rest of an ``else if`` or ``else with``; its ``end`` closes the whole chain."""
        self.branches += 1
        if self.branches > MAX_CHAIN:
            self.cursor.fail("max number of branches exceeded")
        found = self.control(context)
        self.branches -= 1
        return found

    def block(self) -> Call:
        context = "block clause"
        token = self.cursor.next_word()
        name = self.template_name(token, context)
        pipe = self.pipeline(context, Kind.RIGHT_DELIMITER)
        inner = self._inner(name)
        body, closing = inner.body()
        if not isinstance(closing, End):
            self.cursor.fail(f"unexpected {closing} in {context}")
        inner.add(body)
        return Call(token.position, name, pipe)

    def call(self) -> Call:
        context = "template clause"
        token = self.cursor.next_word()
        name = self.template_name(token, context)
        pipe: Pipe | None = None
        following = self.cursor.next_word()
        if following.kind is not Kind.RIGHT_DELIMITER:
            self.cursor.back(following)
            pipe = self.pipeline(context, Kind.RIGHT_DELIMITER)
        return Call(token.position, name, pipe)

    def template_name(self, token: Token, context: str) -> str:
        if token.kind not in (Kind.STRING, Kind.RAW_STRING):
            self.cursor.unexpected(token, context)
        return self.literal(token)

    def _inner(self, name: str) -> _Parser:
        inner = _Parser(self.cursor.fork(), name, self.functions, self.parsed)
        inner.depth = self.depth
        return inner

    # Pipelines

    def pipeline(self, context: str, end: Kind) -> Pipe:
        pipe = Pipe(self.cursor.peek_word().position)
        self.declarations(pipe, context)
        while True:
            token = self.cursor.next_word()
            if token.kind is end:
                self.check_pipeline(pipe, context)
                return pipe
            if token.kind not in _OPERANDS:
                self.cursor.unexpected(token, context)
            self.cursor.back(token)
            pipe.commands.append(self.command())

    def declarations(self, pipe: Pipe, context: str) -> None:
        while (variable := self.cursor.peek_word()).kind is Kind.VARIABLE:
            self.cursor.next()
            after = self.cursor.peek()
            following = self.cursor.peek_word()
            if following.kind in (Kind.ASSIGN, Kind.DECLARE):
                pipe.assigns = following.kind is Kind.ASSIGN
                self.cursor.next_word()
                self.declare(pipe, variable)
                return
            if following.kind is Kind.CHARACTER and following.text == ",":
                self.cursor.next_word()
                self.declare(pipe, variable)
                if context == "range" and len(pipe.variables) < 2:
                    if self.cursor.peek_word().kind in (Kind.VARIABLE, Kind.RIGHT_DELIMITER, Kind.RIGHT_PAREN):
                        continue
                    self.cursor.fail("range can only initialize variables")
                self.cursor.fail(f"too many declarations in {context}")
            if after.kind is Kind.SPACE:
                # The space was read over; put it back between the variable and what follows.
                self.cursor.back(after, variable)
            else:
                self.cursor.back(variable)
            return

    def declare(self, pipe: Pipe, token: Token) -> None:
        pipe.variables.append(Variable(token.position, token.text.split(".")))
        self.variables.append(token.text)

    def check_pipeline(self, pipe: Pipe, context: str) -> None:
        if not pipe.commands:
            self.cursor.fail(f"missing value for {context}")
        for stage, command in enumerate(pipe.commands[1:], start=2):
            if isinstance(command.operands[0], Bool | Dot | Nil | NumberLiteral | StringLiteral):
                self.cursor.fail(f"non executable command in pipeline stage {stage}")
        if len(pipe.commands) > MAX_DEPTH:
            self.cursor.fail("max pipeline length exceeded")

    def command(self) -> Command:
        command = Command(self.cursor.peek_word().position)
        while True:
            self.cursor.peek_word()
            operand = self.operand()
            if operand is not None:
                command.operands.append(operand)
                self.count(1)
            token = self.cursor.next()
            if token.kind is Kind.SPACE:
                continue
            if token.kind in (Kind.RIGHT_DELIMITER, Kind.RIGHT_PAREN):
                self.cursor.back(token)
            elif token.kind is not Kind.PIPE:
                self.cursor.unexpected(token, "operand")
            break
        if not command.operands:
            self.cursor.fail("empty command")
        return command

    def operand(self) -> Operand | None:
        node = self.term()
        if node is None or self.cursor.peek().kind is not Kind.FIELD:
            return node
        position = self.cursor.peek().position
        names: list[str] = []
        while self.cursor.peek().kind is Kind.FIELD:
            names.append(self.cursor.next().text[1:])
        if len(names) > MAX_DEPTH:
            self.cursor.fail("max field chain length exceeded")
        match node:
            case Field():
                return Field(position, [*node.names, *names])
            case Variable():
                return Variable(position, [*node.names, *names])
            case Bool() | StringLiteral() | NumberLiteral() | Nil() | Dot():
                self.cursor.fail(f"unexpected . after term {quote(str(node))}")
            case _:
                return Chain(position, node, names)

    def term(self) -> Operand | None:
        token = self.cursor.next_word()
        match token.kind:
            case Kind.IDENTIFIER:
                if token.text not in self.functions:
                    self.cursor.fail(f"function {quote(token.text)} not defined")
                self.parsed.called.add(token.text)
                return Identifier(token.position, token.text)
            case Kind.DOT:
                return Dot(token.position)
            case Kind.NIL:
                return Nil(token.position)
            case Kind.VARIABLE:
                if token.text not in self.variables:
                    self.cursor.fail(f"undefined variable {quote(token.text)}")
                return Variable(token.position, [token.text])
            case Kind.FIELD:
                return Field(token.position, [token.text[1:]])
            case Kind.BOOL:
                return Bool(token.position, token.text == "true")
            case Kind.CHARACTER_CONSTANT | Kind.COMPLEX | Kind.NUMBER:
                return NumberLiteral(token.position, token.text, self.number(token))
            case Kind.LEFT_PAREN:
                self.depth += 1
                if self.depth > MAX_DEPTH:
                    self.cursor.fail("max expression depth exceeded")
                pipe = self.pipeline("parenthesized pipeline", Kind.RIGHT_PAREN)
                self.depth -= 1
                return pipe
            case Kind.STRING | Kind.RAW_STRING:
                return StringLiteral(token.position, token.text, self.literal(token))
        self.cursor.back(token)
        return None

    def literal(self, token: Token) -> str:
        try:
            return unquote(token.text)
        except LiteralError as fault:
            self.cursor.fail(str(fault))

    def number(self, token: Token) -> Number:
        try:
            match token.kind:
                case Kind.CHARACTER_CONSTANT:
                    code = character(token.text)
                    return Number(integer=code, real=float(code))
                case Kind.COMPLEX:
                    return parse_pair(token.text)
            return parse_number(token.text)
        except LiteralError as fault:
            self.cursor.fail(str(fault))
