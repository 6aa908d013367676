"""The TLS option block that all network connectors share (runtime reference §7.3).

Its options stand among those of the connector: ``tls: Annotated[Tls, Opt(inline=True)] = Tls()``.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

from msgspec import Struct, field

from plutino.errors import ProvisionError, UnsupportedError
from plutino.spi.option_model import Opt

if TYPE_CHECKING:
    import ssl


class Tls(Struct, frozen=True, rename="camel"):
    """TLS options; ``*Raw`` are base64 of PEM text, ``tls: default`` stands for the server's own block (filled in by the engine)."""

    insecure_skip_verify: Annotated[bool, Opt("Accept any certificate of the server", connection_related=True)] = False
    certification_path: Annotated[str, Opt("File of the client certificate (PEM)", connection_related=True)] = ""
    private_key_path: Annotated[str, Opt("File of the client's private key (PEM)", connection_related=True)] = ""
    root_ca_path: Annotated[str, Opt("File of the authorities to trust (PEM)", connection_related=True)] = ""
    certification_raw: Annotated[str, Opt("Client certificate, base64 of PEM", connection_related=True)] = ""
    private_key_raw: Annotated[str, Opt("Client's private key, base64 of PEM", secret=True, connection_related=True)] = ""
    root_ca_raw: Annotated[str, Opt("Authorities to trust, base64 of PEM", connection_related=True)] = field(default="", name="rootCARaw")
    tls_min_version: Annotated[
        str,
        Opt("Lowest version to accept", values=("tls1.0", "tls1.1", "tls1.2", "tls1.3"), connection_related=True, check=_check_min_version),
    ] = ""
    renegotiation_support: Annotated[str, Opt("Accepted for compatibility", values=("never", "once", "freely"))] = "never"
    decrypt: Annotated[dict[str, Any], Opt("How certificate files are encrypted; not built in", connection_related=True)] = {}
    preset: Annotated[str, Opt('"default" takes the server-wide block', connection_related=True)] = field(default="", name="tls")


def ssl_context(tls: Tls, allow_file: Callable[[str], str] = str) -> ssl.SSLContext:
    """A client context; ``allow_file`` resolves path options. ProvisionError when a certificate cannot be used."""
    import ssl

    if tls.decrypt:
        raise UnsupportedError("tls option decrypt: encrypted certificate files are not built in; store them decrypted")
    context = ssl.create_default_context()
    # What is no version leaves the default, as in the original.
    context.minimum_version = _min_version(tls.tls_min_version) or ssl.TLSVersion.TLSv1_2
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        if tls.root_ca_path:
            context.load_verify_locations(cafile=allow_file(tls.root_ca_path))
        if tls.root_ca_raw:
            context.load_verify_locations(cadata=_raw("rootCARaw", tls.root_ca_raw).decode("ascii", "replace"))
        _load_client(context, tls, allow_file)
    except OSError as error:  # ssl.SSLError is one
        raise ProvisionError(f"tls options cannot be used: {error}; PEM files and their base64 are expected") from error
    return context


def _load_client(context: ssl.SSLContext, tls: Tls, allow_file: Callable[[str], str]) -> None:
    if tls.certification_raw or tls.private_key_raw:
        # OpenSSL reads key pairs from files only: both live for this call alone, readable by nobody else.
        with tempfile.TemporaryDirectory() as folder:
            names = []
            for name, text in (("certificationRaw", tls.certification_raw), ("privateKeyRaw", tls.private_key_raw)):
                names.append(os.path.join(folder, name))
                with open(os.open(names[-1], os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                    file.write(_raw(name, text))
            context.load_cert_chain(*names)
    elif tls.certification_path or tls.private_key_path:
        context.load_cert_chain(allow_file(tls.certification_path), allow_file(tls.private_key_path))


def _raw(name: str, text: str) -> bytes:
    try:
        return base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except ValueError as error:  # binascii.Error is one
        raise ProvisionError(f"tls option {name}: {error}; base64 of PEM text is expected") from error


def _check_min_version(text: str) -> None:
    if _min_version(text) is None:
        raise UnsupportedError(f"tlsMinVersion {text}: not known, TLS 1.2 is the lowest; one of tls1.0, tls1.1, tls1.2, tls1.3 is expected")


def _min_version(text: str) -> ssl.TLSVersion | None:
    import ssl

    versions = {
        "": ssl.TLSVersion.TLSv1_2,
        "tls1.0": ssl.TLSVersion.TLSv1,
        "tls1.1": ssl.TLSVersion.TLSv1_1,
        "tls1.2": ssl.TLSVersion.TLSv1_2,
        "tls1.3": ssl.TLSVersion.TLSv1_3,
    }
    plain = text.lower().strip().removeprefix("tls").lstrip(" v_-")
    return versions.get(f"tls{plain}" if plain else "")
