"""What was refused, and how it is reported."""

from __future__ import annotations

from dataclasses import dataclass

from plutino.errors import DocumentError, Fault, PlutinoError, Position
from plutino.model import Ref


@dataclass(frozen=True, slots=True)
class Failure:
    """One object (or one entry of a document) that was refused.

    ``section``, ``entry`` and ``key`` say where it stands in a v1 document (``key`` inside an entry of grouped keys), ``inner`` where in
    its text the fault is, ``ref`` which object it is when one can be named. ``further``: another one of an object whose first fault says
    enough to clients of the original.
    """

    section: str
    entry: str
    key: str
    error: PlutinoError
    ref: Ref | None = None
    inner: tuple[str, ...] = ()
    further: bool = False

    @property
    def object_path(self) -> str:
        """``rules.r1``, ``sourceConfig.mqtt.key1``."""
        return ".".join(part for part in (self.section, self.entry, self.key) if part)

    @property
    def path(self) -> str:
        """``rules.r1``, ``sourceConfig.mqtt.key1.qos``."""
        return ".".join(part for part in (self.section, self.entry, self.key, *self.inner) if part)

    @property
    def wire_text(self) -> str:
        """The text in the original's per-entry report."""
        return f"{self.key}: {self.error.message}" if self.key else self.error.message

    def fault(self, line: int = 0, column: int = 0, file: str = "") -> Fault:
        """The fault with the place of its entry; places inside the entry's own text are part of the text."""
        return Fault(self.path, explained(self.error), line, column, file)


def explained(error: PlutinoError) -> str:
    """The message with place and suggestion, from the error or from what caused it."""
    text = error.message
    cause: BaseException | None = error
    while cause is not None:
        position = getattr(cause, "position", None)
        if isinstance(position, Position):
            text += f" (line {position.line}, column {position.column} of the statement)"
            suggestion = getattr(cause, "suggestion", None)
            advice = getattr(cause, "advice", None)
            text += f"; did you mean {suggestion}?" if suggestion else ""
            return f"{text}; {advice}" if advice else text
        cause = cause.__cause__
    return text


def refusal(failures: list[Failure]) -> PlutinoError:
    """One error for everything that was refused: the object's own error when there is one object."""
    if len(failures) == 1:
        return failures[0].error
    faults = tuple(failure.fault() for failure in failures)
    shown = "; ".join(f"{fault.path}: {fault.text}" for fault in faults[:5])
    more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
    objects = len({failure.object_path for failure in failures})
    return DocumentError(f"{objects} objects are refused: {shown}{more}", faults)
