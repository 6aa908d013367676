"""How the secrets in the texts of objects leave the server: as they are, masked, or encrypted.

A text keeps its form: only the secret values in it are replaced, or the secret parts of values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from plutino.control.encryption import TOKEN, Cipher
from plutino.errors import AccessError, PlutinoError
from plutino.model import Definition
from plutino.spi import Environment, Registry, ResourceSpec
from plutino.spi.discretion import declared_secrets, may_hold_secrets, secrets_in
from plutino.spi.json_text import Path
from plutino.spi.options import guessed_paths
from plutino.spi.rewriting import Change, Literal, Rewritable, rewritten_inside, rewritten_json
from plutino.spi.secrets import MASK, is_open, masked_text, replaced, secret_spans, surely_secret

PLAIN, REDACT, ENCRYPT = "plain", "redact", "encrypt"
MODES = (PLAIN, REDACT, ENCRYPT)

Hide: TypeAlias = Callable[[str, str, bool], str]
"""What stands for a value: its dotted place, the value, and whether that is a JSON token instead of a text."""


class Secrecy(Struct, frozen=True):
    """How one document is written: ``mode``, and the ``passphrase`` of ``encrypt``."""

    mode: str = PLAIN
    passphrase: str = ""


class Policy(Struct, frozen=True):
    """What the server's configuration says: the ``default`` mode, whether ``plain`` may be asked for, and the ``passphrase`` for requests
    that bring none."""

    default: str = PLAIN
    plain: bool = True
    passphrase: str = ""

    def secrecy(self, mode: str, passphrase: str) -> Secrecy:
        """How a document is written that is asked for with these words, empty for none.

        PlutinoError for an unknown mode or a missing passphrase, AccessError for what is not allowed.
        """
        mode = mode or self.default
        if mode not in MODES:
            raise PlutinoError(f"secrets: {mode}; one of {', '.join(MODES)} is expected")
        if mode == PLAIN and not self.plain:
            raise AccessError(f"secrets: {PLAIN}; this server gives none away, ask for {REDACT} or {ENCRYPT}", status=403)
        if mode != ENCRYPT:
            return Secrecy(mode)
        found = passphrase or self.passphrase
        if not found:
            raise PlutinoError(f"secrets: {ENCRYPT}, but no passphrase; send it in the header Plutino-Passphrase")
        Cipher(found)
        return Secrecy(mode, found)


def redact(place: str, value: str, literal: bool) -> str:
    """Hides everything."""
    return MASK


def sealing(cipher: Cipher, salt: bytes) -> Hide:
    """Hides behind a passphrase."""
    return lambda place, value, literal: cipher.seal(salt, place, value, literal=literal)


def concealed(definition: Definition, text: str, spec: ResourceSpec, env: Environment, hide: Hide) -> str:
    """The text of a definition with its secrets hidden; the same text when it has none."""
    if definition.content is None and not _is_json(text):
        # Nobody can tell what is secret in it.
        return hide(str(definition.ref), text, False)
    return rewriter_of(spec)(text, Concealment(definition, text, spec, env, hide).change)


def rewriter_of(spec: ResourceSpec) -> Callable[[str, Change], str]:
    """How texts of a kind are changed in place."""
    return spec.rewritten if isinstance(spec, Rewritable) else rewritten_json


class Concealment:
    """Hides the secrets of one text."""

    def __init__(self, definition: Definition, text: str, spec: ResourceSpec, env: Environment, hide: Hide) -> None:
        self._place = str(definition.ref)
        self._secret = {_lowered(path) for path in secret_values(definition, text, spec, env)}
        self._hide = hide

    def change(self, path: Path, value: Any) -> str | Literal | None:
        """What stands for a value."""
        if value is msgspec.UNSET or value is None or value == "":
            return None
        if self._is_secret(_lowered(path)):
            if not isinstance(value, str):
                return self._hidden(path, msgspec.json.encode(value).decode(), True)
            return None if is_open(value) else self._hidden(path, value, False)
        if not isinstance(value, str):
            return None
        inside = rewritten_inside(path, value, self._inner(path, value))
        if inside is not None:
            return inside
        found = replaced(value, secret_spans(value), lambda part: self._hidden(path, part, False))
        return None if found == value else found

    def _inner(self, path: Path, value: str) -> Change:
        """Inside of a text value that is JSON, names say what is secret as well."""
        if value.lstrip()[:1] in ("{", "["):
            self._secret.update(_lowered(found) for found in guessed_inside(path, value))
        return self.change

    def _is_secret(self, path: Path) -> bool:
        return path in self._secret

    def _hidden(self, path: Path, value: str, literal: bool) -> str:
        return self._hide(".".join((self._place, *path)), value, literal)


def secret_values(definition: Definition, text: str, spec: ResourceSpec, env: Environment) -> Iterator[Path]:
    """Paths of the values that are secret as a whole, as the kind declares them for the content and for the text as it is spelt."""
    if definition.content is not None:
        yield from spec.secrets(definition, env)
    written = _json_object(text)
    if written is None:
        return
    if definition.content is None:
        yield from guessed_paths("", written, ())
    elif not isinstance(definition.content, dict):
        yield from guessed_paths("", written, (), sounds=surely_secret)
    elif isinstance(definition.content, dict) and written != definition.content:
        yield from spec.secrets(replace(definition, content=written), env)


def guessed_inside(path: Path, value: str) -> Iterator[Path]:
    """Paths of the secrets in a text value that is a JSON object or list, told by their names."""
    try:
        found = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return
    yield from guessed_paths(path[-1] if path else "", found, path, declared=True, sounds=surely_secret)


def shown(content: Any, paths: Iterable[Path]) -> Any:
    """A copy of a content with its secrets masked, for people: the form stays, so that two can be compared member by member."""
    secret = set(paths)
    wild = {path for path in secret if "*" in path}
    return _shown(content, (), secret, wild)


def _shown(value: Any, path: Path, secret: set[Path], wild: set[Path]) -> Any:
    if path in secret or (wild and any(_matches(path, pattern) for pattern in wild)):
        return MASK
    match value:
        case dict():
            return {k: _shown(v, (*path, str(k)), secret, wild) for k, v in value.items()}
        case list() | tuple():
            return [_shown(v, (*path, str(i)), secret, wild) for i, v in enumerate(value)]
        case str():
            return _shown_text(value, path, secret)
        case _:
            return value


def _shown_text(value: str, path: Path, secret: set[Path]) -> str:
    if value[:1] in "{[ \t\n" and value.lstrip()[:1] in ("{", "["):
        below = {p for p in secret if p[: len(path)] == path} | set(guessed_inside(path, value))

        def change(at: Path, leaf: Any) -> str | Literal | None:
            if at in below:
                return MASK
            return masked_text(leaf) if isinstance(leaf, str) else None

        found = rewritten_inside(path, value, change)
        if found is not None:
            return found
    return masked_text(value)


def _matches(path: Path, pattern: Path) -> bool:
    return len(path) == len(pattern) and all(wanted in ("*", part) for part, wanted in zip(path, pattern, strict=True))


class KnownSecrets:
    """The secret values in the texts of definitions, looked for once in each."""

    def __init__(self, registry: Registry) -> None:
        self._declared = declared_secrets(registry)
        self._by_text: dict[str, frozenset[str]] = {}

    def of(self, definitions: Iterable[Definition]) -> frozenset[str]:
        """All secrets of these definitions; others are forgotten."""
        kept: dict[str, frozenset[str]] = {}
        for definition in definitions:
            text = definition.text
            found = self._by_text.get(text)
            if found is None and may_hold_secrets(text, self._declared):
                found = frozenset(secrets_in(text, self._declared))
            if found:
                kept[text] = found
        self._by_text = kept
        return frozenset().union(*kept.values())


def has_hidden(text: str) -> bool:
    """Whether a text may hold masked or encrypted values."""
    return MASK in text or TOKEN.search(text) is not None


def _lowered(path: Path) -> Path:
    return tuple(part.lower() for part in path)


def _json_object(text: str) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def _is_json(text: str) -> bool:
    return _json_object(text) is not None
