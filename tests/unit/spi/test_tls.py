"""TLS options become a client context, or an error that names the option."""

from __future__ import annotations

import ssl

import pytest

from plutino.errors import ProvisionError, UnsupportedError
from plutino.spi.options import Tls, ssl_context


def test_certificates_are_checked_by_default() -> None:
    """Nothing configured means the system's authorities and version 1.2 at least."""
    context = ssl_context(Tls())
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_checking_can_be_switched_off_and_the_version_raised() -> None:
    """``insecureSkipVerify`` and ``tlsMinVersion``."""
    context = ssl_context(Tls(insecure_skip_verify=True, tls_min_version="tls1.3"))
    assert context.verify_mode == ssl.CERT_NONE
    assert context.minimum_version == ssl.TLSVersion.TLSv1_3


@pytest.mark.parametrize(("text", "version"), [("1.3", "TLSv1_3"), ("TLSv1.2", "TLSv1_2"), ("tls9", "TLSv1_2")])
def test_versions_are_read_as_they_are_written(text: str, version: str) -> None:
    """In the spelling of the original and in others; what is no version leaves the default, as there."""
    assert ssl_context(Tls(tls_min_version=text)).minimum_version.name == version


@pytest.mark.parametrize(
    ("tls", "text"),
    [
        (Tls(certification_raw="%%"), "certificationRaw"),
        (Tls(root_ca_path="/nowhere/ca.pem"), "tls options cannot be used"),
        (Tls(certification_raw="YQ==", private_key_raw="YQ=="), "tls options cannot be used"),
    ],
)
def test_what_cannot_be_used_is_refused(tls: Tls, text: str) -> None:
    """The error says which option."""
    with pytest.raises(ProvisionError, match=text):
        ssl_context(tls)


def test_encrypted_certificates_are_not_supported() -> None:
    """``decrypt`` is known, but not built in."""
    with pytest.raises(UnsupportedError, match="decrypt"):
        ssl_context(Tls(decrypt={"algorithm": "aes"}))


def test_paths_go_through_the_guard() -> None:
    """Every path option is resolved by the engine."""
    asked: list[str] = []

    def allow(path: str) -> str:
        asked.append(path)
        return "/nowhere/" + path

    with pytest.raises(ProvisionError):
        ssl_context(Tls(certification_path="c.pem", private_key_path="k.pem"), allow)
    assert asked == ["c.pem", "k.pem"]
