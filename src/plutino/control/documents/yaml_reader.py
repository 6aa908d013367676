"""YAML texts as trees of nodes with places, within limits. Nothing is built but plain JSON values.

Plain scalars mean what they mean to the original's library: YAML 1.2 with numbers as Go writes them (``010`` is octal), so ``yes`` and
dates are text.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

from msgspec import Struct

from plutino.control.documents.content import Lines, Steps, well_formed
from plutino.errors import DocumentError, Fault
from plutino.spi.discretion import discreet
from plutino.spi.limits import Limits as Intake
from plutino.spi.limits import limits as intake


class Limits(Struct, frozen=True):
    """What a text may be at most: ``characters`` long, ``depth`` levels deep, with so many ``nodes`` as written and ``repeated`` ones
    that aliases stand for."""

    characters: int = Intake().document
    depth: int = Intake().depth
    nodes: int = 10_000_000
    repeated: int = 100_000


_PAUSE = 500
"""Events between pauses."""

_AROUND = 4096
"""Characters on both sides of a fault among which secrets are looked for."""


class Scalar(Struct, frozen=True, gc=False):
    """A scalar as written. ``plain``: without quotes and tag, so that its text decides its type."""

    at: int
    text: str
    plain: bool
    tag: str = ""


class Sequence(Struct, frozen=True):
    """A list."""

    at: int
    items: list[Node]


class Mapping(Struct, frozen=True):
    """An object; ``keys`` says where each key stands."""

    at: int
    items: dict[str, Node]
    keys: dict[str, int]


Node: TypeAlias = "Scalar | Sequence | Mapping"


class Text(Struct, frozen=True):
    """A YAML text that was read: its first document, None when there is none, and the place where a second one begins (-1: nowhere)."""

    root: Node | None
    second: int = -1


def read_yaml(text: str, limits: Limits | None = None) -> Steps[Text]:
    """The nodes of a text; DocumentError with one fault and its place when it is no YAML or beyond ``limits`` (those of this process)."""
    import yaml

    limits = limits or Limits(intake().document, intake().depth)
    if len(text) > limits.characters:
        raise _fault(text, 0, f"{len(text)} characters; at most {limits.characters} are read")
    reader = _Composer(text, limits)
    # The library's own scanner knows no byte order mark inside a text.
    clean = well_formed(text.removeprefix("\ufeff"))
    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)(clean)
    shift = len(text) - len(clean)
    count = 0
    try:
        while reader.take(loader.get_event(), shift):
            count += 1
            if count % _PAUSE == 0:
                yield
    except yaml.reader.ReaderError as error:
        raise _fault(text, _offset(clean, error.position) + shift, str(error.reason)) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = mark.index if mark is not None else 0
        raise _fault(text, at + shift, str(error.problem or error.context)) from None
    finally:
        loader.dispose()
    return Text(reader.root, reader.second)


def value_of(node: Node, text: str) -> Any:
    """The JSON value of a node; DocumentError with a place in ``text`` for what JSON has not."""
    match node:
        case Scalar():
            return scalar_value(node, text)
        case Sequence():
            return [value_of(item, text) for item in node.items]
        case Mapping():
            return {key: value_of(item, text) for key, item in node.items.items()}


def scalar_value(node: Scalar, text: str) -> Any:
    """The JSON value of a scalar."""
    if node.plain:
        found = _resolved(node.text)
    elif not node.tag or node.tag == _STR:
        return node.text
    else:
        found = _tagged(node.tag, node.text)
    if isinstance(found, float) and not math.isfinite(found):
        raise _fault(text, node.at, f"{node.text}: not a number that JSON has")
    if found is _UNFIT:
        raise _fault(text, node.at, f"{node.text[:80]}: no value of type {node.tag.removeprefix(_CORE)}")
    return found


def kind_of(node: Node, text: str) -> str:
    """The type as the original names it, with the value of a scalar: ``!!int `5```."""
    match node:
        case Sequence():
            return "!!seq"
        case Mapping():
            return "!!map"
        case Scalar():
            value = scalar_value(node, text)
            name = {bool: "bool", int: "int", float: "float", str: "str"}.get(type(value), "null")
            return f"!!{name} `{node.text[:10]}{'...' if len(node.text) > 10 else ''}`"


def is_null(node: Node) -> bool:
    """Whether a node is null."""
    return isinstance(node, Scalar) and (_resolved(node.text) is None if node.plain else node.tag == f"{_CORE}null")


class _Composer:
    """Makes nodes of events, one by one."""

    def __init__(self, text: str, limits: Limits) -> None:
        self.root: Node | None = None
        self.second = -1
        self._text = text
        self._limits = limits
        self._open: list[_Open] = []
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._nodes = 0
        self._repeated = 0
        self._documents = 0

    def take(self, event: Any, shift: int) -> bool:
        """Take an event; False when no more are of interest."""
        at = event.start_mark.index + shift
        match type(event).__name__:
            case "ScalarEvent":
                plain = event.implicit[0] and not event.tag
                self._add(Scalar(at, event.value, plain, _known_tag(event.tag, self._text, at)), event.anchor, 1)
            case "MappingStartEvent" | "SequenceStartEvent" as name:
                _known_tag(event.tag, self._text, at)
                if len(self._open) >= self._limits.depth:
                    raise _fault(self._text, at, f"more than {self._limits.depth} levels deep")
                self._open.append(_Open(at, event.anchor, name == "MappingStartEvent", self._nodes + self._repeated))
            case "MappingEndEvent" | "SequenceEndEvent":
                done = self._open.pop()
                self._add(done.node(self._text), done.anchor, self._nodes + self._repeated - done.before + 1)
            case "AliasEvent":
                known = self._anchors.get(event.anchor)
                if known is None:
                    raise _fault(self._text, at, f"unknown anchor '{event.anchor}' referenced")
                self._repeated += known[1]
                if self._repeated > self._limits.repeated:
                    raise _fault(self._text, at, "document contains excessive aliasing")
                self._place(known[0])
            case "DocumentStartEvent":
                self._documents += 1
                if self._documents > 1:
                    self.second = at
                    return False
            case "StreamEndEvent":
                return False
        return True

    def _add(self, node: Node, anchor: str | None, size: int) -> None:
        self._nodes += 1
        if self._nodes > self._limits.nodes:
            raise _fault(self._text, node.at, f"more than {self._limits.nodes} values")
        if anchor is not None:
            self._anchors[anchor] = (node, size)
        self._place(node)

    def _place(self, node: Node) -> None:
        if self._open:
            self._open[-1].add(node, self._text)
        else:
            self.root = node


class _Open:
    """A list or object whose end has not come yet; ``before`` nodes were there when it began."""

    def __init__(self, at: int, anchor: str | None, mapping: bool, before: int) -> None:
        self.anchor = anchor
        self.before = before
        self._at = at
        self._mapping = mapping
        self._list: list[Node] = []
        self._items: dict[str, Node] = {}
        self._keys: dict[str, int] = {}
        self._key: Scalar | None = None
        self._merged: list[Mapping] = []

    def add(self, node: Node, text: str) -> None:
        """The next item, key or value."""
        if not self._mapping:
            self._list.append(node)
        elif self._key is None:
            if not isinstance(node, Scalar):
                raise _fault(text, node.at, "a list or an object is the key of an object; text is expected")
            self._key = node
        else:
            key, self._key = self._key, None
            if key.plain and key.text == "<<":
                self._merged += _mappings(node, text)
                return
            if key.text in self._items:
                line, _ = Lines(text).place(self._keys[key.text])
                raise _fault(text, key.at, f'mapping key "{key.text}" already defined at line {line}')
            self._items[key.text] = node
            self._keys[key.text] = key.at

    def node(self, text: str) -> Node:
        """The whole of it; what was merged stands behind what is written."""
        if not self._mapping:
            return Sequence(self._at, self._list)
        for merged in self._merged:
            for key, node in merged.items.items():
                if key not in self._items:
                    self._items[key] = node
                    self._keys[key] = merged.keys[key]
        return Mapping(self._at, self._items, self._keys)


def _mappings(node: Node, text: str) -> Iterator[Mapping]:
    for item in node.items if isinstance(node, Sequence) else [node]:
        if not isinstance(item, Mapping):
            raise _fault(text, item.at, "map merge requires map or sequence of maps as the value")
        yield item


_CORE = "tag:yaml.org,2002:"
_STR = f"{_CORE}str"
_TAGS = frozenset(_CORE + name for name in ("str", "int", "float", "bool", "null", "seq", "map"))
_UNFIT = object()
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?(?:0[bB][01_]+|0[oO]?[0-7_]+|0[xX][0-9a-fA-F_]+|0|[1-9][0-9_]*)", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", re.ASCII)
_DIGITS = 1000


def _resolved(text: str) -> Any:
    """What a plain scalar is."""
    head = text[:1]
    if head.isalpha() and head not in "tTfFnN":
        return text
    if text in _NULLS:
        return None
    if text in _BOOLS:
        return _BOOLS[text]
    if len(text) > _DIGITS or not (head in "+-.~" or head.isdigit()):
        return text
    if _INT.fullmatch(text):
        return _integer(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return float(text.lower().replace(".", "")) if _INFINITE.fullmatch(text) else text


def _integer(text: str) -> int | str:
    body = text.lstrip("+-").replace("_", "")
    if len(body) > 1 and body[0] == "0" and body[1].isdigit():
        body = "0o" + body
    try:
        value = int(body, 0)
    except ValueError:  # ``0x_``
        return text
    return -value if text[0] == "-" else value


def _tagged(tag: str, text: str) -> Any:
    value = _resolved(text)
    match tag.removeprefix(_CORE), value:
        case ("int", bool()) | ("float", bool()):
            return _UNFIT
        case ("int", int()) | ("float", float()) | ("bool", bool()) | ("null", None):
            return value
        case "float", int():
            return float(value)
        case _:
            return _UNFIT


def _known_tag(tag: str | None, text: str, at: int) -> str:
    if tag is None or tag == "!":
        return ""
    if tag not in _TAGS:
        raise _fault(text, at, f"tag {tag[:80]} has no meaning here; plain values are expected")
    return tag


def _offset(text: str, position: int) -> int:
    """Characters before a position that the library counts in bytes of UTF-8."""
    return len(text.encode()[:position].decode("utf-8", "ignore"))


def _fault(text: str, at: int, problem: str) -> DocumentError:
    line, column = Lines(text).place(min(at, len(text)))
    # Names of anchors and tags, for instance, may be secrets that want quotes.
    problem = discreet(problem, text[max(0, at - _AROUND) : at + _AROUND])
    return DocumentError(f"yaml: line {line}: {problem}", (Fault("", problem, line, column),))
