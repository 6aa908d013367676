"""The data template language of sinks: Go's ``text/template`` with the Sprig functions and the engine's own, compiled to Python.

``compile_template`` gives a ``Template``; its ``render`` takes a list of rows (a sink without ``sendSingle``) or one row (with it). Sink
properties that hold ``{{…}}`` go through the same door, ``has_actions`` tells them apart cheaply.

Values stand for Go's types as ``values`` describes: an ``int`` is an int64, a ``float`` a float64, and texts, comparisons and messages
follow from that. Numbers that come in as JSON without a schema are float64 for Go; ``json_numbers`` makes them so.

Differences from the original, all on the safe side: a rendering that takes too many steps or grows too large fails (``limits``);
``env``, ``expandenv`` and ``getHostByName`` give an empty text; keys, certificates and password hashes are not made
(``functions.crypto``); ``keys`` and ``values`` come in order.

The compiler is loaded with the first template: it is large, and most servers have none.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from plutino.errors import TemplateError
from plutino.templates.go.values import Failure, Rows, valid_text
from plutino.templates.host import Host

if TYPE_CHECKING:
    from plutino.templates.compiling.kernel import Run

__all__ = ["Host", "Template", "compile_template", "has_actions", "json_numbers"]

_NAME: Final = "sink"
MAX_SOURCE: Final = 256 << 10
"""Characters of a template."""

_system_host: Host | None = None


class Template:
    """A compiled template. It keeps no state between renderings, and may be used for any number of rows.

    ``text`` is the template as written; ``is_static`` tells that the result is the same for all data (there is no action in it).
    """

    __slots__ = ("_count", "_render", "is_static", "text")

    def __init__(self, text: str, render: Callable[..., Any], count: Callable[[], Run] | None, is_static: bool) -> None:
        """``count`` makes what keeps a rendering within the limits, for templates that could exceed them."""
        self.text = text
        self.is_static = is_static
        self._render = render
        self._count = count

    def render(self, data: Any) -> str:
        """The text for a list of rows or one row; always valid Unicode.

        Raises TemplateError with Go's text (``template: sink:1:2: executing "sink" at <.a>: …``), also when limits are exceeded.
        """
        if type(data) is list:
            data = Rows(data)
        try:
            if self._count is not None:
                run = self._count()
                self._render(data, run)
                result = "".join(run.parts)
            else:
                result = self._render(data)
        except RecursionError as error:
            raise TemplateError(f"template: {_NAME}: data nested too deeply") from error
        except (Failure, ValueError) as error:
            # Printing found something that has no text: too many parts, a number of thousands of digits.
            raise TemplateError(f"template: {_NAME}: {error}") from error
        return result if result.isascii() else valid_text(result)


def compile_template(text: str, host: Host | None = None) -> Template:
    """Compile a template. Raises TemplateError with Go's text, ``template: sink:LINE: …``.

    ``host`` gives templates time, zone, random numbers and static properties; the default is the machine's.
    """
    if not has_actions(text):
        return _static(text)
    if len(text) > MAX_SOURCE:
        raise TemplateError(f"template: {_NAME}: too long: {len(text)} characters; at most {MAX_SOURCE}")
    from plutino.templates.compiling.generator import generate
    from plutino.templates.compiling.kernel import Run
    from plutino.templates.functions.registry import all_functions
    from plutino.templates.language.parser import parse

    functions = all_functions()
    text = valid_text(text)
    try:
        parsed = parse(text, _NAME, functions)
        made = generate(text, _NAME, parsed.definitions, parsed.called, functions, host if host is not None else _default_host())
    except RecursionError as error:
        raise TemplateError(f"template: {_NAME}: nested too deeply") from error
    return Template(text, made.render, Run if made.counted else None, False)


def has_actions(text: str) -> bool:
    """Whether a text may be a template at all: it contains ``{{``."""
    return "{{" in text


def json_numbers(data: Any) -> Any:
    """``data`` with every int as float, which is how Go sees the numbers of JSON without a schema."""
    kind = type(data)
    if kind is int:
        return float(data)
    if kind is dict:
        return {key: json_numbers(value) if type(value) in (int, dict, list) else value for key, value in data.items()}
    return [json_numbers(value) for value in data] if kind is list else data


def _static(text: str) -> Template:
    result = valid_text(text)
    return Template(text, lambda _data: result, None, True)


def _default_host() -> Host:
    global _system_host
    if _system_host is None:
        _system_host = Host()
    return _system_host
