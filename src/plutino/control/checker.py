"""Check and diff: from wanted texts to a draft of what will change, without touching anything."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from plutino.catalog.trigger import RULE, started, with_started
from plutino.control.environment import Committed, Desired
from plutino.control.failure import Failure
from plutino.control.graph import Graph
from plutino.control.pacer import Pacer
from plutino.control.progress import Phase, Progress
from plutino.control.sections import entry_of
from plutino.control.staging import Found
from plutino.control.triggering import Triggering, by_text
from plutino.errors import ConflictError, DefinitionError, NotFoundError, OptionError, PlutinoError
from plutino.model import Blobs, Definition, Ref
from plutino.spi import Change, Environment, Mode, ResourceSpec
from plutino.spi.discretion import declared_secrets, make_discreet
from plutino.spi.limits import check_depth
from plutino.spi.linting import FAULTS, PLAIN, Advice, Lintable, Thorough, same_fault

_FORCED = (Mode.CREATE, Mode.UPDATE)
"""Single requests: checked and activated also when nothing changed (a version is refused, a failed rule is tried again)."""

_STRICT = (Mode.FULL, Mode.PARTIAL)
"""Documents: an object that stops to check because of them is a fault. A single request goes through, and what ran goes on running."""


@dataclass(slots=True)
class Item:
    """One object of a draft.

    - ``stored`` as it is kept now, ``after`` as it will be kept (None for a deletion)
    - ``change`` as it is compared and shown: a rule's trigger stands in its text
    - ``flag``: a rule's stored trigger when it was checked, ``trigger``: the one that is stored with the change, None where the text
      decides
    - ``prepared``: what its spec's ``check`` gave; ``uses``: what it depends on; ``advice``: what it says in vain, when documents are
      checked
    """

    ref: Ref
    spec: ResourceSpec
    stored: Definition | None
    after: Definition | None
    change: Change
    changed: bool
    flag: bool | None = None
    trigger: bool | None = None
    prepared: Any = None
    uses: tuple[Ref, ...] = ()
    advice: tuple[Advice, ...] = ()

    @property
    def before(self) -> Definition | None:
        """What specs get to see as before: nothing where the stored text does not parse."""
        return self.stored if self.stored is not None and self.stored.content is not None else None

    @property
    def respelled(self) -> bool:
        """Whether another text, or other bytes beside it, are to be kept."""
        return _kept_form(self.stored) != _kept_form(self.after)


@dataclass(slots=True)
class Draft:
    """A checked set of changes.

    ``whole``: what nobody can use is a fault, although nothing uses it; ``restore``: what does not check comes back nevertheless.
    ``items``: what was asked for and passed; ``followers``: objects that stay as they are, but whose inputs change; ``stranded``: those
    of them, or of what is restored, that do not check; ``failures``: what was refused.
    """

    forced: bool
    whole: bool = False
    restore: bool = False
    items: dict[Ref, Item] = field(default_factory=dict)
    followers: list[Item] = field(default_factory=list)
    stranded: dict[Ref, Failure] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def active(self) -> list[Item]:
        """What the engine must hear of, deletions aside."""
        changed = (item for item in self.items.values() if item.after is not None and (item.changed or self.forced))
        return [item for item in changed if item.ref not in self.stranded] + self.followers

    def deletions(self) -> list[Item]:
        """What goes away."""
        return [item for item in self.items.values() if item.after is None]


class Checker:
    """Checks wanted texts against the state that they would make."""

    def __init__(self, committed: Committed, graph: Graph, specs: Mapping[str, ResourceSpec]) -> None:
        self._committed = committed
        self._graph = graph
        self._specs = specs
        self._secret_names: frozenset[str] | None = None

    async def check(
        self,
        texts: Mapping[Ref, str | None],
        mode: Mode,
        *,
        broken: Collection[Ref],
        settle: bool = False,
        triggering: Triggering = by_text,
        whole: bool = False,
        restore: bool = False,
        staged: Found | None = None,
        progress: Progress | None = None,
    ) -> Draft:
        """The draft of a set of texts (None deletes).

        ``staged`` has the definitions of texts that needed more than parsing.
        ``triggering`` says which triggers are stored with them.
        ``whole``: what nobody can use is refused, too, though nothing uses it.
        ``restore``: it was so before, so nothing is refused that can be read; what does not check is stranded.
        ``settle``: take out what is refused and check again what uses it, so that the rest can go on; without it the draft is only good
        for reporting when there are failures. ``broken`` names objects that did not check before either.
        """
        draft = Draft(mode in _FORCED, whole, restore)
        progress = progress or Progress()
        progress.enter(Phase.CHECK, len(texts))
        pacer = Pacer(progress)
        found = staged or {}
        reading = _Reading(draft, dict(texts), lambda ref, text: self._item(ref, text, triggering, found.get(ref)), self.failure)
        env = Desired(self._committed, reading.wanted, reading.after, reading.triggered)
        refused = await self._check_all(draft, _told(texts, reading, progress), env, mode, pacer)
        refused += [failure.ref for failure in draft.failures if failure.ref is not None and failure.ref not in draft.items]
        while settle or not draft.failures:
            if settle:
                await self._settle(draft, reading, env, mode, pacer, refused)
            fallen = await self._follow(draft, env, mode, broken, pacer)
            refused = self._held_back(draft, fallen) if settle else []
            if not refused:
                draft.failures += fallen
                break
            draft.followers.clear()
            draft.stranded.clear()
        return draft

    async def _settle(self, draft: Draft, reading: _Reading, env: Desired, mode: Mode, pacer: Pacer, refused: list[Ref]) -> None:
        """Take out what is refused, and what cannot be without it, until the rest goes together."""
        while refused := [*refused, *self._needed(draft)]:
            # What stays keeps its name.
            claimed = any(reading.wanted.get(ref, "") is None for ref in refused)
            for ref in refused:
                draft.items.pop(ref, None)
                reading.wanted.pop(ref, None)
            env.forget_names()
            gone = {failure.ref for failure in draft.failures if failure.ref is not None}
            again = list(draft.items.values()) if claimed else self._users(draft, refused)
            refused = await self._check_all(draft, again, env, mode, pacer, gone)

    def recheck(self, ref: Ref, definition: Definition, env: Environment) -> Item:
        """An object that does not change by itself, against ``env``; raises what its check raises.

        No transition rules hold for it: it is checked like at start-up.
        """
        shown = self.effective(definition)
        flag = self.flag(ref)
        item = Item(ref, self._specs[ref.kind], definition, definition, Change(ref, shown, shown), changed=False, flag=flag, trigger=flag)
        item.prepared = item.spec.check(None, definition, env, Mode.BOOT)
        item.uses = tuple(dict.fromkeys(item.spec.depends_on(definition, env)))
        return item

    def shown_text(self, definition: Definition) -> str:
        """A text as an export shows it: a rule's stored trigger stands in it where the text says otherwise."""
        return _text_with(self.flag(definition.ref), definition)

    def effective(self, definition: Definition) -> Definition:
        """A definition as an export shows it."""
        return self._with(self.flag(definition.ref), definition)

    def _with(self, flag: bool | None, definition: Definition) -> Definition:
        text = _text_with(flag, definition)
        return definition if text is definition.text else self._specs[definition.ref.kind].parse(definition.ref, text)

    def failure(self, ref: Ref, error: PlutinoError, of: Definition | str | None = None, env: Environment | None = None) -> Failure:
        """The failure of an object (or of its text), which tells no secrets of it and of what it uses in ``env``."""
        found = of if of is not None else self._committed.get(ref)
        if isinstance(found, str):
            make_discreet(error, found, self._declared())
        elif found is not None:
            for text in (found.text, *self._used_texts(found, env or self._committed)):
                make_discreet(error, text, self._declared())
        spec = self._specs.get(ref.kind)
        section = spec.section if spec is not None else ref.kind
        return Failure(section, *entry_of(ref, section), error, ref)

    def _used_texts(self, definition: Definition, env: Environment) -> Iterator[str]:
        spec = self._specs.get(definition.ref.kind)
        if spec is None or definition.content is None:
            return
        try:
            uses = tuple(spec.depends_on(definition, env))
        except PlutinoError:
            return  # the error that is reported says more
        for ref in uses:
            used = env.get(ref)
            if used is not None:
                yield used.text

    def _declared(self) -> frozenset[str]:
        if self._secret_names is None:
            self._secret_names = declared_secrets(self._committed.registry)
        return self._secret_names

    def place(self, ref: Ref) -> str:
        """Where an object stands in a v1 document: ``Schema.protobuf_x``."""
        section = self._specs[ref.kind].section
        return ".".join(part for part in (section, *entry_of(ref, section)) if part)

    def flag(self, ref: Ref) -> bool | None:
        """A rule's stored trigger."""
        return self._committed.triggered(ref.name) if ref.kind == RULE else None

    def _item(self, ref: Ref, text: str | None, triggering: Triggering, staged: Definition | PlutinoError | None) -> Item:
        spec = self._specs.get(ref.kind)
        if spec is None:
            raise DefinitionError(f"kind {ref.kind}: not known here; known are {', '.join(sorted(self._specs))}")
        stored = self._committed.get(ref)
        before = None if stored is None else self.effective(stored)
        flag = self.flag(ref)
        if text is None:
            if stored is None:
                raise NotFoundError(f"{ref.kind} {ref.name} is not found")
            return Item(ref, spec, stored, None, Change(ref, before, None), True, flag)
        if isinstance(staged, PlutinoError):
            raise staged
        if staged is not None:
            _check_text(ref, text)
            after = staged
        elif stored is not None and stored.text == text and stored.content is not None:
            after = stored
        else:
            _check_text(ref, text)
            after = spec.parse(ref, text)
        trigger = triggering(ref.name, None if stored is None else stored.text, after.text, flag) if ref.kind == RULE else None
        shown = self._with(trigger, after)
        changed = before is None or before.content is None or before != shown
        return Item(ref, spec, stored, after, Change(ref, before, shown), changed, flag, trigger)

    async def _check_all(
        self, draft: Draft, items: Iterable[Item | None], env: Desired, mode: Mode, pacer: Pacer, gone: Collection[Ref] = ()
    ) -> list[Ref]:
        """Check what changes; gives what was refused. ``gone`` was refused before: what needs one of these is refused as well."""
        refused = []
        for item in items:
            if item is not None and (item.changed or draft.forced):
                try:
                    self._check_one(item, env, mode)
                    found = (list(self._unusable(item, env)) if draft.whole else []) or self._bereft(item, env, gone)
                except PlutinoError as error:
                    found = self._all_faults(item, error, env) if draft.whole else [self.failure(item.ref, error, item.after, env)]
                if found and draft.restore and item.after is not None:
                    draft.stranded[item.ref] = found[0]
                elif found:
                    draft.failures += found
                    refused.append(item.ref)
            if pacer.due():
                await pacer.rest()
        return refused

    def _check_one(self, item: Item, env: Desired, mode: Mode) -> None:
        if item.after is None and item.before is None:
            return  # a text that does not parse may always go
        item.prepared = item.spec.check(item.before, item.after, env, mode)
        if item.after is not None:
            item.uses = tuple(dict.fromkeys(item.spec.depends_on(item.after, env)))

    def _unusable(self, item: Item, env: Environment) -> Iterator[Failure]:
        """What nobody can use of an object that is right by itself."""
        if item.after is not None and item.after.content is not None and isinstance(item.spec, Lintable):
            found = tuple(item.spec.lint(item.after, env, FAULTS | PLAIN))
            item.advice = tuple(advice for advice in found if advice.code in PLAIN)
            for advice in found:
                if advice.code in FAULTS:
                    yield replace(self.failure(item.ref, OptionError(advice.text), item.after, env), inner=advice.path)

    def _all_faults(self, item: Item, error: PlutinoError, env: Environment) -> list[Failure]:
        """Everything that is wrong with an object which was refused for ``error``; that comes first, with its place when it is known."""
        first = self.failure(item.ref, error, item.after, env)
        if item.after is None or item.after.content is None:
            return [first]
        found: list[Failure] = []
        try:
            if isinstance(item.spec, Thorough):
                for path, each in item.spec.faults(item.after, env):
                    found.append(replace(self.failure(item.ref, each, item.after, env), inner=path, further=True))
            else:
                found += (replace(failure, further=True) for failure in self._unusable(item, env))
        except PlutinoError as other:  # one fault hides what comes after it
            found.append(replace(self.failure(item.ref, other, item.after, env), further=True))
        same = next((failure for failure in found if same_fault(failure.error, error)), None)
        return [first if same is None else replace(first, inner=same.inner), *(failure for failure in found if failure is not same)]

    def _bereft(self, item: Item, env: Environment, gone: Collection[Ref]) -> list[Failure]:
        """What an object needs and will not be there, as it was refused."""
        if item.after is None:
            return []
        missed = [ref for ref in item.uses if ref in gone and env.get(ref) is None]
        return [self.failure(item.ref, ConflictError(f"{ref} is refused, and {item.ref} needs it"), item.after, env) for ref in missed[:1]]

    def _held_back(self, draft: Draft, fallen: list[Failure]) -> list[Ref]:
        """Changes of what objects use that stay as they are and do not go with them: these changes are refused."""
        causes: dict[Ref, Failure] = {}
        for failure in fallen:
            waiting = [] if failure.ref is None else [failure.ref]
            while waiting:
                for used in self._graph.uses(waiting.pop()):
                    item = draft.items.get(used)
                    if item is not None and item.changed and used not in causes:
                        causes[used] = failure
                    elif item is None or not item.changed:
                        waiting.append(used)
        for ref, failure in causes.items():
            text = f"{ref} is kept as it is: {failure.ref} stays, and does not go with the change ({failure.error.message})"
            draft.failures.append(self.failure(ref, ConflictError(text)))
        return list(causes)

    def _needed(self, draft: Draft) -> list[Ref]:
        """Deletions of what objects use that were refused, and so stay as they were: these are refused, too."""
        staying = [failure.ref for failure in draft.failures if failure.ref is not None and self._committed.get(failure.ref) is not None]
        users: dict[Ref, Ref] = {}
        while staying:
            user = staying.pop()
            for used in self._graph.uses(user):
                if used not in users:
                    users[used] = user
                    staying.append(used)
        needed = [ref for ref in users if (item := draft.items.get(ref)) is not None and item.after is None]
        for ref in needed:
            text = f"{ref.kind} {ref.name} is kept: {users[ref]} stays as it was, and uses it"
            draft.failures.append(self.failure(ref, ConflictError(text)))
        return needed

    def _users(self, draft: Draft, refused: list[Ref]) -> list[Item | None]:
        """Items that use what was refused, as they are drafted or as they are now."""
        graph = Graph()
        for ref, item in draft.items.items():
            graph.put(ref, item.uses)
        return [draft.items.get(ref) for ref in dict.fromkeys([*graph.users(refused), *self._graph.users(refused)])]

    async def _follow(self, draft: Draft, env: Desired, mode: Mode, broken: Collection[Ref], pacer: Pacer) -> list[Failure]:
        """What stays as it is, but uses what changes; gives the faults of a document in that."""
        fallen: list[Failure] = []
        for ref in self._graph.users([ref for ref, item in draft.items.items() if item.changed]):
            item = draft.items.get(ref)
            if item is not None and (item.changed or draft.forced):
                continue
            definition = env.get(ref)
            if definition is None or definition.content is None:
                continue
            try:
                follower = self.recheck(ref, definition, env)
                draft.followers.append(follower)
                if draft.whole and ref not in broken:
                    known = {failure.path for failure in self._unusable(follower, self._committed)}
                    fallen += [failure for failure in self._unusable(follower, env) if failure.path not in known]
            except PlutinoError as error:
                failure = self.failure(ref, error, definition, env)
                draft.stranded[ref] = failure
                if mode in _STRICT and ref not in broken and not draft.restore:
                    fallen.append(failure)
            if pacer.due():
                await pacer.rest()
        return fallen


