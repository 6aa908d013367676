"""What is secret in a configuration, told by names and by the form of values: what component declarations cannot say.

A value is secret as a whole (its option is declared so, or its name sounds so), or a part of it is: a password inside an address, a pair in
a DSN, a token after ``Bearer``, a private key in a file. ``secret_spans`` finds such parts. References (``${env:NAME}``) are no secrets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

MASK = "******"
"""Stands for every secret value."""

Span = tuple[int, int]

REFERENCE = re.compile(r"\$\{(env|file):([^{}]*)\}")
"""A reference: where the value of an option comes from when it is used."""

_WORDS = (
    *("pass", "token", "secret", "key", "credential", "auth", "pwd", "cookie", "session", "signature"),
    # The same, misspelt: nobody else would know such a name.
    *("pasw", "psw", "secert", "toekn"),
)
_SURE = re.compile(
    r"pass(?:word|wd|phrase|code)|pass$|pass[_.-]|pwd|secret|token|credential|cookie|authorization|signature"
    r"|(?:api|access|account|private|shared|signing|encryption)[\s_.-]*key|\bsig\b|\bauth\b",
    re.IGNORECASE,
)
_ABOUT = re.compile(r"(?:path|file|field|type|interval|seconds|expiry|expires?|ttl|count|size|limit|length)$", re.IGNORECASE)
"""How names end that say something about a secret, and are none."""

_NUMBER = re.compile(r"(?:password|passwd|passcode|pwd|secret|token)$", re.IGNORECASE)
_HARMLESS_HEADERS = frozenset(
    (
        *("accept", "accept-charset", "accept-encoding", "accept-language", "cache-control", "connection", "content-encoding"),
        *("content-language", "content-length", "content-type", "date", "expect", "forwarded", "from", "host", "if-match"),
        *("if-none-match", "if-modified-since", "keep-alive", "origin", "pragma", "prefer", "range", "referer", "te"),
        *("transfer-encoding", "upgrade", "user-agent", "via", "x-requested-with", "x-request-id", "x-correlation-id"),
    )
)

_CANDIDATE = re.compile(r"@|=|://|:\s|PRIVATE KEY|\"\s*:|(?i:bearer|basic)\s")
"""Nothing without one of these has a secret part."""

_ADDRESS = re.compile(r"(?<![A-Za-z0-9+.-])[A-Za-z][A-Za-z0-9+.-]{0,40}://")
_ENDS = re.compile(r"[\s\"'<>`\\]")
_HOST = re.compile(r"(?:[\w.*${}-]+|\[[\w.:%]*\])?(?::\d{0,5})?")
_PLAIN_DSN = re.compile(r"[^\s:@/(\"'{]{1,64}:(\S+)@(?:\w*\([^()]*\)|[\w.:\[\]-]*)(?:[/?]\S*)?")
_SLASH_DSN = re.compile(r"[\w$#]{1,64}/([^\s/@]+)@(?://|[\w.-]+:\d+/)\S*")
_NO_DSN = re.compile(r"mailto:", re.IGNORECASE)
_PAIR = re.compile(r"\s*([\w .-]+?)\s*=\s*('(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\"|\{[^{}]*\}|.*?)\s*", re.DOTALL)
_SPACED_PAIR = re.compile(r"([\w.-]+)\s*=\s*('(?:[^'\\]|\\.)*'|\S*)(?:\s+|$)")
_MEMBER = re.compile(r"(?<!\\)\\{0,16}\"([^\"\\:]{1,80})\\{0,16}\"\s{0,8}:\s{0,8}(\\{0,16})\"((?:[^\"\\]|\\.)*?)\2\"")
_LINE = re.compile(r"^[ \t]*([\w-]+):[ \t]+(\S.*?)[ \t\r]*$", re.MULTILINE)
_SCHEME = re.compile(r"(?:^|[:\"',])\s*(?:bearer|basic)\s+(\*{6}|[\w.~+/=-]{8,})", re.IGNORECASE)
_PEM = re.compile(r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----(.*?)(?:-----END|\Z)", re.DOTALL)
_TEMPLATE = re.compile(r"\s*\{\{[^{}\"'`]*\}\}\s*")


def sounds_secret(name: str) -> bool:
    """Whether a value under this name is taken for a secret where no declaration says what it is."""
    lowered = name.lower()
    return any(word in lowered for word in _WORDS) and _ABOUT.search(name) is None


def surely_secret(name: str) -> bool:
    """As ``sounds_secret``, without names that often stand for something else (``key``, ``author``): for texts of unknown meaning."""
    return _SURE.search(name) is not None and _ABOUT.search(name) is None


def names_secrets(text: str) -> bool:
    """Whether anything in a text sounds like the name of a secret: a quick look before a thorough one."""
    return _SURE.search(text) is not None


def secret_number(name: str) -> bool:
    """Whether a number under this name is taken for a secret; most names that sound so stand for counts and times then."""
    return _NUMBER.search(name) is not None


def holds_headers(name: str) -> bool:
    """Whether the members of a map under this name are HTTP headers."""
    return name.lower().endswith(("headers", "header"))


def is_secret_header(name: str) -> bool:
    """Whether a header may carry a secret: all but those that are known to carry none."""
    return name.lower() not in _HARMLESS_HEADERS


def is_open(value: str) -> bool:
    """Whether a value is nothing to hide, whatever its name: empty, a reference, or a bare template expression."""
    return not value.strip() or REFERENCE.fullmatch(value) is not None or _TEMPLATE.fullmatch(value) is not None


def secret_spans(text: str, *, message: bool = False) -> tuple[Span, ...]:
    """The secret parts of a value, in order and without overlaps; empty for most values.

    ``message``: the text is one for people, where ``token: …`` is no header.
    """
    if _CANDIDATE.search(text) is None:
        return ()
    found = [*_in_addresses(text), *_in_dsn(text), *_in_text(text)]
    if not message:
        found += (match.span(2) for match in _LINE.finditer(text) if surely_secret(match[1]))
    if not found:
        return ()
    return _merged((start, end) for start, end in found if not is_open(text[start:end]))


def masked_text(text: str) -> str:
    """A value with its secret parts replaced by MASK."""
    return replaced(text, secret_spans(text), lambda _: MASK)


def without_user(address: str) -> str:
    """An address for a message: what stands in front of its host is left out, however odd its form is."""
    before, at, host = address.rpartition("@")
    if not at:
        return address
    scheme, separator, _ = before.partition("//")
    return f"{scheme}//{MASK}@{host}" if separator else f"{MASK}@{host}"


def replaced(text: str, spans: Iterable[Span], change: Callable[[str], str]) -> str:
    """``text`` with each span replaced by what ``change`` makes of it."""
    parts: list[str] = []
    at = 0
    for start, end in spans:
        parts += (text[at:start], change(text[start:end]))
        at = end
    return "".join((*parts, text[at:])) if parts else text


def scrubbed(text: str, values: Iterable[str] = ()) -> str:
    """A message for people or logs without secrets: neither the given ``values`` (longest first), nor what looks like one."""
    for value in sorted({v for v in values if len(v) >= _SHORTEST and v != MASK}, key=len, reverse=True):
        if value in text:
            text = text.replace(value, MASK)
    return replaced(text, secret_spans(text, message=True), lambda _: MASK)


_SHORTEST = 4
"""Shorter secrets are not looked for in messages: they would blank out words."""


def _in_addresses(text: str) -> Iterator[Span]:
    """Credentials in front of the host of ``scheme://…``, and secret parameters after its ``?``."""
    starts = list(_ADDRESS.finditer(text))
    alone = len(starts) == 1 and starts[0].start() == 0
    for index, match in enumerate(starts):
        begin = match.end()
        end = starts[index + 1].start() if index + 1 < len(starts) else len(text)
        stop = None if alone else _ENDS.search(text, begin, end)
        if stop is not None:
            end = stop.start()
        userinfo = _userinfo(text[begin:end])
        if userinfo is not None:
            start, size = userinfo
            yield begin + start, begin + size
            begin += size
        question = text.find("?", begin, end)
        if question >= 0:
            yield from _in_query(text, question + 1, end)


