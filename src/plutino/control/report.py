"""Wire answers of transfer: the twelve-key object of the original, the import status, and the messages of background imports."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec
from msgspec import Struct

from plutino.control.failure import Failure
from plutino.control.sections import SECTIONS
from plutino.errors import DocumentError, Fault, PlutinoError

PROCESS_ERROR = "process error"
"""What the original calls entries that were refused."""


class RefusedDocumentError(DocumentError):
    """A document that could be read, but not be imported; ``response`` is the twelve-key object."""

    def __init__(self, message: str, faults: tuple[Fault, ...], response: dict[str, dict[str, str]]) -> None:
        super().__init__(message, faults)
        self.response = response


class ImportOutcome(StrEnum):
    """What became of an import. All but the first: nothing was changed."""

    IMPORTED = "imported"
    REFUSED = "refused"
    UNREADABLE = "unreadable"
    """The document could not be read, or could not be had."""
    OUTDATED = "outdated"
    """It was based on another state."""
    CANCELLED = "cancelled"
    ABORTED = "aborted"
    """The server ended."""
    FAILED = "failed"


class ImportStatus(Struct, frozen=True):
    """What the last import came to.

    ``outcome`` is one of ``ImportOutcome``, ``response`` the twelve-key object, ``at`` epoch milliseconds, ``revision`` the state after it.
    """

    response: dict[str, dict[str, str]]
    outcome: str
    message: str
    format: str
    partial: bool
    at: int
    client: str
    revision: int

    def as_text(self) -> str:
        """As it is stored."""
        return msgspec.json.encode(self).decode()


def config_response(failures: Iterable[Failure]) -> dict[str, dict[str, str]]:
    """``{section: {entry: error text}}`` with all twelve sections, empty where all is well."""
    response: dict[str, dict[str, str]] = {section: {} for section in SECTIONS}
    for failure in failures:
        if failure.further:
            continue
        entries = response.setdefault(failure.section, {})
        earlier = entries.get(failure.entry)
        entries[failure.entry] = failure.wire_text if earlier is None else f"{earlier}; {failure.wire_text}"
    return response


def as_text(response: Mapping[str, Mapping[str, str] | None]) -> str:
    """The object as compact JSON: the message of a refused import."""
    return msgspec.json.encode(response).decode()


def stored_status(text: str) -> ImportStatus | None:
    """What ``ImportStatus.as_text`` made, None when no import is known."""
    if not text:
        return None
    try:
        return msgspec.json.decode(text, type=ImportStatus)
    except msgspec.ValidationError:
        # Earlier versions kept the twelve-key object alone.
        response = msgspec.json.decode(text, type=dict[str, dict[str, str]])
        return ImportStatus(response, "refused" if any(response.values()) else "imported", "", "v1", False, 0, "", 0)


def finish_message(response: Mapping[str, Mapping[str, str]]) -> str:
    """The message of a background import that is done."""
    return _outcome("", response)


def error_message(error: PlutinoError) -> str:
    """The message of a background import that came to nothing."""
    match error:
        case RefusedDocumentError(response=response):
            return f"err:{PROCESS_ERROR}, response:{_outcome(PROCESS_ERROR, response)}"
        case DocumentError():
            return f"err:{error.message}, response:{_outcome(error.message, dict.fromkeys(SECTIONS))}"
        case _:
            return f"err:{error.message}, response:null"


def _outcome(error: str, response: Mapping[str, Mapping[str, str] | None]) -> str:
    return msgspec.json.encode({"ErrorMsg": error, "ConfigResponse": response}).decode()
