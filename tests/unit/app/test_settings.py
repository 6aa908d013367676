"""What a server can be told, and by whom."""

from __future__ import annotations

import pytest

from plutino.errors import AccessError, OptionError
from plutino.settings import Settings, settings_from


def test_variables_with_the_names_of_the_original() -> None:
    """Any case of the name; numbers and truth values are converted."""
    environ = {
        "KUIPER__BASIC__RESTPORT": " 9082 ",
        "Kuiper__Basic__RestIp": "0.0.0.0",
        "KUIPER__SOURCE__HTTPSERVERPORT": "10082",
        "KUIPER__BASIC__ENABLEPRIVATENET": "True",
        "KUIPER__BASIC__ALLOWEXTERNALFILEACCESS": "false",
        "KUIPER__BASIC__LOGLEVEL": "warn",
        "KUIPER__BASIC__TIMEZONE": "Europe/Berlin",
        "HOME": "/root",
    }
    found = settings_from(environ, data_dir="d")
    assert (found.host, found.port, found.push_port) == ("0.0.0.0", 9082, 10082)
    assert (found.private_net, found.external_files, found.log_level, found.timezone) == (True, False, "warning", "Europe/Berlin")


def test_options_win_over_variables() -> None:
    """None means that an option was not given."""
    found = settings_from({"KUIPER__BASIC__RESTPORT": "1", "KUIPER__BASIC__RESTIP": "::1"}, data_dir="d", port=0, host=None)
    assert (found.port, found.host) == (0, "::1")


@pytest.mark.parametrize(
    ("variable", "value"),
    [("KUIPER__BASIC__RESTPORT", "x"), ("KUIPER__BASIC__ENABLEPRIVATENET", "maybe"), ("KUIPER__BASIC__LOGLEVEL", "loud")],
)
def test_values_that_do_not_fit_are_named(variable: str, value: str) -> None:
    """With the variable that they came from."""
    with pytest.raises(OptionError, match=f"{variable}: {value}; "):
        settings_from({variable: value}, data_dir="d")


@pytest.mark.parametrize(
    ("host", "given", "allowed"),
    [
        ("127.0.0.1", None, True),
        ("localhost", None, True),
        ("::1", None, True),
        ("0.0.0.0", None, False),
        ("0.0.0.0", True, True),
        ("::1", False, False),
    ],
)
def test_external_files_are_open_to_this_machine_only(host: str, given: bool | None, allowed: bool) -> None:
    """Unless the operator says otherwise: who cannot log in here shall not read files here."""
    access = Settings("/data", host=host, external_files=given).access
    assert access.external_files is allowed
    if allowed:
        assert access.file("/etc/hostname") == "/etc/hostname"
    else:
        with pytest.raises(AccessError):
            access.file("/etc/hostname")
