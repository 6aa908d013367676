"""Contract of kinds that can say more about an object than whether it is right: what is likely a mistake, and what has a newer spelling."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Protocol, runtime_checkable

import msgspec
from msgspec import NODEFAULT, Struct

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
from plutino.spi.secrets import sounds_secret
from plutino.spi.wire import current_spelling

UNKNOWN, INVALID, DEPRECATED, SECRET, DOUBTFUL = "unknown", "invalid", "deprecated", "secret", "doubtful"

CODES = (UNKNOWN, INVALID, DEPRECATED, SECRET, DOUBTFUL)
"""Every code of an Advice."""

FAULTS = frozenset({INVALID})
"""What nobody can use: a document that brings such an object in is refused."""

PLAIN = frozenset({UNKNOWN})
"""What means nothing here: told whoever brings such an object in, while other advice is given when it is asked for."""


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


def value_advice(models: Sequence[type[Struct]], written: Mapping[str, Any], path: Path) -> Iterator[Advice]:
    """Advice on values that whoever uses these properties will refuse: none of the ``models`` that know the option can read them."""
    refused = [option_faults(model, placeholders((model,), written)) for model in models]
    if not any(refused):
        return
    for name in written:
        found: list[tuple[str, str]] = []
        for model, faults in zip(models, refused, strict=True):
            option = _known((model,)).get(name.lower())
            if option is None:
                continue
            mine = [fault for fault in faults if fault[0] == option.name or fault[0].startswith((f"{option.name}.", f"{option.name}["))]
            if not mine:
                break
            found = found or mine
        else:
            for place, text in found:
                told = discreet(_without_value(place, text, models), msgspec.json.encode(written).decode())
                yield Advice(INVALID, (*path, *place.split(".")), told)


def missing_advice(model: type[Struct], written: Mapping[str, Any], path: Path) -> Iterator[Advice]:
    """Advice on options that have no default and must be given."""
    given = {name.lower() for name, value in written.items() if value not in (None, "")}
    for option in flat_options(model):
        names = (option.name, *option.opt.aliases)
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
    selector = next((value for name, value in written.items() if name.lower() == SELECTOR.lower()), None)
    if isinstance(selector, str) and selector and not has_references(selector):
        ref = connection_ref(connector, selector, env)
        if env.get(ref) is None:
            ids = [name.rpartition(".")[2] for name in env.names(ref.kind) if name.rpartition(".")[0] == ref.name.rpartition(".")[0]]
            near = nearest(selector, ids, 1) if len(ids) <= _COMPARED else []
            hint = f"did you mean {near[0]}?" if near else "create it, or leave the option out"
            yield Advice(INVALID, (*path, SELECTOR), f"connection {selector} not existed; {hint}")


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


def _without_value(place: str, text: str, models: Sequence[type[Struct]]) -> str:
    """What is wrong with a value, which stays untold where it may be a secret."""
    option = _known(tuple(models)).get(place.partition(".")[0].partition("[")[0].lower())
    secret = (option is not None and option.opt.secret) or any(sounds_secret(name) for name in place.split("."))
    return text.partition(", value: ")[0].partition(": time: invalid")[0] if secret else text
