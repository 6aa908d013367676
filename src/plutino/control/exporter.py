"""Export: the whole state as a document, or rules and what they need, with the reasons."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TypeVar

from plutino.control.documents import V1, Format, ObjectText, Steps, finish
from plutino.control.door import Door
from plutino.control.importer import away
from plutino.control.sections import RULE, entry_of
from plutino.control.selection import Selection, select
from plutino.errors import NotFoundError
from plutino.model import Definition, Ref
from plutino.spi import Portable

Form = TypeVar("Form", str, bytes)


class Exporter:
    """Writes documents. Each shows one state, whatever changes while it is written."""

    def __init__(self, door: Door) -> None:
        self._door = door

    async def everything(self, form: Format[Form]) -> Form:
        """Everything that is stored; the same bytes as long as nothing changes."""
        return await self._written(form, self._door.committed.everything())

    def at_once(self) -> str:
        """Everything that is stored as a v1 document; blocks."""
        return finish(self._steps(V1, self._kept(self._door.committed.everything())))

    async def rules(self, ids: Sequence[str], form: Format[Form], *, memory: bool = False) -> tuple[Form, Selection]:
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
        return await self._written(form, (found for found in found_all if found is not None)), selection

    async def _written(self, form: Format[Form], definitions: Iterable[Definition]) -> Form:
        return await away(form, self._steps(form, self._kept(definitions)))

    def _kept(self, definitions: Iterable[Definition]) -> list[tuple[Definition, str | None]]:
        return [(definition, self._shown_now(definition)) for definition in definitions if not definition.temporary]

    def _shown_now(self, definition: Definition) -> str | None:
        """The text where it depends on what may change while the document is written."""
        if self._door.checker.flag(definition.ref) is None:
            return None
        return self._door.checker.shown_text(definition)

    def _steps(self, form: Format[Form], kept: list[tuple[Definition, str | None]]) -> Steps[Form]:
        objects = []
        kept.sort(key=lambda pair: pair[0].ref.name)
        yield
        for definition, text in kept:
            spec = self._door.specs.get(definition.ref.kind)
            if spec is not None:
                place = entry_of(definition.ref, spec.section)
                text = text if text is not None else self._text(definition, form)
                objects.append(ObjectText(spec.section, *place, text, blobs=definition.blobs))
            yield
        return (yield from form.write(objects, self._door.catalog.blob_store.read))

    def _text(self, definition: Definition, form: Format[Form]) -> str:
        """A text as it can stand in a document that goes elsewhere."""
        spec = self._door.specs[definition.ref.kind]
        if definition.content is not None and not form.carries_bytes and isinstance(spec, Portable):
            return spec.portable(definition, self._door.catalog.blob_store.read)
        return definition.text