class _Reading:
    """The wanted texts of one check, parsed once and when they are needed. What does not parse is a failure and wanted no more."""

    def __init__(
        self,
        draft: Draft,
        wanted: dict[Ref, str | None],
        make: Callable[[Ref, str | None], Item],
        failure: Callable[[Ref, PlutinoError, str | None], Failure],
    ) -> None:
        self.wanted = wanted
        self._draft = draft
        self._make = make
        self._failure = failure

    def item(self, ref: Ref) -> Item | None:
        """The item of a wanted text, None when it does not parse."""
        item = self._draft.items.get(ref)
        if item is None and ref in self.wanted:
            try:
                item = self._draft.items[ref] = self._make(ref, self.wanted[ref])
            except PlutinoError as error:
                text = self.wanted.pop(ref)
                self._draft.failures.append(self._failure(ref, error, text))
        return item

    def after(self, ref: Ref) -> Definition | None:
        """The definition as it will be."""
        item = self.item(ref)
        return None if item is None else item.after

    def triggered(self, rule: str, otherwise: bool | None) -> bool | None:
        """The trigger that is stored with the rule's wanted text, ``otherwise`` when none is wanted."""
        item = self.item(Ref(RULE, rule))
        return otherwise if item is None else item.trigger


def _told(texts: Iterable[Ref], reading: _Reading, progress: Progress) -> Iterator[Item | None]:
    """The items of wanted texts, and to ``progress`` which one it is."""
    for ref in texts:
        progress.step(ref)
        yield reading.item(ref)


def _text_with(flag: bool | None, definition: Definition) -> str:
    if flag is None or definition.content is None or started(definition.text) == flag:
        return definition.text
    return with_started(definition.text, flag)


def _kept_form(definition: Definition | None) -> tuple[str, Blobs] | None:
    return None if definition is None else (definition.text, definition.blobs)


def _check_text(ref: Ref, text: str) -> None:
    check_depth(f"{ref.kind} {ref.name}", text)
    try:
        text.encode()
        ref.name.encode()
    except UnicodeEncodeError as error:
        raise DefinitionError(f"{ref.kind} {ref.name!a}: half of a surrogate pair at {error.start}; text must be valid Unicode") from None
