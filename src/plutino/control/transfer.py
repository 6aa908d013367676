"""Between documents and objects: what a document wants of which object, and what stands in a document for it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field

from plutino.control.changeset import Changeset
from plutino.control.documents.content import DocumentContent, Steps
from plutino.control.effects import RuleEffect
from plutino.control.failure import Failure
from plutino.control.meaning import same_meaning
from plutino.control.report import config_response
from plutino.control.sections import GROUPED, entry_of, kinds_by_section
from plutino.errors import Fault, UnsupportedError
from plutino.model import Blobs, Definition, Ref
from plutino.spi import ResourceSpec


@dataclass(slots=True)
class Wanted:
    """What a document asks for: texts by object, and the entries that are no objects.

    - ``held``: the (kind, entry) pairs that could not be read: a full import that goes on must not take them as absent
    - ``meant``: objects of which the document has the meaning only, not the author's text
    - ``files``: bytes that came with the document, as (role, path); ``blobs``: the same once they are kept
    """

    texts: dict[Ref, str | None] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    held: set[tuple[str, str]] = field(default_factory=set)
    meant: set[Ref] = field(default_factory=set)
    files: dict[Ref, tuple[tuple[str, str], ...]] = field(default_factory=dict)
    blobs: dict[Ref, Blobs] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ImportResult:
    """What an import did, or would do (dry run).

    - ``faults``: what was refused and left as it was; ``troubles``: what was applied, but does not run
    - ``passed_over``: what was passed over while the document was read; ``warnings``: the same, and what in its objects means nothing or
      cannot be used; ``ignored``: entries (``Schema.protobuf_x``) of objects that were there already and stay
    - ``effects``: what happens to running rules; ``revision``: the state afterwards
    - ``claimed``: entries of objects that were there already and belong to the owner from now on
    """

    revision: int
    changeset: Changeset
    faults: tuple[Fault, ...]
    warnings: tuple[Fault, ...]
    failures: tuple[Failure, ...]
    ignored: tuple[str, ...] = ()
    troubles: tuple[Fault, ...] = ()
    effects: tuple[RuleEffect, ...] = ()
    claimed: tuple[str, ...] = ()
    passed_over: tuple[Fault, ...] = ()

    def config_response(self) -> dict[str, dict[str, str]]:
        """``{section: {entry: error text}}`` with all twelve sections."""
        return config_response(self.failures)


def wanted(content: DocumentContent, specs: Mapping[str, ResourceSpec]) -> Steps[Wanted]:
    """The objects of a document. Entries of a section without a kind are failures, as those that could not be read."""
    kinds = kinds_by_section(specs)
    found = Wanted()
    unknown: dict[tuple[str, str], Failure] = {}
    for item in content.objects:
        kind = kinds.get(item.section)
        if kind is None:
            text = f"{item.section} {item.entry}: this server keeps no {item.section}; remove the entry, or use onError=continue"
            unknown.setdefault((item.section, item.entry), Failure(item.section, item.entry, item.key, UnsupportedError(text)))
            continue
        ref = Ref(kind, f"{item.entry}.{item.key}" if item.section in GROUPED else item.entry)
        found.texts[ref] = item.text
        if not item.verbatim:
            found.meant.add(ref)
        if item.files:
            found.files[ref] = item.files
        yield
    found.failures.extend(unknown.values())
    for refused in content.refused:
        found.failures.append(refused.failure)
        kind = kinds.get(refused.failure.section)
        if kind is not None and not refused.failure.key:
            found.held.add((kind, refused.failure.entry))
    return found


def absent(found: Wanted, definitions: Iterable[Definition], specs: Mapping[str, ResourceSpec]) -> Steps[dict[Ref, str | None]]:
    """Deletions that make a full import complete: everything of a known kind that the document does not name."""
    deletions: dict[Ref, str | None] = {}
    for definition in definitions:
        ref = definition.ref
        if ref not in found.texts and ref.kind in specs and (ref.kind, entry_of(ref, specs[ref.kind].section)[0]) not in found.held:
            deletions[ref] = None
        yield
    return deletions


def spelled(
    found: Wanted, present: Callable[[Ref], str | None], portable: Callable[[Ref], str | None], portable_kinds: Collection[str]
) -> Steps[dict[Ref, str | None]]:
    """The wanted texts in the spelling that is there already, where a document cannot have it: of an object it has the meaning only, or
    the text that was made portable on the way out. So importing an export keeps every text."""
    texts = dict(found.texts)
    for ref, text in found.texts.items():
        meant = ref in found.meant
        if text is None or not (meant or ref.kind in portable_kinds):
            continue
        stored = present(ref)
        if stored is not None and stored != text:
            carried = portable(ref) if ref.kind in portable_kinds else None
            if text == carried or (meant and any(same_meaning(ref, text, known) for known in (stored, carried))):
                texts[ref] = stored
        yield
    return texts
