"""Contract of kinds that can say more about an object than whether it is right: what is likely a mistake, and what has a newer spelling."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import msgspec
from msgspec import NODEFAULT, Struct

from plutino.errors import PlutinoError
from plutino.model import Definition
from plutino.model.nearest import nearest
from plutino.spi.discretion import discreet
from plutino.spi.gojson import Shape
from plutino.spi.json_text import Path
from plutino.spi.layers import SELECTOR, connection_ref
from plutino.spi.option_model import Option, flat_options, option_faults
from plutino.spi.option_views import secret_paths
from plutino.spi.references import has_references, placeholders
from plutino.spi.registry import Registry
from plutino.spi.resource import Environment
from plutino.spi.schemas import FORMATS, message_of
from plutino.spi.secrets import MASK, sounds_secret
from plutino.spi.wire import current_spelling

UNKNOWN, INVALID, DEPRECATED, SECRET, DOUBTFUL = "unknown", "invalid", "deprecated", "secret", "doubtful"

CODES = (UNKNOWN, INVALID, DEPRECATED, SECRET, DOUBTFUL)
"""Every code of an Advice."""

FAULTS = frozenset({INVALID})
"""What nobody can use: a document that brings such an object in is refused."""

PLAIN = frozenset({UNKNOWN})
"""What means nothing here: told whoever brings such an object in, while other advice is given when it is asked for."""


_SHORTEST = 4
"""Characters of a text that may be a secret; shorter ones are parts of other words."""

_COMPARED = 1000
"""Names that a misspelt one is compared with at most."""


class Advice(Struct, frozen=True):
    """Something to look at: ``code`` names the rule that found it, ``path`` leads to it inside the object."""

    code: str
    path: Path
    text: str


@runtime_checkable
class Lintable(Protocol):
    """What a ``ResourceSpec`` has besides, when its objects can be looked through for likely mistakes."""

    def lint(self, definition: Definition, env: Environment, codes: Collection[str] = CODES) -> Iterable[Advice]:
        """What there is to say about a definition that is right. Pure.

        ``codes``: what is wanted; what takes long and has another code is left out. Others may be among the answer.
        """
        ...


@runtime_checkable
class Thorough(Protocol):
    """What a ``ResourceSpec`` has besides, when its ``check`` stops at the first of several faults."""

    def faults(self, definition: Definition, env: Environment) -> Iterable[tuple[Path, PlutinoError]]:
        """Everything that is wrong with a definition which its check has refused, with the place of each. Pure."""
        ...


def same_fault(one: PlutinoError, other: PlutinoError) -> bool:
    """Whether two errors are about the same, one perhaps with advice or a prefix."""
    first, second = (error.message.partition("; ")[0] for error in (one, other))
    return first in other.message or second in one.message


def property_advice(
    connector: str,
    models: Sequence[type[Struct]],
    written: Mapping[str, Any],
    path: Path,
    *,
    others: Collection[str] = (),
    codes: Collection[str] = CODES,
) -> Iterator[Advice]:
    """Advice on the properties of a source, sink or connection: names that no model knows, older spellings, secrets in plain text.

    ``others``: names with a meaning of their own beside the models.
    """
    known = _known(tuple(models))
    current = current_spelling(connector, written)
    renamed = {name for name in written if name not in current}
    if DEPRECATED in codes:
        for name in sorted(renamed):
            newer = next((other for other in current if other not in written), "")
            yield Advice(DEPRECATED, (*path, name), f"{name}: an older spelling; write {newer}")
        for name in written:
            option = known.get(name.lower())
            if option is not None and option.name.lower() != name.lower() and name not in renamed:
                yield Advice(DEPRECATED, (*path, name), f"{name}: an older spelling; write {option.name}")
    if UNKNOWN in codes:
        for inner in _unknown(known, written, (), others):
            if inner[0] not in renamed:
                name, near = ".".join(inner), _near_option(inner, known) or _near(".".join(inner), tuple(others), 0.7)
                hint = f"; did you mean {near}?" if near else f"; type {connector} has no such property"
                yield Advice(UNKNOWN, (*path, *inner), f"{name}: not known{hint}")
    if SECRET in codes:
        for secret in secret_paths(models, written):
            text = f"{'.'.join(secret)}: a secret in plain text; refer to it as ${{env:NAME}} or ${{file:PATH}}"
            yield Advice(SECRET, (*path, *secret), text)


def value_advice(
    models: Sequence[type[Struct]], written: Mapping[str, Any], path: Path, *, engine: Sequence[type[Struct]] = ()
) -> Iterator[Advice]:
    """Advice on values that whoever uses these properties will refuse: none of the ``models`` that know the option takes them.

    ``engine``: who else reads the properties; asked about options that the component itself does not know.
    """
    names = {name.lower() for name in written}
    concerned = [model for model in (*models, *engine) if not names.isdisjoint(_known((model,)))]
    faults = {model: option_faults(model, placeholders((model,), written)) for model in concerned}
    if not any(faults.values()):
        return
    text_of_all = msgspec.json.encode(written).decode()
    for name, value in written.items():
        knowing = [m for m in models if name.lower() in _known((m,))] or [m for m in engine if name.lower() in _known((m,))]
        found = [_of_option(_known((model,))[name.lower()], faults[model]) for model in knowing]
        if knowing and not all(found):
            # The component takes it, but the engine reads it as well.
            knowing = [m for m in engine if name.lower() in _known((m,))]
            found = [_of_option(_known((model,))[name.lower()], faults[model]) for model in knowing]
        if found and all(found):
            option = _known((knowing[0],))[name.lower()]
            for place, text, unsupported in found[0]:
                told = discreet(_without_value(option, value, place, text), text_of_all)
                yield Advice(UNKNOWN if unsupported else INVALID, (*path, name + place), told)


def _of_option(option: Option, faults: Sequence[tuple[str, str, bool]]) -> list[tuple[str, str, bool]]:
    """The faults of one option, with the place inside of its value."""
    found = [(place.removeprefix(option.name), text, unsupported) for place, text, unsupported in faults if place.startswith(option.name)]
    return [fault for fault in found if not fault[0] or fault[0][0] in ".["]


def format_advice(
    written: Mapping[str, Any], path: Path, env: Environment, names: tuple[str, str] = ("format", "schemaId")
) -> Iterator[Advice]:
    """Advice on a payload format that nobody knows, and on a message type that is not there; ``names`` of the two properties."""
    given = {name.lower(): (name, value) for name, value in written.items() if isinstance(value, str) and value and "${" not in value}
    format, schema = (given.get(name.lower()) for name in names)
    if format is None:
        return
    known = {*env.registry.formats, *FORMATS}
    if format[1].lower() not in known:
        near = nearest(format[1].lower(), sorted(known), 1)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(sorted(known))} is expected"
        yield Advice(INVALID, (*path, format[0]), f"format type {format[1]} not supported; {hint}")
    elif schema is not None:
        try:
            message_of(format[1], schema[1], env)
        except PlutinoError as error:
            yield Advice(INVALID, (*path, schema[0]), error.message)


def missing_advice(model: type[Struct], written: Mapping[str, Any], path: Path, *, connected: bool = False) -> Iterator[Advice]:
    """Advice on options that have no default and must be given; ``connected``: those of the connection come from elsewhere."""
    given = {name.lower() for name, value in written.items() if value not in (None, "")}
    for option in flat_options(model):
        names = (option.name, *option.opt.aliases)
        if connected and option.opt.connection_related:
            continue
        if option.opt.required and option.default in ("", NODEFAULT) and not any(name.lower() in given for name in names):
            what = f"; {option.opt.hint[:1].lower()}{option.opt.hint[1:]} is expected" if option.opt.hint else ""
            yield Advice(INVALID, (*path, option.name), f"{option.name}: missing{what}")


def shape_advice(written: Mapping[str, Any], shape: Shape, path: Path = ()) -> Iterator[Advice]:
    """Advice on the members of a JSON object that its shape does not know, those of objects inside included."""
    known = shape.fields
    if not known.keys() >= written.keys():
        folded = _folded(tuple(known))
        for name in written:
            if name.lower() not in folded:
                near = _near(name.lower(), tuple(folded), 0.6)
                hint = f"; did you mean {folded[near]}?" if near else ""
                yield Advice(UNKNOWN, (*path, name), f"{name}: not known{hint}")
    for name, value in written.items():
        if isinstance(value, dict | list):
            kind = known.get(name) or next((kind for field, kind in known.items() if field.lower() == name.lower()), None)
            match kind, value:
                case Shape(), dict():
                    yield from shape_advice(value, kind, (*path, name))
                case (Shape() as element,), list():
                    for position, item in enumerate(value):
                        if isinstance(item, dict):
                            yield from shape_advice(item, element, (*path, name, str(position)))


def text_advice(text: str, shape: Shape) -> Iterator[Advice]:
    """``shape_advice`` on the text of an object."""
    try:
        written = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return
    if isinstance(written, dict):
        yield from shape_advice(written, shape)


def connection_advice(connector: str, written: Mapping[str, Any], path: Path, env: Environment) -> Iterator[Advice]:
    """Advice on the named connection that properties select, when it is not there."""
    place, selector = next(((name, value) for name, value in written.items() if name.lower() == SELECTOR.lower()), ("", None))
    if isinstance(selector, str) and selector and not has_references(selector):
        ref = connection_ref(connector, selector, env)
        if env.get(ref) is None:
            ids = [name.rpartition(".")[2] for name in env.names(ref.kind) if name.rpartition(".")[0] == ref.name.rpartition(".")[0]]
            near = nearest(selector, ids, 1) if len(ids) <= _COMPARED else []
            hint = f"did you mean {near[0]}?" if near else "create it, or leave the option out"
            yield Advice(INVALID, (*path, place), f"connection {selector} not existed; {hint}")


def type_advice(connector: str, known: Iterable[str], what: str, path: Path) -> Advice:
    """Advice on a type that is not installed."""
    near = nearest(connector, list(known), 1)
    hint = f"did you mean {near[0]}?" if near else "install what brings it"
    return Advice(UNKNOWN, path, f"{what} type {connector}: not installed; {hint}")


def format_models(registry: Registry) -> tuple[type[Struct], ...]:
    """What payload formats read of the properties of sources and sinks."""
    return tuple(spec.options for spec in registry.formats.values())


@lru_cache(maxsize=512)
def _known(models: tuple[type[Struct], ...]) -> Mapping[str, Option]:
    """The options of models by the lower-case names under which they are read."""
    found: dict[str, Option] = {}
    for model in models:
        for option in flat_options(model):
            for name in (option.name, *option.opt.aliases):
                found.setdefault(name.lower(), option)
    return found


def _unknown(known: Mapping[str, Option], written: Mapping[str, Any], path: Path, others: Collection[str]) -> Iterator[Path]:
    for name, value in written.items():
        option = known.get(name.lower())
        if option is None:
            if name not in others and name.lower() not in _folded(tuple(others)):
                yield (*path, name)
        elif option.shape.model is not None and isinstance(value, Mapping):
            yield from _unknown(_known((option.shape.model,)), value, (*path, name), ())


def _near_option(path: Path, known: Mapping[str, Option]) -> str | None:
    """The option that a name was probably meant to be."""
    for name in path[:-1]:
        model = known[name.lower()].shape.model
        assert model is not None
        known = _known((model,))
    near = _near(path[-1], tuple(known), 0.6)
    return ".".join((*path[:-1], known[near].name)) if near else None


@lru_cache(maxsize=1024)  # the same mistake is made in many objects
def _near(name: str, known: tuple[str, ...], cutoff: float) -> str | None:
    folded = _folded(known)
    found = nearest(name.lower(), folded, 1, cutoff)
    return folded[found[0]] if found else None


@lru_cache(maxsize=512)
def _folded(names: tuple[str, ...]) -> Mapping[str, str]:
    return {name.lower(): name for name in names}


def _without_value(option: Option, value: Any, place: str, text: str) -> str:
    """What is wrong with a value of an option, which stays untold where it may be, or hold, a secret."""
    holds = isinstance(value, Mapping | list | tuple)
    if not (holds or option.opt.secret or any(sounds_secret(part) for part in (option.name, *place.split(".")))):
        return text
    plain = text.partition(", value: ")[0].partition(": time: invalid")[0]
    return plain.replace(value, MASK) if isinstance(value, str) and len(value) >= _SHORTEST else plain
