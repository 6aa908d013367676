"""The audit log: every revision is chained to the one before it, and says what the whole state was after it.

``hash`` of a revision covers who did what when, the difference (``digest``), the state that came out (``state``), how far the history went
back then (``Horizon``) and the hash before it. So entries, differences, stored objects, starts and stops, and owners that were changed,
dropped, emptied or slipped in do not fit together any more.

``state`` is the sum of the hashes of all stored objects, so that it can be carried on from revision to revision.

What cannot be found from the file alone, because it is how an honest file may look:

- a chain that was made anew by somebody who can compute hashes as well as we can, or an older copy of the whole file. Against these the
  newest hash has to be kept elsewhere and compared (``expected``): it covers all that is kept, and what may be missing
- an upgraded file of a layout without hashes, when somebody takes all hashes and all that tells of them out of one that had them; its
  ``head`` is empty then, which ``expected`` finds as well
- what was done to entries that are not kept any more, to entries of layouts without hashes, or to a file of an earlier layout before it was
  upgraded, as far as that layout did not cover it
- changes of what is no part of the history: background tasks, the status of imports, the state of rules, and which revisions count where
  old differences are forgotten
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from plutino.catalog.revision import Edit, unpack
from plutino.errors import PlutinoError
from plutino.model import Blobs, Ref
from plutino.spi import Origin

_MODULUS = 1 << 256
_STATE = re.compile("[0-9a-f]{64}")

NOTHING = "0" * 64
"""The hash of the state without any object."""

_Number = Annotated[int, Meta(ge=1, le=1 << 62)]


class Horizon(Struct, frozen=True, array_like=True):
    """How far back the history goes: the numbers of the oldest revisions that have a hash, that are there, and that have their difference.

    Each may be the number of a revision that is still to come. A revision says them as they were when it was written.
    """

    hashes: _Number = 1
    entries: _Number = 1
    texts: _Number = 1

    @classmethod
    def read(cls, text: str) -> Horizon:
        """The stored form; what is none is taken for a history that has everything, so that whatever is missing shows."""
        try:
            return msgspec.json.decode(text, type=cls)
        except msgspec.DecodeError:
            return cls()


class Link(Struct, frozen=True):
    """A revision as the chain sees it.

    ``packed`` is the stored difference in plain form, None when it is not kept any more; ``horizon`` the stored form of one, empty for
    revisions of layouts without.
    """

    number: int
    at: int
    origin: Origin
    outcome: str
    digest: str
    state: str
    hash: str
    packed: bytes | None = None
    horizon: str = ""


class Present(Struct, frozen=True):
    """What the file says of now.

    - ``revision``: the number of the newest one; ``oldest``: the smallest number that is there, that of the next one when none is
    - ``state``: the hash of the stored objects; ``carried``: the one that the next revision goes on from
    - ``horizon``: that of the newest revision, or of the upgrade when that has none
    """

    revision: int
    oldest: int
    state: str
    carried: str
    horizon: Horizon


class Audit(Struct, frozen=True):
    """What a verification found.

    ``first`` and ``last``: the revisions that were looked at (0 when there are none), ``with_texts``: how many of them still have their
    differences, ``head``: the newest hash. ``faults`` is empty when everything fits together.
    """

    first: int
    last: int
    with_texts: int
    head: str
    faults: tuple[str, ...]

    @property
    def valid(self) -> bool:
        """Whether nothing was found."""
        return not self.faults


def digest_of(packed: bytes) -> str:
    """The hash of a difference in plain form."""
    return hashlib.sha256(packed).hexdigest()


def object_hash(ref: Ref, text: str, blobs: Blobs) -> int:
    """The hash of one stored object, as a number that can be summed up."""
    plain = msgspec.json.encode((ref.kind, ref.name, text, blobs))
    return int.from_bytes(hashlib.sha256(plain).digest())


def state_of(objects: Iterable[tuple[Ref, str, Blobs]]) -> str:
    """The hash of a whole state."""
    return f"{sum(object_hash(*each) for each in objects) % _MODULUS:064x}"


def is_state(state: str) -> bool:
    """Whether this is the hash of any state."""
    return isinstance(state, str) and _STATE.fullmatch(state) is not None


def state_after(state: str, edits: Iterable[Edit]) -> str:
    """The hash of a state after edits."""
    total = int(state, 16)
    for edit in edits:
        if edit.before is not None:
            total -= object_hash(edit.ref, edit.before, edit.before_blobs)
        if edit.after is not None:
            total += object_hash(edit.ref, edit.after, edit.after_blobs)
    return f"{total % _MODULUS:064x}"


def link_hash(link: Link, previous: str | None) -> str:
    """The hash of a revision, from the one before it on; None when that is nowhere to be found, which no verification accepts."""
    origin = link.origin
    covered = (previous, link.number, link.at, origin.source, origin.client, origin.summary, link.outcome, link.digest, link.state)
    plain = msgspec.json.encode((*covered, link.horizon) if link.horizon else covered)
    return hashlib.sha256(plain).hexdigest()


class Verifier:
    """Goes along the chain, oldest revision first: ``add_all``, then ``result``. Revisions may be written and forgotten meanwhile."""

    def __init__(self, anchor: str, horizon: Horizon) -> None:
        """``anchor``: the hash of the newest revision that is not kept any more, empty when all are; ``horizon``: the one now."""
        self._anchor = anchor
        self._start = horizon
        self._faults: list[str] = []
        self._previous: Link | None = None
        self._first = 0
        self._with_texts = 0
        self._oldest_text: int | None = None
        self._emptied: list[int] = []
        self._unhashed: list[int] = []
        self._hashes: dict[int, str] = {}

    @property
    def last(self) -> int:
        """The newest revision so far."""
        return self._previous.number if self._previous is not None else 0

    def add_all(self, links: Iterable[Link]) -> None:
        """The next revisions."""
        for link in links:
            self._add(link)

    def result(self, present: Present, expected: tuple[int, str] | None = None) -> Audit:
        """What was found; ``expected``: number and hash of a revision that were kept elsewhere."""
        self._faults.extend(self._missing(present))
        self._faults.extend(self._changed(present))
        if expected is not None and self._hashes.get(expected[0]) != expected[1]:
            found_hash = self._hashes.get(expected[0]) or "no hash"
            self._faults.append(f"revision {expected[0]}: {found_hash}; {expected[1]} is expected")
        head = self._previous.hash if self._previous is not None else ""
        return Audit(self._first, self.last, self._with_texts, head, tuple(self._faults))

    def _missing(self, present: Present) -> Iterator[str]:
        """What is not there, though the history goes back so far."""
        horizon = present.horizon
        if self.last != present.revision:
            yield f"the newest revision is {self.last}; the catalog is at {present.revision}"
        if self._first > horizon.entries:
            yield f"the oldest revision is {self._first}; {horizon.entries} is missing"
        if present.oldest < self._start.entries:
            yield f"the oldest revision is {present.oldest}; those before {self._start.entries} were given up"
        for number in self._unhashed:
            if number >= horizon.hashes:
                yield f"revision {number}: has no hash; all from {horizon.hashes} on have one"
        for number in self._emptied:
            # Differences are forgotten from the oldest on, maybe some since the verification began.
            if number >= horizon.texts:
                yield f"revision {number}: its difference is gone; all from {horizon.texts} on have one"
            elif self._oldest_text is not None and self._oldest_text < number < self._start.texts:
                yield f"revision {number}: its difference is gone, though an older one, that of {self._oldest_text}, is kept"

    def _changed(self, present: Present) -> Iterator[str]:
        """What does not fit to the newest revision."""
        last = self._previous
        if last is not None and last.number != present.revision:
            return
        expected = last.state if last is not None and last.hash else NOTHING if not present.revision else present.carried
        if present.state != expected:
            yield f"the stored objects are not those of revision {present.revision}: they were changed behind the catalog's back"
        if present.carried != expected or not is_state(expected):
            yield f"the hash of the state: {present.carried or 'none'}; that of revision {present.revision} is expected"

    def _add(self, link: Link) -> None:
        previous = self._previous
        self._first = self._first or link.number
        if previous is not None and link.number != previous.number + 1:
            self._faults.append(f"revision {link.number}: follows {previous.number}; {previous.number + 1} is missing")
        if link.packed is None:
            self._emptied.append(link.number)
        else:
            self._with_texts += 1
            self._oldest_text = self._oldest_text or link.number
            self._check_difference(link, link.packed)
        if link.hash:
            self._check_place(link)
        else:
            self._unhashed.append(link.number)
        self._previous = link
        self._hashes[link.number] = link.hash

    def _check_place(self, link: Link) -> None:
        if self._previous is not None:
            before = self._previous.hash
        elif link.number == self._start.entries:
            before = self._anchor
        else:
            # Either older ones were forgotten since the verification began, or they are missing, which shows in the end.
            return
        if link_hash(link, before) != link.hash:
            self._faults.append(f"revision {link.number}: does not follow from revision {link.number - 1}; one of them was changed")

    def _check_difference(self, link: Link, packed: bytes) -> None:
        if link.hash and digest_of(packed) != link.digest:
            self._faults.append(f"revision {link.number}: the difference is not the one that was written")
            return
        try:
            edits = unpack(link.number, packed)
        except PlutinoError as error:
            self._faults.append(str(error))
            return
        before = self._state_before(link.number)
        if link.hash and before is not None and state_after(before, edits) != link.state:
            self._faults.append(f"revision {link.number}: its state is not the one that its difference makes of that of {link.number - 1}")

    def _state_before(self, number: int) -> str | None:
        """The state before a revision, None when nothing tells it."""
        previous = self._previous
        if previous is None:
            return NOTHING if number == 1 else None
        return previous.state if previous.hash and previous.number == number - 1 and is_state(previous.state) else None
