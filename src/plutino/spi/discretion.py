"""Messages that tell nothing of the secrets in what they are about: errors, status, logs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

import msgspec

from plutino.errors import PlutinoError, SqlSyntaxError
from plutino.spi.json_text import DEEPEST, Path, decoded
from plutino.spi.option_model import Option, flat_options
from plutino.spi.registry import Registry
from plutino.spi.rewriting import rewritten_json
from plutino.spi.secrets import (
    holds_headers,
    is_open,
    is_secret_header,
    names_secrets,
    scrubbed,
    secret_number,
    secret_spans,
    surely_secret,
)

_LITERAL = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'(?:[^'\\]|\\.)*'", re.DOTALL)


def secrets_in(text: str, declared: Collection[str] = (), *, broken: bool = False) -> set[str]:
    """The secret values in a text that somebody sent: JSON at any depth, statements, addresses.

    ``declared``: lower-case names of options that are secret although they do not sound so. ``broken``: also all that may be a secret in
    texts that do not parse, for messages about them.
    """
    found: set[str] = set()
    look = _Look(found, declared, broken)
    if look.inside((), text):
        return found
    # No JSON, or not to its end: what can be read of it counts.
    rewritten_json(text, look.at)
    for literal in _literals(text):
        look.inside((), literal)
    found.update(text[start:end] for start, end in secret_spans(text))
    if broken:
        found |= _behind_names(text, declared)
    return found


def _behind_names(text: str, declared: Collection[str]) -> set[str]:
    """What may be a secret in a text that does not parse, which is rare."""
    from plutino.spi.broken_text import secrets_behind_names

    return secrets_behind_names(text, declared)


class _Look:
    """Collects the secrets of decoded values."""

    __slots__ = ("_broken", "_declared", "_found")

    def __init__(self, found: set[str], declared: Collection[str], broken: bool) -> None:
        self._found = found
        self._declared = declared
        self._broken = broken

    def inside(self, path: Path, text: str) -> bool:
        """Look at a text that is a JSON object or list; False when it is none."""
        if text.lstrip()[:1] not in ("{", "["):
            return False
        try:
            value = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return False
        self._walk(path, value, 0)
        return True

    def at(self, path: Path, value: Any) -> None:
        """Look at one value; ``path`` are the names above it."""
        if isinstance(value, str):
            if _is_named_secret(path, self._declared) and not is_open(value):
                self._found.add(value)
            if not self.inside(path, value):
                self._found.update(value[start:end] for start, end in secret_spans(value))
                for literal in _literals(value):
                    self.inside(path, literal)
                if self._broken:
                    self._found |= _behind_names(value, self._declared)
        elif isinstance(value, int | float) and not isinstance(value, bool) and path and secret_number(path[-1]):
            self._found.add(str(value))

    def _walk(self, path: Path, value: Any, depth: int) -> None:
        if isinstance(value, dict):
            for name, member in value.items():
                if depth < DEEPEST:
                    self._walk((*path[-1:], name), member, depth + 1)
        elif isinstance(value, list):
            for member in value:
                if depth < DEEPEST:
                    self._walk(path, member, depth + 1)
        else:
            self.at(path, value)


def may_hold_secrets(text: str, declared: Collection[str] = ()) -> bool:
    """A quick look: False for most texts without secrets."""
    lowered = text.lower()
    return names_secrets(text) or "header" in lowered or "://" in text or "@" in text or any(f'"{name}"' in lowered for name in declared)


def discreet(message: str, text: str = "", declared: Collection[str] = ()) -> str:
    """A message without the secrets of the ``text`` that it is about, and without what looks like one."""
    return scrubbed(message, secrets_in(text, declared, broken=True) if text else ())


def make_discreet(error: PlutinoError, text: str = "", declared: Collection[str] = ()) -> None:
    """Take the secrets of ``text`` out of the message of an error."""
    values = secrets_in(text, declared, broken=True) if text else set()
    found = scrubbed(error.message, values)
    if found != error.message:
        error.message = found
        error.args = (found,)
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, SqlSyntaxError):
            cause.suggestion = scrubbed(cause.suggestion, values) if cause.suggestion else cause.suggestion
            cause.advice = scrubbed(cause.advice, values) if cause.advice else cause.advice
        cause = cause.__cause__


def declared_secrets(registry: Registry) -> frozenset[str]:
    """Lower-case names of all options that a component declares as secret."""
    found: set[str] = set()
    for connector in registry.connectors.values():
        for side in (connector.source, connector.sink, connector.lookup, connector.connection):
            if side is not None:
                found.update(option.name.lower() for option in _deep(flat_options(side.options)) if option.opt.secret)
    return frozenset(found)


def _literals(text: str) -> Iterator[str]:
    """The quoted strings in a statement that may be JSON."""
    if "{" not in text:
        return
    for match in _LITERAL.finditer(text):
        literal = match[0]
        if "{" in literal:
            found = decoded(literal) if literal[0] == '"' else literal[1:-1]
            yield found if isinstance(found, str) else literal[1:-1]


def _deep(options: Collection[Option]) -> Iterator[Option]:
    for option in options:
        yield option
        if option.shape.model is not None:
            yield from _deep(flat_options(option.shape.model))


def _is_named_secret(path: Path, declared: Collection[str]) -> bool:
    names = [part for part in path if not part.isdecimal()]
    if not names:
        return False
    if len(names) > 1 and holds_headers(names[-2]):
        return is_secret_header(names[-1])
    return surely_secret(names[-1]) or names[-1].lower() in declared
