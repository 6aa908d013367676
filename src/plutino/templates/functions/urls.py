"""URLs: taken apart and put together as Go does."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote as percent_encode

from plutino.templates.functions.registry import define
from plutino.templates.go.quoting import quote
from plutino.templates.go.values import Failure, from_utf8, kind_name, utf8

_PATH: Final = "$&+,/:;=@-_.~"
_HOST: Final = "!$&'()*+,;=:[]<>\"-_.~"
_USER: Final = "$&+,;=-_.~"
_FRAGMENT: Final = "$&+,/:;=?@!()*-_.~"
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):", re.ASCII)
_PORT: Final = re.compile(r"(?::[0-9]*)?", re.ASCII)
_USERINFO: Final = re.compile(r"[A-Za-z0-9\-._:~!$&'()*+,;=%@]*", re.ASCII)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9a-fA-F]{2})")


@dataclass(slots=True)
class _Url:
    scheme: str = ""
    opaque: str = ""
    user: str | None = None
    host: str = ""
    path: str = ""
    query: str = ""
    fragment: str = ""


@define("urlParse", "string -> any", grows=True)
def url_parse(text: str) -> dict[str, Any]:
    start, _, fragment = text.partition("#")
    shown = start
    try:
        url = _parse(start)
        shown = text
        url.fragment = _decode(fragment)
    except Failure as failure:
        raise Failure(f"unable to parse url: parse {quote(shown)}: {failure}") from None
    return {
        "scheme": url.scheme,
        "host": url.host,
        "hostname": _hostname(url.host),
        "path": url.path,
        "query": url.query,
        "opaque": url.opaque,
        "fragment": url.fragment,
        "userinfo": url.user or "",
    }


@define("urlJoin", "map -> string", grows=True)
def url_join(parts: dict[str, Any]) -> str:
    url = _Url(
        scheme=_text_of(parts, "scheme"),
        host=_text_of(parts, "host"),
        path=_text_of(parts, "path"),
        query=_text_of(parts, "query"),
        opaque=_text_of(parts, "opaque"),
        fragment=_text_of(parts, "fragment"),
    )
    userinfo = _text_of(parts, "userinfo")
    if userinfo:
        try:
            url.user = _parse(f"proto://{userinfo}@host").user
        except Failure as failure:
            raise Failure(f"unable to parse userinfo in dict: parse {quote(f'proto://{userinfo}@host')}: {failure}") from None
    return _join(url)


def _text_of(parts: dict[str, Any], key: str) -> str:
    if key not in parts:
        return ""
    value = parts[key]
    if value is None:
        raise Failure("runtime error: invalid memory address or nil pointer dereference")
    if not isinstance(value, str):
        raise Failure(f"unable to parse {key} key, must be of type string, but {kind_name(value)} found")
    return value


def _parse(text: str) -> _Url:
    """A URL without fragment."""
    url, rest = _Url(), text
    if any(c < " " or c == "\x7f" for c in rest):
        raise Failure("net/url: invalid control character in URL")
    if rest == "*":
        url.path = "*"
        return url
    if rest.startswith(":"):
        raise Failure("missing protocol scheme")
    found = _SCHEME.match(rest)
    if found is not None:
        url.scheme, rest = found[1].lower(), rest[found.end() :]
    rest, _, url.query = rest.partition("?")
    if not rest.startswith("/"):
        if url.scheme:
            url.opaque = rest
            return url
        if ":" in rest.partition("/")[0]:
            raise Failure("first path segment in URL cannot contain colon")
    if rest.startswith("//") and (url.scheme or not rest.startswith("///")):
        authority, slash, path = rest[2:].partition("/")
        _set_authority(url, authority)
        rest = slash + path
    url.path = _decode(rest)
    return url


def _set_authority(url: _Url, authority: str) -> None:
    userinfo, at, host = authority.rpartition("@")
    url.host = _host(host)
    if not at:
        return
    if _USERINFO.fullmatch(userinfo) is None:
        raise Failure("net/url: invalid userinfo")
    name, colon, password = userinfo.partition(":")
    url.user = _encode(_decode(name), _USER) + colon + (_encode(_decode(password), _USER) if colon else "")


def _host(host: str) -> str:
    if "[" in host:
        closing = host.rfind("]")
        if not host.startswith("["):
            raise Failure("invalid IP-literal")
        if closing < 0:
            raise Failure("missing ']' in host")
        port = host[closing + 1 :]
        if _PORT.fullmatch(port) is None:
            raise Failure(f"invalid port {quote(port)} after host")
        address = _decode(host[1:closing])
        try:
            ipaddress.IPv6Address(address)
        except ValueError:
            if re.fullmatch(r"[0-9]{1,3}(?:\.[0-9]{1,3}){3}", address, re.ASCII):
                raise Failure("invalid IP-literal") from None
            raise Failure(f"invalid host: ParseAddr({quote(address)}): unable to parse IP") from None
        return f"[{address}]{port}"
    colon = host.rfind(":")
    if colon >= 0 and _PORT.fullmatch(host[colon:]) is None:
        raise Failure(f"invalid port {quote(host[colon:])} after host")
    for found in re.finditer("%..", host):
        if int(found[0][1:], 16) < 128 if re.fullmatch("%[0-9a-fA-F]{2}", found[0]) else False:
            raise Failure(f"invalid URL escape {quote(found[0])}")
    wrong = re.search(r"[ {}|\\^`]", host)
    if wrong is not None:
        raise Failure(f"invalid character {quote(wrong[0])} in host name")
    return _decode(host)


def _hostname(host: str) -> str:
    head, colon, port = host.rpartition(":")
    if colon and (not port or (port.isascii() and port.isdecimal())):
        host = head
    return host[1:-1] if host.startswith("[") and host.endswith("]") else host


def _decode(text: str) -> str:
    if "%" not in text:
        return text
    wrong = _BAD_ESCAPE.search(text)
    if wrong is not None:
        raise Failure(f"invalid URL escape {quote(text[wrong.start() : wrong.start() + 3])}")
    data = utf8(text)
    return from_utf8(re.sub(rb"%([0-9a-fA-F]{2})", lambda found: bytes((int(found[1], 16),)), data))


def _encode(text: str, safe: str) -> str:
    return percent_encode(utf8(text), safe=safe)


def _join(url: _Url) -> str:
    text = f"{url.scheme}:" if url.scheme else ""
    if url.opaque:
        text += url.opaque
    else:
        if (url.scheme or url.host or url.user is not None) and (url.host or url.path or url.user is not None):
            text += "//" + (f"{url.user}@" if url.user is not None else "") + _encode(url.host, _HOST)
        path = "*" if url.path == "*" else _encode(url.path, _PATH)
        if path and not path.startswith("/") and url.host:
            text += "/"
        if not text and ":" in path.partition("/")[0]:
            text += "./"
        text += path
    if url.query:
        text += f"?{url.query}"
    return f"{text}#{_encode(url.fragment, _FRAGMENT)}" if url.fragment else text
