"""What an import brings and is right, but means nothing here: names that nothing knows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from plutino.control.checker import Checker, Draft, Item
from plutino.control.documents import DocumentContent
from plutino.control.environment import Committed, Desired
from plutino.control.pacer import Pacer
from plutino.control.progress import Progress
from plutino.errors import Fault, PlutinoError
from plutino.model import Definition, Ref
from plutino.spi.linting import PLAIN, Advice, Lintable

_SHOWN = 100
"""Warnings that an answer has; how many more there are stands in one more."""


async def warnings_of(
    content: DocumentContent, draft: Draft, texts: dict[Ref, str | None], committed: Committed, checker: Checker, progress: Progress
) -> tuple[Fault, ...]:
    """What was passed over while the document was read, and advice on every object that is created or changed, as far as it is plain.

    ``texts`` are as the document has them. To be called before the draft is carried out.
    """
    env = _desired(draft, committed)
    found: list[tuple[Item, Advice]] = []
    more = 0
    pacer = Pacer(progress)
    for item in draft.items.values():
        after, spec = item.after, item.spec
        if after is None or not item.changed or after.content is None or not isinstance(spec, Lintable):
            continue
        written = _as_written(after, texts)
        # What the check has seen need not be looked through again.
        known = item.advice if written is after else (advice for advice in spec.lint(written, env, PLAIN) if advice.code in PLAIN)
        for advice in known:
            if len(content.warnings) + len(found) < _SHOWN:
                found.append((item, advice))
            else:
                more += 1
        if pacer.due():
            await pacer.rest()
    return limited([*content.warnings, *_placed(found, content, checker)], more)


def limited(warnings: Sequence[Fault], more: int = 0) -> tuple[Fault, ...]:
    """As many warnings as an answer has, and how many there are besides; ``more`` are known of by number."""
    more += max(0, len(warnings) - _SHOWN)
    shown = tuple(warnings[:_SHOWN])
    return (*shown, Fault("", f"and {more} more")) if more else shown


def _desired(draft: Draft, committed: Committed) -> Desired:
    """The state as the draft makes it."""
    items = draft.items
    wanted = {ref: None if item.after is None else item.after.text for ref, item in items.items()}
    return Desired(committed, wanted, lambda ref: items[ref].after, lambda rule, otherwise: otherwise)


def _as_written(definition: Definition, texts: dict[Ref, str | None]) -> Definition:
    """With the text of the document, where another one is kept."""
    text = texts.get(definition.ref)
    return definition if text is None or text == definition.text else msgspec.structs.replace(definition, text=text)


def _placed(found: Sequence[tuple[Item, Advice]], content: DocumentContent, checker: Checker) -> Iterator[Fault]:
    """Advice with the place of its object in the document."""
    failures = [checker.failure(item.ref, PlutinoError(advice.text), item.after) for item, advice in found]
    for (_, advice), fault in zip(found, content.placed(failures), strict=True):
        yield Fault(".".join((fault.path, *advice.path)), fault.text, fault.line, fault.column, fault.file)
