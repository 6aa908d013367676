"""Every exception Plutino raises on purpose.

An error says who must act, whether a retry can help, and where the fault is::

    PlutinoError                    code 1000, HTTP 400
    ├── SqlSyntaxError              statement text does not parse (code 2001); has a Position
    ├── PlanError                   names, types or clauses do not bind (code 1000); may have a Position
    ├── DefinitionError             a stored object's text is wrong (code 1000)
    │   ├── StreamError             stream or table statements (code 3000)
    │   ├── ConfigKeyError          source, sink and connection configurations (code 5000)
    │   └── OptionError             one option of a component: path, value seen, what is expected (code 2201)
    ├── NotFoundError               code 1002, HTTP 404
    ├── ConflictError               an object exists already; HTTP 409 where the wire allows
    │   ├── RevisionConflictError   a change is based on a state that has moved meanwhile (HTTP 409); tells what changed
    │   └── BusyError               another import is going on, and the caller does not want to wait (HTTP 409)
    ├── CancellationError           a change was ended by who asked for it, and undone
    ├── DocumentError               an import document; carries every Fault found
    ├── AccessError                 a path, host or origin that is not allowed
    ├── ProvisionError              a source or sink cannot be built from its options (code 2201)
    ├── TransportError              I/O with an external system (code 1003); retry helps
    ├── DeliveryError               an external system refuses messages for good (code 1003)
    ├── FormatError                 a payload does not decode or encode (code 1004)
    ├── EvaluationError             one row fails inside a rule; never leaves the pipeline
    ├── TemplateError               a data template does not parse or run
    └── UnsupportedError            known to the dialect, not built in here; says what to do

``code`` is the number in the wire envelope ``{"error": code, "message": text}`` and ``status`` the HTTP status that
goes with it (codes as eKuiper's ``pkg/errorx``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a text: 1-based line and column (in characters), and the half-open character span."""

    line: int
    column: int
    start: int
    end: int

    @classmethod
    def of(cls, text: str, start: int, end: int) -> Position:
        """The position of ``text[start:end]``."""
        line = text.count("\n", 0, start) + 1
        column = start - (text.rfind("\n", 0, start) + 1) + 1
        return cls(line, column, start, end)

    def underline(self, text: str) -> str:
        """The line of ``text`` that holds this place, with a second line that marks it."""
        lines = text.split("\n")
        shown = lines[self.line - 1] if self.line <= len(lines) else ""
        width = max(1, min(self.end - self.start, len(shown) - self.column + 1))
        return f"{shown}\n{' ' * (self.column - 1)}{'^' * width}"


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault of a document: ``path`` names the entry (``rules.r1.sql``), line and column are 1-based, 0 when unknown.

    ``file`` is the file that they count in where a document has several (a folder, a bundle).
    """

    path: str
    text: str
    line: int = 0
    column: int = 0
    file: str = ""


class PlutinoError(Exception):
    """Base of all errors raised on purpose; ``str()`` is the wire message."""

    code: int = 1000
    status: int = 400

    def __init__(self, message: str, *, code: int | None = None, status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status


class SqlSyntaxError(PlutinoError):
    """A statement does not parse.

    ``message`` is the compatible text (``found "X", expected FROM.``); ``explanation`` adds the underlined place, what was
    expected, a suggestion (what to write instead) and advice (what to do, in words).
    """

    code = 2001

    def __init__(
        self,
        message: str,
        *,
        text: str = "",
        position: Position | None = None,
        expected: tuple[str, ...] = (),
        suggestion: str | None = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(message)
        self.text = text
        self.position = position
        self.expected = expected
        self.suggestion = suggestion
        self.advice = advice


class PlanError(PlutinoError):
    """A statement parses, but its names, types or clauses do not bind; ``explanation`` adds place, suggestion and advice."""

    def __init__(
        self,
        message: str,
        *,
        text: str = "",
        position: Position | None = None,
        suggestion: str | None = None,
        advice: str | None = None,
    ) -> None:
        super().__init__(message)
        self.text = text
        self.position = position
        self.suggestion = suggestion
        self.advice = advice


def explanation(error: BaseException) -> str | None:
    """The place of a statement's fault in words: line, column, the underlined text, what was expected, a suggestion, advice.

    None when neither the error nor what caused it knows a place.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, SqlSyntaxError | PlanError) and cause.position is not None:
            parts = [f"line {cause.position.line}, column {cause.position.column}:", cause.position.underline(cause.text)]
            if isinstance(cause, SqlSyntaxError) and cause.expected:
                parts.append("expected: " + " or ".join(_named(cause.expected)))
            if cause.suggestion:
                parts.append(f"did you mean {cause.suggestion}?")
            if cause.advice:
                parts.append(cause.advice)
            return "\n".join(parts)
        cause = cause.__cause__
    return None


