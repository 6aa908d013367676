"""Suite for kinds of objects."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from plutino.errors import PlutinoError
from plutino.model import Definition, Ref
from plutino.spi import Environment, ResourceSpec
from plutino.spi.linting import Lintable
from plutino.spi.rewriting import Rewritable

GARBAGE = ("", " ", "{", "}", "[]", "null", "1", '"x"', "{}", '{"id":', "CREATE", "CREATE STREAM", "\x00", "{" * 2000, '{"a":1e999}')
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD")


def check_resource(spec: ResourceSpec, env: Environment, texts: Sequence[tuple[str, str]] = ()) -> None:
    """Names, actions and ``parse`` of a kind; ``texts`` are ``(name, text)`` of valid objects. AssertionError when the contract is broken.

    Garbage is refused with our own errors or read, a definition keeps its text verbatim, and two readings of one text are equal.
    """
    assert spec.kind.isidentifier(), f"kind {spec.kind!r}: a plain name is expected"
    assert spec.section.isidentifier(), f"{spec.kind}: section {spec.section!r}"
    _check_actions(spec)
    for text in GARBAGE:
        read: object = None
        try:
            read = spec.parse(Ref(spec.kind, "x"), text)
        except PlutinoError as error:
            read = str(error)
        assert isinstance(read, Definition | str), f"{spec.kind}: {text[:20]!r} became {read!r}"
        assert read, f"{spec.kind}: {text[:20]!r} is refused without a text"
    for name, text in texts:
        _check_text(spec, Ref(spec.kind, name), text, env)


def _check_actions(spec: ResourceSpec) -> None:
    seen: set[tuple[str, str]] = set()
    for action in spec.actions:
        where = f"{spec.kind}: {action.method} {action.path}"
        assert action.method in METHODS, f"{where}: unknown method"
        assert action.path.startswith("/"), f"{where}: a path starts with /"
        assert action.summary, f"{where}: a summary is missing; the API document shows it"
        assert (action.method, action.path) not in seen, f"{where}: twice"
        seen.add((action.method, action.path))
        call = action.handle if inspect.isroutine(action.handle) else type(action.handle).__call__
        while hasattr(call, "func"):
            call = call.func
        assert callable(call), f"{where}: cannot be called"


def _check_text(spec: ResourceSpec, ref: Ref, text: str, env: Environment) -> None:
    definition = spec.parse(ref, text)
    assert definition.ref == ref, f"{ref}: became {definition.ref}"
    assert definition.text == text, f"{ref}: the text was changed to {definition.text!r}"
    assert spec.parse(ref, text) == definition, f"{ref}: two readings differ"
    for needed in spec.depends_on(definition, env):
        assert isinstance(needed, Ref), f"{ref}: depends on {needed!r}"
    if isinstance(spec, Rewritable):
        assert spec.rewritten(text, lambda path, value: None) == text, f"{ref}: rewriting nothing changes the text"
    if isinstance(spec, Lintable):
        for advice in spec.lint(definition, env):
            assert advice.text, f"{ref}: advice without a text"
    for path in spec.secrets(definition, env):
        assert isinstance(path, tuple), f"{ref}: secret path {path!r}"
