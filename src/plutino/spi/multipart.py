"""Multipart bodies of uploads (RFC 7578), binary-safe, with the error texts of Go's reader."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser

from msgspec import Struct

from plutino.errors import PlutinoError

PARTS_LIMIT = 1000
_HEADER_LIMIT = 16 * 1024


class MultipartError(PlutinoError):
    """A body is no multipart form; callers add their prefix."""


class Part(Struct, frozen=True):
    """One part: ``filename`` is None for a plain field, and never has directories in it."""

    name: str
    filename: str | None
    data: bytes


def boundary_of(content_type: str) -> bytes:
    """The boundary in a Content-Type header; MultipartError when there is none or the type is another."""
    header = Message()
    header["content-type"] = content_type
    if header.get_content_type() != "multipart/form-data":
        raise MultipartError("request Content-Type isn't multipart/form-data")
    boundary = header.get_param("boundary")
    if not isinstance(boundary, str) or not boundary:
        raise MultipartError("no multipart boundary param in Content-Type")
    return boundary.encode("latin-1", "replace")


def parts_of(body: bytes, boundary: bytes) -> Iterator[Part]:
    """The parts of a body in order; MultipartError where it breaks off."""
    # What is before the first delimiter is no part. It may stand at the very beginning, without a line end in front.
    text = b"\r\n" + body
    found = _delimiter(text, boundary, 0)
    for _ in range(PARTS_LIMIT):
        if found is None:
            raise MultipartError("multipart: NextPart: EOF")
        if found.last:
            return
        following = _delimiter(text, boundary, found.end - 2)
        if following is None:
            raise MultipartError("multipart: NextPart: unexpected EOF")
        part = _part(text, found.end, max(following.start, found.end))
        if part is not None:
            yield part
        found = following
    raise MultipartError(f"multipart: more than {PARTS_LIMIT} parts")


class _Delimiter(Struct, frozen=True):
    """A line that divides parts: ``start`` is where the line end before it begins, ``end`` where the next part does."""

    start: int
    end: int
    last: bool


def _delimiter(text: bytes, boundary: bytes, at: int) -> _Delimiter | None:
    """The next delimiter; a line that only begins like one is content."""
    mark = b"\r\n--" + boundary
    while (start := text.find(mark, at)) >= 0:
        end = start + len(mark)
        if text.startswith(b"--", end):
            return _Delimiter(start, end + 2, True)
        line = text.find(b"\r\n", end)
        if line >= 0 and not text[end:line].strip(b" \t"):
            return _Delimiter(start, line + 2, False)
        at = start + 1
    return None


def _part(body: bytes, start: int, end: int) -> Part | None:
    """The part between two delimiters; None when it does not say which field it is."""
    if body.startswith(b"\r\n", start):
        head, data = b"", start + 2
    else:
        blank = body.find(b"\r\n\r\n", start, end)
        if blank < 0 or blank - start > _HEADER_LIMIT:
            raise MultipartError("multipart: NextPart: malformed MIME header")
        head, data = body[start:blank], blank + 4
    header = HeaderParser().parsestr(head.decode("utf-8", "replace"))
    if header.get_content_disposition() != "form-data":
        return None
    name = header.get_param("name", header="content-disposition")
    if name is None:
        return None
    filename = header.get_filename()
    if filename is not None:
        filename = filename.replace("\\", "/").rpartition("/")[2]
    return Part(name if isinstance(name, str) else name[2], filename, body[data:end] if data < end else b"")