def _named(expected: tuple[str, ...]) -> tuple[str, ...]:
    """Words as one list, signs between quotes, so that a comma is seen as one."""
    if all(any(c.isalpha() for c in name) for name in expected):
        return (", ".join(expected),)
    return tuple(name if any(c.isalpha() for c in name) else f'"{name}"' for name in expected)


class DefinitionError(PlutinoError):
    """The text of a stored object is wrong."""


class StreamError(DefinitionError):
    """A stream or table statement is refused."""

    code = 3000


class ConfigKeyError(DefinitionError):
    """A source, sink or connection configuration is refused."""

    code = 5000


class OptionError(DefinitionError):
    """One option of a component is wrong; ``path`` is dotted (``oauth.access.url``)."""

    code = 2201

    def __init__(self, message: str, *, path: str = "") -> None:
        super().__init__(message)
        self.path = path


class NotFoundError(PlutinoError):
    """A named object does not exist."""

    code = 1002
    status = 404


class ConflictError(PlutinoError):
    """An object exists already, or a revision moved meanwhile."""


class RevisionConflictError(ConflictError):
    """A change is based on a state that has moved meanwhile.

    ``meanwhile`` has an entry per revision since: its number, time, origin, and what it did to which object.
    """

    status = 409

    def __init__(self, message: str, meanwhile: tuple[dict[str, Any], ...] = ()) -> None:
        super().__init__(message)
        self.meanwhile = meanwhile


class BusyError(ConflictError):
    """Another import is going on, and the caller does not want to wait for it."""

    status = 409


class CancellationError(PlutinoError):
    """A change was ended by who asked for it; the state is as before."""


class DocumentError(PlutinoError):
    """An import document cannot be used; every fault is listed."""

    def __init__(self, message: str, faults: tuple[Fault, ...] = ()) -> None:
        super().__init__(message)
        self.faults = faults


class AccessError(PlutinoError):
    """A path, host or origin that is not allowed."""


class ProvisionError(PlutinoError):
    """A source or sink cannot be built from its options."""

    code = 2201


class TransportError(PlutinoError):
    """I/O with an external system failed; the engine retries with back-off.

    ``delivered``: of a sink's messages so many, from the first on, went through before; they need not be sent again.
    """

    code = 1003

    def __init__(self, message: str, *, delivered: int = 0) -> None:
        super().__init__(message)
        self.delivered = delivered


class DeliveryError(PlutinoError):
    """An external system refuses messages for good; sending them again does not help."""

    code = 1003


class FormatError(PlutinoError):
    """A payload does not decode, or a row does not encode."""

    code = 1004


class EvaluationError(PlutinoError):
    """One row (or one window) fails inside a rule; becomes an error row, never leaves the pipeline."""


class TemplateError(PlutinoError):
    """A data template does not parse, or fails on a row."""


class UnsupportedError(PlutinoError):
    """Known to the dialect, but not built in; the text says what to do instead."""
