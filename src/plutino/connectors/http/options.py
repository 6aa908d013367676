"""Options of the HTTP connectors, and what they must fulfil."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from msgspec import Struct, field

from plutino.errors import ProvisionError
from plutino.model import Duration
from plutino.spi.options import Opt, Tls, one_of
from plutino.spi.secrets import without_user

METHODS = ("GET", "POST", "PUT", "DELETE")
PUSHED = ("POST", "PUT")
PULLED = ("gzip", "flate", "zlib", "zstd")
CONTENT_TYPES = {
    "none": "",
    "text": "text/plain",
    "json": "application/json",
    "html": "text/html",
    "xml": "application/xml",
    "javascript": "application/javascript",
    "form": "application/x-www-form-urlencoded;param=value",
    "binary": "",
    "formdata": "",
}
RESPONSE_TYPES = ("code", "body")


class OAuthAccess(Struct, frozen=True, rename="camel"):
    """How to get a token."""

    url: Annotated[str, Opt("Address that gives a token; empty switches OAuth off", "URL", check=check_url)] = ""
    body: Annotated[str, Opt("Body of the request", "Body", secret=True)] = ""
    headers: Annotated[dict[str, Any], Opt("Headers of the request", "Headers")] = {}
    expire: Annotated[Any, Opt("Seconds until the token expires, or a template over the token response", "Expire", check=check_expire)] = ""


class OAuthRefresh(Struct, frozen=True, rename="camel"):
    """How to get the next token; templates over the token response."""

    url: Annotated[str, Opt("Address that renews the token", "URL")] = ""
    headers: Annotated[dict[str, Any], Opt("Headers of the request", "Headers")] = {}
    body: Annotated[str, Opt("Body of the request", "Body", secret=True)] = ""


class OAuth(Struct, frozen=True, rename="camel"):
    """Token based access."""

    access: Annotated[OAuthAccess | None, Opt("How to get a token", "Access")] = None
    refresh: Annotated[OAuthRefresh | None, Opt("How to renew it", "Refresh")] = None


class HttpPullOptions(Struct, frozen=True, rename="camel"):
    """Options of the pulling source."""

    url: Annotated[str, Opt("Address; DATASOURCE is appended", "URL", connection_related=True, check=check_base)] = "http://localhost"
    method: Annotated[str, Opt("HTTP method", "Method", values=METHODS, check=read_method)] = "GET"
    interval: Annotated[Duration, Opt("Time between two requests; 0 asks once", "Interval")] = 0
    timeout: Annotated[Duration, Opt("Time limit of a request; 0 for none", "Timeout", check=check_timeout)] = 5000
    body: Annotated[str, Opt("Body of the request, may be a template over the states", "Body")] = ""
    body_type: Annotated[str, Opt("Type of the body", "Body type", values=tuple(CONTENT_TYPES), check=read_body_type)] = ""
    headers: Annotated[dict[str, Any], Opt("Headers, may be templates over states and token response", "Headers")] = {}
    response_type: Annotated[
        str, Opt("code: the status tells success; body: a field code does", values=RESPONSE_TYPES, check=check_response_type)
    ] = "code"
    incremental: Annotated[bool, Opt("Leave out responses equal to the one before", "Incremental")] = False
    oauth: Annotated[OAuth | None, Opt("Token based access", "OAuth")] = field(default=None, name="oAuth")
    states: Annotated[dict[str, Any], Opt("First values of template variables, replaced by fields of each response", "States")] = {}
    compression: Annotated[str, Opt("Compression that responses must have", "Compression", values=PULLED, check=check_pulled)] = ""
    tls: Annotated[Tls, Opt(inline=True)] = Tls()


class HttpPushOptions(Struct, frozen=True, rename="camel"):
    """Options of the source that is pushed to."""

    method: Annotated[str, Opt("HTTP method to accept", "Method", values=PUSHED, check=check_pushed)] = "POST"
    buffer_length: Annotated[int, Opt("Accepted for compatibility; the buffer is the engine's", "Buffer length")] = 1024


class HttpPushPathOptions(Struct, frozen=True, rename="camel"):
    """Options of a connection of type httppush."""

    datasource: Annotated[str, Opt("Path of the data server", "Path", connection_related=True)] = ""
    method: Annotated[str, Opt("HTTP method to accept", "Method", values=PUSHED, connection_related=True, check=check_pushed)] = "POST"


class RestOptions(Struct, frozen=True, rename="camel"):
    """Options of the rest sink."""

    url: Annotated[str, Opt("Address", "URL", dynamic=True, connection_related=True, required=True, check=check_url)] = "http://localhost"
    method: Annotated[str, Opt("HTTP method", "Method", dynamic=True, values=METHODS, check=read_method)] = ""
    body_type: Annotated[str, Opt("Type of the body", "Body type", dynamic=True, values=tuple(CONTENT_TYPES), check=read_body_type)] = ""
    format: Annotated[str, Opt("Payload format", "Format")] = "json"
    headers: Annotated[dict[str, Any], Opt("Headers", "Headers", dynamic=True)] = {}
    form_data: Annotated[dict[str, Any], Opt("Fields beside the file (body type formdata)", "Form data", dynamic=True)] = {}
    file_field_name: Annotated[str, Opt("Name of the file field (body type formdata)", "File field")] = ""
    timeout: Annotated[Duration, Opt("Time limit of a request; 0 for none", "Timeout", check=check_timeout)] = 5000
    response_type: Annotated[
        str, Opt("code: the status tells success; body: a field code does", values=RESPONSE_TYPES, check=check_response_type)
    ] = "code"
    debug_resp: Annotated[bool, Opt("Log responses", "Log responses")] = False
    compression: Annotated[str, Opt("Compression of the body", "Compression", values=("gzip", "zstd"), check=check_compression)] = ""
    oauth: Annotated[OAuth | None, Opt("Token based access", "OAuth")] = field(default=None, name="oAuth")
    tls: Annotated[Tls, Opt(inline=True)] = Tls()


def check_url(url: str) -> None:
    """ProvisionError unless it is an absolute HTTP address."""
    try:
        parts = urlsplit(url)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
        parts.port  # noqa: B018 - raises for a port that is none
    except ValueError:
        good = False
    if not good:
        raise ProvisionError(f"invalid url {without_user(url)}: http:// or https:// with a host is expected")


def check_base(url: str) -> None:
    """ProvisionError unless an address can begin so; the rest is the DATASOURCE."""
    if url.lower() not in ("http://", "https://") and "{{" not in url:
        check_url(url)


def read_method(method: str) -> str:
    """The method in upper case; ProvisionError for one that is not supported."""
    found = method.upper()
    if found not in METHODS:
        raise ProvisionError(f"Not supported HTTP method {method}.")
    return found


def read_body_type(body_type: str) -> str:
    """The body type in lower case; ProvisionError for an unknown one."""
    found = body_type.lower()
    if found not in CONTENT_TYPES:
        raise ProvisionError(f"Invalid body type value {body_type}.")
    return found


def check_exchange(timeout: int, response_type: str, oauth: OAuth | None) -> None:
    """ProvisionError for values that no HTTP connector takes."""
    check_timeout(timeout)
    check_response_type(response_type)
    if oauth is None:
        return
    if oauth.access is None:
        raise ProvisionError("if setting oAuth, `access` property is required")
    if oauth.access.url:
        check_url(oauth.access.url)
        if oauth.access.expire not in ("", None):
            check_expire(oauth.access.expire)


def check_timeout(timeout: int) -> None:
    """ProvisionError for a time below 0."""
    if timeout < 0:
        raise ProvisionError(f"invalid timeout {timeout} ms: 0 or more is expected")


check_response_type = one_of(RESPONSE_TYPES, "Invalid response type value {}.", fold=True)
"""ProvisionError for an unknown one."""


check_compression = one_of(("", "gzip", "zstd"), "invalid compression {}: gzip or zstd is expected", fold=True)
"""ProvisionError for one that bodies cannot have."""


check_pulled = one_of(PULLED, f"invalid compression {{}}: {', '.join(PULLED)} are known", fold=True)
"""ProvisionError for one that responses cannot have."""


check_pushed = one_of(PUSHED, "method {} is not supported, must be POST or PUT")
"""ProvisionError for a method that nobody pushes with."""


def check_expire(expire: Any) -> None:
    """ProvisionError unless it is a number, or a template that may give one."""
    if not (isinstance(expire, str) and "{{" in expire):
        read_seconds(expire)


def read_seconds(expire: Any) -> int:
    """Whole seconds of the ``expire`` option; ProvisionError when it is no number."""
    try:
        return int(float(expire))
    except (TypeError, ValueError, OverflowError) as error:
        raise ProvisionError(f"oauth expire {expire}: a number of seconds is expected") from error


def text_headers(headers: Mapping[str, Any]) -> dict[str, str]:
    """Header values as text."""
    return {k: _header_text(v) for k, v in headers.items()}


def uses_tokens(properties: Mapping[str, Any]) -> bool:
    """Whether wire properties ask for token based access."""
    oauth = next((v for k, v in properties.items() if k.lower() == "oauth"), None)
    access = next((v for k, v in oauth.items() if k.lower() == "access"), None) if isinstance(oauth, Mapping) else None
    return isinstance(access, Mapping) and bool(next((v for k, v in access.items() if k.lower() == "url"), ""))


def _header_text(value: Any) -> str:
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return str(value).lower()
        case _:
            return str(value)