def _userinfo(segment: str) -> Span | None:
    """The password of an address after its ``//``; a user without password is a token."""
    authority = re.split(r"[/?#]", segment, maxsplit=1)[0]
    at = authority.rfind("@")
    if at < 0:
        # An "@" further on belongs to the path, unless what stands before it is no host: passwords are often written without escapes.
        if "@" not in segment or _HOST.fullmatch(authority):
            return None
        at = segment.rfind("@")
    # So may one with both "@" and "/" be; only in a query an "@" is at home.
    further = segment.rfind("@")
    if "=" not in segment[at:further]:
        at = further
    user, colon, password = segment[:at].partition(":")
    if colon and password and password != "x-oauth-basic":
        return len(user) + 1, at
    return (0, len(user)) if user else None


def _in_query(text: str, begin: int, end: int) -> Iterator[Span]:
    at = begin
    for part in re.split(r"[&;#]", text[begin:end]):
        name, equals, value = part.partition("=")
        if equals and value and surely_secret(name):
            yield at + len(name) + 1, at + len(part)
        at += len(part) + 1


def _in_dsn(text: str) -> Iterator[Span]:
    """A value that is a DSN as a whole: ``user:password@tcp(host)/db``, ``user/password@host:1521/db``, ``Server=…;Password=…``."""
    if len(text) > _LONGEST_DSN:
        return
    if "@" in text and _ADDRESS.search(text) is None and not _NO_DSN.match(text):
        match = _PLAIN_DSN.fullmatch(text) or _SLASH_DSN.fullmatch(text)
        if match is not None:
            yield match.span(1)
            question = text.find("?", match.end(1))
            if question >= 0:
                yield from _in_query(text, question + 1, len(text))
            return
    if "=" in text:
        yield from _in_pairs(text)


