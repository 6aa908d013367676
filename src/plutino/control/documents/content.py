"""What every document format reads to and writes from: objects with their texts, and where each one stands."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeAlias, TypeVar

from msgspec import Struct

from plutino.control.failure import Failure
from plutino.control.pacer import Pacer
from plutino.errors import Fault
from plutino.model import Blobs
from plutino.spi import Mode

T = TypeVar("T")
Form = TypeVar("Form", str, bytes)

Steps: TypeAlias = Generator[None, None, T]
"""Long work that pauses now and then; ``finish`` runs it through, ``paced`` gives way to others in the pauses."""


class ObjectText(Struct, frozen=True, gc=False):
    """One object of a document.

    - ``section``, ``entry``, ``key``: where it stands in a v1 document; ``key`` is empty except in sections that group keys by type
    - ``text``: its definition; ``verbatim`` False where the format carries only what it means, so that another spelling of it is kept
    - ``file``, ``offset``: where its text begins, in characters of that file; one-file documents have the file ``""``
    - ``blobs``: on the way out, the bytes kept beside the text; ``files``: on the way in, (role, path inside the document) of such bytes
    """

    section: str
    entry: str
    key: str
    text: str
    offset: int = 0
    file: str = ""
    verbatim: bool = True
    blobs: Blobs = ()
    files: tuple[tuple[str, str], ...] = ()

    @property
    def place(self) -> tuple[str, str, str]:
        """Section, entry and key."""
        return self.section, self.entry, self.key


class Refused(Struct, frozen=True):
    """An entry that cannot be read as an object; the rest of the document can."""

    failure: Failure
    offset: int = 0
    file: str = ""


@dataclass(frozen=True, slots=True)
class DocumentContent:
    """A document that was read.

    ``warnings`` tell what was passed over (unknown sections, repeated entries), ``sources`` has the text of each file that positions count
    in, ``data`` gives the bytes, in pieces, of a path that an object's ``files`` name.
    """

    objects: tuple[ObjectText, ...]
    refused: tuple[Refused, ...] = ()
    warnings: tuple[Fault, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)
    data: Callable[[str], Iterable[bytes]] = lambda path: ()

    def placed(self, failures: Iterable[Failure]) -> tuple[Fault, ...]:
        """Failures with file, line and column of their entries; of things that are not in the document these stay empty."""
        failures = list(failures)
        if not failures:
            return ()
        spots: dict[tuple[str, str, str], tuple[str, int]] = {}
        for refused in self.refused:
            failure = refused.failure
            spots[failure.section, failure.entry, failure.key] = (refused.file, refused.offset)
        for found in self.objects:
            spots[found.place] = (found.file, found.offset)
        lines: dict[str, Lines] = {}
        faults = []
        for failure in failures:
            spot = spots.get((failure.section, failure.entry, failure.key))
            if spot is None:
                faults.append(failure.fault())
                continue
            file, offset = spot
            if file not in lines:
                lines[file] = Lines(self.sources[file])
            faults.append(failure.fault(*lines[file].place(offset), file))
        return tuple(faults)


class Lines:
    """Offsets of a text as 1-based line and column."""

    def __init__(self, text: str) -> None:
        self._starts = [0, *(match.end() for match in re.finditer("\n", text))]

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column (in characters) of an offset."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1


@dataclass(frozen=True, slots=True)
class Format(Generic[Form]):
    """A document format, text or bytes.

    - ``read``: DocumentError with every fault found when the document cannot be read; entries that cannot be are ``refused``
    - ``write``: objects sorted by name to a document, equal objects to equal bytes; the callable gives the bytes of a blob
    - ``refusal``: the message of an import that was refused for these failures
    - ``on_top``: how entries are checked that are laid over what is there
    - ``carries_bytes``: bytes beside texts are part of the document, so texts need not be made portable
    """

    name: str
    read: Callable[[Form], Steps[DocumentContent]]
    write: Callable[[Sequence[ObjectText], Callable[[str], bytes]], Steps[Form]]
    refusal: Callable[[Sequence[Failure]], str]
    on_top: Mode = Mode.PARTIAL
    carries_bytes: bool = False


def finish(steps: Steps[T]) -> T:
    """The result of ``steps`` in one go."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result


async def paced(steps: Steps[T]) -> T:
    """The result of ``steps`` in slices of some milliseconds."""
    pacer = Pacer()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: T = end.value
            return result
        if pacer.due():
            await pacer.rest()


def well_formed(text: str) -> str:
    """``text`` with halves of surrogate pairs replaced, so that it can be stored and sent."""
    if text.isascii():
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
