"""How hidden secrets come back in: masks keep the value that is there already, encrypted values are opened with the passphrase."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from plutino.control.encryption import SALTS, TOKEN, Cipher, salts_in
from plutino.control.secrecy import has_hidden, rewriter_of
from plutino.errors import DefinitionError, PlutinoError
from plutino.model import Ref
from plutino.spi import ResourceSpec
from plutino.spi.json_text import Path
from plutino.spi.rewriting import Change, Literal, rewritten_inside
from plutino.spi.secrets import MASK, masked_text, replaced, secret_spans

Present = Callable[[Ref], "str | None"]


class Revelation:
    """Makes texts whole again, with one passphrase (or none) and what is stored at present."""

    def __init__(self, specs: Mapping[str, ResourceSpec], present: Present, passphrase: str = "", *, keep_masks: bool = False) -> None:
        """``keep_masks``: masks stay, for checks of documents without their server."""
        self._specs = specs
        self._present = present
        self._cipher = Cipher(passphrase) if passphrase else None
        self._keep_masks = keep_masks

    async def prepare(self, texts: Iterable[str | None]) -> None:
        """Derive the keys that encrypted values in ``texts`` need; PlutinoError when there are too many of them."""
        if self._cipher is None:
            return
        salts: set[bytes] = set()
        for text in texts:
            if text is not None:
                salts |= salts_in(text)
        if len(salts) > SALTS:
            raise PlutinoError(f"document: encrypted values with {len(salts)} salts; at most {SALTS} are opened at once")
        for salt in salts:
            await asyncio.to_thread(self._cipher.derive, salt)

    def whole(self, ref: Ref, text: str) -> str:
        """A text with its hidden values in it; DefinitionError that names every value that cannot be had."""
        spec = self._specs.get(ref.kind)
        if spec is None or not has_hidden(text):
            return text
        missing: list[str] = []
        reader = _Reader(text, self._cipher, self._keep_masks, missing, lambda: self._present(ref), rewriter_of(spec))
        found = reader.everything() if text == MASK or TOKEN.fullmatch(text) else rewriter_of(spec)(text, reader.change)
        if missing:
            raise DefinitionError("; ".join(missing))
        return found


class _Reader:
    """Fills the hidden values of one text."""

    def __init__(
        self,
        text: str,
        cipher: Cipher | None,
        keep_masks: bool,
        missing: list[str],
        present: Callable[[], str | None],
        rewrite: Callable[[str, Change], str],
    ) -> None:
        self._text = text
        self._cipher = cipher
        self._keep_masks = keep_masks
        self._missing = missing
        self._stored = present
        self._rewrite = rewrite
        self._known: _Known | None = None

    def everything(self) -> str:
        """The whole text was hidden."""
        if self._text != MASK:
            found = self.change((), self._text)
            return found if isinstance(found, str) else self._text
        stored = self._stored()
        if stored is None and not self._keep_masks:
            self._lack("text")
        return stored or self._text

    def change(self, path: Path, value: Any) -> str | Literal | None:
        """The value that was hidden, None for one that was not."""
        if not isinstance(value, str) or not has_hidden(value):
            return None
        if value == MASK:
            return self._kept(path)
        token = TOKEN.fullmatch(value)
        if token is not None:
            opened = self._opened(path, token)
            return None if opened is None else Literal(opened[0]) if opened[1] else opened[0]
        inside = rewritten_inside(path, value, self.change)
        if inside is not None:
            return inside
        found = TOKEN.sub(lambda match: (self._opened(path, match) or (match[0], False))[0], value)
        filled = self._filled(path, found)
        return None if filled == value else filled

    def _kept(self, path: Path) -> str | Literal | None:
        if self._keep_masks:
            return None
        found = self._present().value(path)
        if found is None or found == MASK:
            self._lack(".".join(path))
            return None
        return found if isinstance(found, str) else Literal(msgspec.json.encode(found).decode())

    def _filled(self, path: Path, value: str) -> str:
        """A value of which parts were masked."""
        spans = secret_spans(value)
        masked = [index for index, (start, end) in enumerate(spans) if value[start:end] == MASK]
        if not masked or self._keep_masks:
            return value
        present = self._present().value(path)
        known = secret_spans(present) if isinstance(present, str) else ()
        if not isinstance(present, str) or len(known) != len(spans):
            self._lack(".".join(path))
            return value
        parts = iter([present[slice(*known[i])] if i in masked else value[slice(*spans[i])] for i in range(len(spans))])
        return replaced(value, spans, lambda _: next(parts))

    def _opened(self, path: Path, token: Any) -> tuple[str, bool] | None:
        if self._cipher is None:
            self._missing.append(f"{'.'.join(path) or 'text'}: an encrypted value, but no passphrase; give the one it was exported with")
            return None
        try:
            return self._cipher.open(token)
        except DefinitionError as error:
            self._missing.append(f"{'.'.join(path) or 'text'}: {error.message}")
            return None

    def _present(self) -> _Known:
        if self._known is None:
            self._known = _Known(self._text, self._stored(), self._rewrite)
        return self._known

    def _lack(self, place: str) -> None:
        self._missing.append(f"{place}: {MASK}, the value was left out, and there is none here to keep; write it into the document")


class _Known:
    """The values of a stored text by path, names in any case. Members of lists are looked for by what they look like without secrets."""

    def __init__(self, text: str, stored: str | None, rewrite: Callable[[str, Change], str]) -> None:
        self._values: dict[Path, Any] = {}
        self._new = _decoded(text)
        self._old = _decoded(stored)
        if stored is not None:
            rewrite(stored, self._take)

    def value(self, path: Path) -> Any:
        """The value that stands where ``path`` leads in the new text; None when there is none."""
        return self._values.get(_lowered(self._aligned(path)))

    def _take(self, path: Path, value: Any) -> None:
        self._values[_lowered(path)] = value
        rewritten_inside(path, value, self._take)

    def _aligned(self, path: Path) -> Path:
        new, old = self._new, self._old
        found: list[str] = []
        for part in path:
            if isinstance(new, list) and isinstance(old, list) and part.isdecimal() and int(part) < len(new):
                at = _place_of(new[int(part)], old, int(part))
                part = str(at)
                new, old = new[int(path[len(found)])], old[at] if at < len(old) else None
            else:
                new, old = _member(new, part), _member(old, part)
            found.append(part)
        return tuple(found)


def _place_of(item: Any, stored: list[Any], at: int) -> int:
    """Where the stored item is of which ``item`` is the masked form; the same place when none looks like it."""
    if at < len(stored) and _alike(item, stored[at]):
        return at
    return next((i for i, known in enumerate(stored) if _alike(item, known)), at)


def _alike(masked: Any, whole: Any) -> bool:
    match masked:
        case dict():
            return isinstance(whole, dict) and masked.keys() == whole.keys() and all(_alike(v, whole[k]) for k, v in masked.items())
        case list():
            return isinstance(whole, list) and len(masked) == len(whole) and all(map(_alike, masked, whole))
        case str() if MASK in masked:
            return masked == MASK or (isinstance(whole, str) and masked_text(whole) == masked)
        case _:
            return bool(masked == whole)


def _member(value: Any, name: str) -> Any:
    if not isinstance(value, dict):
        return None
    if name in value:
        return value[name]
    return next((found for key, found in value.items() if key.lower() == name.lower()), None)


def _decoded(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def _lowered(path: Path) -> Path:
    return tuple(part.lower() for part in path)