_LONGEST_DSN = 4096


def _in_pairs(text: str) -> Iterator[Span]:
    found: list[re.Match[str]] = []
    if ";" in text:
        at = 0
        for part in _split_quoted(text):
            match = _PAIR.fullmatch(text, at, at + len(part))
            if match is not None:
                found.append(match)
            elif part.strip():
                return
            at += len(part) + 1
    else:
        at = len(text) - len(text.lstrip())
        while at < len(text):
            match = _SPACED_PAIR.match(text, at)
            if match is None:
                # One pair alone may have a value with blanks.
                match = _PAIR.fullmatch(text)
                if match is None or " " in match[1]:
                    return
                found = [match]
                break
            found.append(match)
            at = match.end()
    for match in found:
        if match[2] and surely_secret(match[1]):
            start, end = match.span(2)
            if end - start >= 2 and text[start] + text[end - 1] in ("''", '""', "{}"):
                start, end = start + 1, end - 1
            yield start, end


def _split_quoted(text: str) -> Iterator[str]:
    """Parts between semicolons that stand outside of quotes."""
    start, quote = 0, ""
    for at, character in enumerate(text):
        if quote:
            quote = "" if character == quote else quote
        elif character in "'\"" and text[start:at].rstrip().endswith("="):
            quote = character
        elif character == ";":
            yield text[start:at]
            start = at + 1
    yield text[start:]


def _in_text(text: str) -> Iterator[Span]:
    """Members, schemes and keys inside of a longer text (a template, a message, a file)."""
    for match in _MEMBER.finditer(text):
        if match[3] and surely_secret(match[1]):
            yield match.span(3)
    for match in _SCHEME.finditer(text):
        yield match.span(1)
    for match in _PEM.finditer(text):
        if match[1].strip():
            yield match.span(1)


def _merged(spans: Iterable[Span]) -> tuple[Span, ...]:
    found: list[Span] = []
    for start, end in sorted(spans):
        if found and start < found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        elif end > start:
            found.append((start, end))
    return tuple(found)
