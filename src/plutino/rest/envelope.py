"""How errors are sent (rest reference §1.2), always as valid JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from plutino.errors import DocumentError, Fault, PlutinoError, RevisionConflictError, explanation
from plutino.rest.media import asks_for_json
from plutino.spi import Answer
from plutino.spi.wire import JSON

INTERNAL = "internal error: the request was not carried out; the server's log says more"


def error_answer(error: PlutinoError, headers: Mapping[str, str]) -> Answer:
    """The envelope of an error, for a request with these headers.

    A refused document has faults: how many is in the header ``plutino-faults``, and each with its place stands in the envelope when the
    client accepts ``application/json`` by name; so does the underlined place of a refused statement (``explanation``), and what
    changed since the revision that a request was based on (``meanwhile``). To others the envelope has exactly the two members that every
    client knows.
    """
    body: dict[str, Any] = {"error": error.code, "message": error.message}
    sent = {}
    asked = asks_for_json(headers)
    if isinstance(error, DocumentError) and error.faults:
        sent["plutino-faults"] = str(len(error.faults))
        if asked:
            body["faults"] = fault_list(error.faults)
    if isinstance(error, RevisionConflictError) and asked:
        body["meanwhile"] = error.meanwhile
    place = explanation(error) if asked else None
    if place is not None:
        body["explanation"] = place
    return Answer(msgspec.json.encode(body) + b"\n", error.status, JSON, sent)


def fault_list(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    """Faults as they are sent; ``file`` is there where a document has several."""
    return [{"path": f.path, **({"file": f.file} if f.file else {}), "line": f.line, "column": f.column, "text": f.text} for f in faults]


def internal_error() -> Answer:
    """The envelope of a defect; what happened stays in the log."""
    return Answer(msgspec.json.encode({"error": PlutinoError.code, "message": INTERNAL}) + b"\n", 500, JSON)
