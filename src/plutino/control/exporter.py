"""Export: the whole state as a document, or rules and what they need, with the reasons."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from typing import TypeVar

from plutino.catalog.trigger import RULE
from plutino.control.documents import Format, ObjectText, Steps
from plutino.control.door import Door
from plutino.control.encryption import Cipher, new_salt
from plutino.control.importer import away
from plutino.control.secrecy import Hide, Secrecy, concealed, guessed_inside, redact, sealing
from plutino.control.sections import entry_of
from plutino.control.selection import Selection, select
from plutino.errors import NotFoundError
from plutino.model import Blobs, Definition, Ref
from plutino.spi import Portable, ResourceSpec
from plutino.spi.secrets import secret_spans

Form = TypeVar("Form", str, bytes)

OPEN = Secrecy()

_SECRETS, _SALT = "$secrets", "salt"
_LONGEST_TEXT = 1 << 20


class Exporter:
    """Writes documents. Each shows one state, whatever changes while it is written."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def everything(self, form: Format[Form], secrecy: Secrecy = OPEN) -> Form:
        """Everything that is stored; the same bytes as long as nothing changes."""
        return await self._written(form, self._door.committed.everything(), secrecy)

    async def rules(
        self, ids: Sequence[str], form: Format[Form], *, memory: bool = False, secrecy: Secrecy = OPEN
    ) -> tuple[Form, Selection]:
        """Rules and exactly what they need, directly or through others.

        ``memory``: also rules that feed them through topics of this process. NotFoundError names those that are not stored.
        """
        committed = self._door.committed
        refs = [Ref(RULE, id) for id in dict.fromkeys(ids)]
        missing = [ref.name for ref in refs if (found := committed.get(ref)) is None or found.temporary]
        if missing:
            raise NotFoundError(f"export rules: {', '.join(missing)} not found; only stored rules can be exported")
        selection = await select(refs, committed, self._door.graph, self._door.specs, memory=memory)
        found_all = (committed.get(ref) for ref in selection.reasons)
        return await self._written(form, (found for found in found_all if found is not None), secrecy), selection

    async def _written(self, form: Format[Form], definitions: Iterable[Definition], secrecy: Secrecy) -> Form:
        kept = self._kept(definitions)
        return await away(form, self._steps(form, kept, await self._hide(secrecy)))

    async def _hide(self, secrecy: Secrecy) -> Hide | None:
        """What hides secrets, None when they are written."""
        match secrecy.mode:
            case "plain":
                return None
            case "redact":
                return redact
        cipher, salt = Cipher(secrecy.passphrase), await self._salt()
        await asyncio.to_thread(cipher.derive, salt)
        return sealing(cipher, salt)

    async def _salt(self) -> bytes:
        """The salt of this server: the same for every export, so that equal states give equal documents."""
        state = self._door.catalog.state
        salt = await state.load(_SECRETS, _SALT)
        if salt is None:
            salt = new_salt()
            await state.save(_SECRETS, {_SALT: salt})
        return salt

    def _kept(self, definitions: Iterable[Definition]) -> list[tuple[Definition, str | None]]:
        return [(definition, self._shown_now(definition)) for definition in definitions if not definition.temporary]

    def _shown_now(self, definition: Definition) -> str | None:
        """The text where it depends on what may change while the document is written."""
        if self._door.checker.flag(definition.ref) is None:
            return None
        return self._door.checker.shown_text(definition)

    def _steps(self, form: Format[Form], kept: list[tuple[Definition, str | None]], hide: Hide | None = None) -> Steps[Form]:
        objects = []
        kept.sort(key=lambda pair: pair[0].ref.name)
        yield
        for definition, text in kept:
            spec = self._door.specs.get(definition.ref.kind)
            if spec is not None:
                place = entry_of(definition.ref, spec.section)
                text = text if text is not None else self._text(definition, form)
                blobs = definition.blobs
                if hide is not None:
                    text, blobs = self._hidden(definition, text, spec, form, hide)
                objects.append(ObjectText(spec.section, *place, text, blobs=blobs))
            yield
        return (yield from form.write(objects, self._door.catalog.blob_store.read))

    def _hidden(self, definition: Definition, text: str, spec: ResourceSpec, form: Format[Form], hide: Hide) -> tuple[str, Blobs]:
        """A text without its secrets, and the bytes beside it in which none are seen: what was hidden must not stand next to it."""
        found = concealed(definition, text, spec, self._door.committed, hide)
        if not form.carries_bytes or not definition.blobs:
            return found, definition.blobs
        harmless = tuple((role, digest) for role, digest in definition.blobs if not self._tells(digest))
        if harmless != definition.blobs and isinstance(spec, Portable) and definition.content is not None:
            text = spec.portable(definition, self._door.catalog.blob_store.read)
            found = concealed(definition, text, spec, self._door.committed, hide)
        return found, harmless

    def _tells(self, digest: str) -> bool:
        """Whether kept bytes are a text with secrets in it; archives and other binary files are not looked into."""
        data = self._door.catalog.blob_store.read(digest)
        if len(data) > _LONGEST_TEXT:
            return False
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return False
        return bool(secret_spans(text)) or any(True for _ in guessed_inside((), text))

    def _text(self, definition: Definition, form: Format[Form]) -> str:
        """A text as it can stand in a document that goes elsewhere."""
        spec = self._door.specs[definition.ref.kind]
        if definition.content is not None and not form.carries_bytes and isinstance(spec, Portable):
            return spec.portable(definition, self._door.catalog.blob_store.read)
        return definition.text
