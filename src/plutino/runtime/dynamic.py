"""Dynamic properties: sink options that hold templates, compiled once and resolved for each message."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

from plutino.errors import EvaluationError, TemplateError
from plutino.model.value import general_text
from plutino.templates import Template, compile_template

Resolve = Callable[[Any], Any]


@lru_cache(maxsize=1024)
def template(text: str) -> Template:
    """A compiled template; TemplateError when it does not parse. Equal texts share one."""
    return compile_template(text)


def render(text: str, data: Any) -> str:
    """The text that a template gives for this data."""
    return template(text).render(data)


def render_property(text: str, data: Any) -> str:
    """As ``render``; EvaluationError with the compatible text when the template fails on the data."""
    try:
        return template(text).render(data)
    except TemplateError as error:
        raise EvaluationError(
            f"fail to calculate props {text} through data {general_text(data)} with dataTemplate for error {error}"
        ) from None


def dynamic_properties(names: Sequence[str], properties: Mapping[str, Any]) -> Callable[[Any], dict[str, Any]] | None:
    """What resolves the options among ``names`` that hold templates, None when none does; TemplateError when one does not parse.

    The result maps each such name to its value, templates at any depth replaced.
    """
    wanted = {name.lower(): name for name in names}
    found: list[tuple[str, Resolve]] = []
    for key, value in properties.items():
        name = wanted.get(key.lower())
        if name is not None and has_template(value):
            found.append((name, _compile(value)))
    if not found:
        return None
    if len(found) == 1:
        [(only, resolve)] = found
        return lambda data: {only: resolve(data)}
    return lambda data: {name: resolve(data) for name, resolve in found}


def has_template(value: Any) -> bool:
    """Whether a text at any depth holds ``{{…}}``."""
    match value:
        case str():
            start = value.find("{{")
            return start >= 0 and value.find("}}", start) >= 0
        case Mapping():
            return any(map(has_template, value.values()))
        case list() | tuple():
            return any(map(has_template, value))
    return False


def _compile(value: Any) -> Resolve:
    match value:
        case str() if has_template(value):
            template(value)
            return lambda data: render_property(value, data)
        case Mapping() if has_template(value):
            parts = {key: _compile(part) for key, part in value.items()}
            return lambda data: {key: part(data) for key, part in parts.items()}
        case list() | tuple() if has_template(value):
            items = [_compile(part) for part in value]
            return lambda data: [part(data) for part in items]
    return lambda _: value
