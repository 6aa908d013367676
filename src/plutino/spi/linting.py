"""Contract of kinds that can say more about an object than whether it is right: what is likely a mistake, and what has a newer spelling."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from plutino.model import Definition
from plutino.model.nearest import nearest
from plutino.spi.json_text import Path
from plutino.spi.option_model import flat_options, unknown_options
from plutino.spi.option_views import secret_paths
from plutino.spi.registry import Registry
from plutino.spi.resource import Environment
from plutino.spi.wire import current_spelling

UNKNOWN, DEPRECATED, SECRET, DOUBTFUL = "unknown", "deprecated", "secret", "doubtful"


class Advice(Struct, frozen=True):
    """Something to look at: ``code`` names the rule that found it, ``path`` leads to it inside the object."""

    code: str
    path: Path
    text: str


@runtime_checkable
class Lintable(Protocol):
    """What a ``ResourceSpec`` has besides, when its objects can be looked through for likely mistakes."""

    def lint(self, definition: Definition, env: Environment) -> Iterable[Advice]:
        """What there is to say about a definition that is right. Pure."""
        ...


def property_advice(
    connector: str,
    models: Sequence[type[Struct]],
    written: Mapping[str, Any],
    path: Path,
    *,
    others: Collection[str] = (),
) -> Iterator[Advice]:
    """Advice on the properties of a source, sink or connection: names that no model knows, older spellings, secrets in plain text.

    ``others``: names with a meaning of their own beside the models.
    """
    current = current_spelling(connector, written)
    renamed = {name for name in written if name not in current}
    for name in sorted(renamed):
        newer = next((other for other in current if other not in written), "")
        yield Advice(DEPRECATED, (*path, name), f"{name}: an older spelling; write {newer}")
    aliases = {alias.lower(): option.name for model in models for option in flat_options(model) for alias in option.opt.aliases}
    for name in written:
        if name.lower() in aliases and name not in renamed:
            yield Advice(DEPRECATED, (*path, name), f"{name}: an older spelling; write {aliases[name.lower()]}")
    allowed = {name.lower() for name in others}
    for name, near in unknown_options(models, {k: v for k, v in written.items() if k.lower() not in allowed and k not in renamed}):
        near = near or next(iter(nearest(name, others, 1, 0.7)), None)
        hint = f"; did you mean {near}?" if near else f"; type {connector} has no such property"
        yield Advice(UNKNOWN, (*path, *name.split(".")), f"{name}: not known{hint}")
    for secret in secret_paths(models, written):
        text = f"{'.'.join(secret)}: a secret in plain text; refer to it as ${{env:NAME}} or ${{file:PATH}}"
        yield Advice(SECRET, (*path, *secret), text)


def type_advice(connector: str, known: Iterable[str], what: str, path: Path) -> Advice:
    """Advice on a type that is not installed."""
    near = nearest(connector, list(known), 1)
    hint = f"did you mean {near[0]}?" if near else "install what brings it"
    return Advice(UNKNOWN, path, f"{what} type {connector}: not installed; {hint}")


def format_models(registry: Registry) -> tuple[type[Struct], ...]:
    """What payload formats read of the properties of sources and sinks."""
    return tuple(spec.options for spec in registry.formats.values())
