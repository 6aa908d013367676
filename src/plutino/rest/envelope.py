"""How errors are sent (rest reference §1.2), always as valid JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from plutino.errors import DocumentError, PlutinoError
from plutino.spi import Answer
from plutino.spi.wire import JSON

INTERNAL = "internal error: the request was not carried out; the server's log says more"


def error_answer(error: PlutinoError) -> Answer:
    """The envelope of an error; those of documents list every fault."""
    body: dict[str, Any] = {"error": error.code, "message": error.message}
    if isinstance(error, DocumentError):
        body["faults"] = [{"path": f.path, "line": f.line, "column": f.column, "text": f.text} for f in error.faults]
    return Answer(msgspec.json.encode(body) + b"\n", error.status, JSON)


def internal_error() -> Answer:
    """The envelope of a defect; what happened stays in the log."""
    return Answer(msgspec.json.encode({"error": PlutinoError.code, "message": INTERNAL}) + b"\n", 500, JSON)
