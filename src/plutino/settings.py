"""Settings: everything that a server can be told when it starts, by options or by variables of the environment."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import Struct

from plutino.catalog import KEEP_AUDIT, KEEP_REVISIONS
from plutino.control import Policy
from plutino.control.encryption import read_passphrase
from plutino.control.secrecy import MODES
from plutino.errors import OptionError
from plutino.model.duration import parse_nanoseconds
from plutino.spi.access import Access
from plutino.spi.limits import Limits, limits_from
from plutino.spi.plugin import PluginSettings

LOG_LEVELS = ("debug", "info", "warning", "error")
SECRET_MODES = MODES


class Settings(Struct, frozen=True):
    """Everything that a server can be told when it starts.

    - ``host``, ``port``: where the REST API listens; ``push_host`` (empty: as ``host``), ``push_port``: where HTTP push sources listen
    - ``allow_host``, ``allow_origin``: names of the server and origins of web pages besides those of this machine
    - ``external_files``: files outside of ``<data_dir>/uploads`` may be named; None: while the API listens on loopback only
    - ``private_net``: HTTP sources, sinks and downloads may reach loopback and private addresses
    - ``install_scripts``: plugin packages with a shell script (``install.sh``) are taken
    - ``timezone``: IANA name, ``Local`` for that of the machine
    - ``files_dir``: where relative paths of file sources and sinks begin; empty for ``data_dir``
    - ``secrets``: how exports show secrets when nobody says: plain, redact or encrypt; ``plain_secrets`` False: never plain, also not where
      single objects are shown; ``secrets_key_file``: a file with the passphrase for requests that bring none
    - ``etc_dir``: where configuration lies that is imported at the start; empty for ``<data_dir>/etc``
    - ``plugins``: portable plugins are run; ``python_bin``: the interpreter of those in Python, empty for that of the PATH;
      ``plugin_init_timeout``, ``plugin_send_timeout``, ``plugin_recv_timeout``: how long they may take to start, to be there, and to
      answer, as ``5s``
    - ``trusted_keys``: files with public keys (Ed25519, PEM); when there are any, bundles must be signed by one of them
    - ``limits``: what is taken in at most, as ``NAME=VALUE`` (see ``spi.limits``)
    - ``keep_revisions``: how many revisions can be rolled back to; ``keep_audit``: how many the history tells of
    """

    data_dir: str
    host: str = "127.0.0.1"
    port: int = 9081
    push_host: str = ""
    push_port: int = 10081
    allow_host: tuple[str, ...] = ()
    allow_origin: tuple[str, ...] = ()
    external_files: bool | None = None
    private_net: bool = False
    install_scripts: bool = False
    timezone: str = "Local"
    log_level: str = "info"
    files_dir: str = ""
    limits: tuple[str, ...] = ()
    secrets: str = "plain"
    plain_secrets: bool = True
    secrets_key_file: str = ""
    etc_dir: str = ""
    trusted_keys: tuple[str, ...] = ()
    plugins: bool = True
    python_bin: str = ""
    plugin_init_timeout: str = "60s"
    plugin_send_timeout: str = "5s"
    plugin_recv_timeout: str = "5s"
    keep_revisions: int = KEEP_REVISIONS
    keep_audit: int = KEEP_AUDIT

    @property
    def access(self) -> Access:
        """What configurations may reach."""
        external = _is_loopback(self.host) if self.external_files is None else self.external_files
        return Access(self.files_dir or self.data_dir, external_files=external, private_net=self.private_net)

    def intake(self) -> Limits:
        """What is taken in at most; OptionError for what is no limit."""
        return limits_from(dict(_pair(text) for text in self.limits))

    def plugin_settings(self) -> PluginSettings:
        """How portable plugins are run; OptionError for what is no duration."""
        return PluginSettings(
            self.plugins,
            self.python_bin,
            _milliseconds("plugin_init_timeout", self.plugin_init_timeout),
            _milliseconds("plugin_send_timeout", self.plugin_send_timeout),
            _milliseconds("plugin_recv_timeout", self.plugin_recv_timeout),
        )

    def policy(self) -> Policy:
        """How secrets are shown; PlutinoError when the key file cannot be read. Blocks."""
        default = "redact" if self.secrets == "plain" and not self.plain_secrets else self.secrets
        if default not in SECRET_MODES:
            raise OptionError(f"secrets: {default}; one of {', '.join(SECRET_MODES)} is expected", path="secrets")
        return Policy(default, self.plain_secrets, read_passphrase(self.secrets_key_file) if self.secrets_key_file else "")

    def for_checks(self) -> Mapping[str, Any]:
        """The part that checks of definitions depend on."""
        access = self.access
        return {
            "data_dir": access.data_dir,
            "allow_external_file_access": access.external_files,
            "enable_private_net": access.private_net,
            "allow_install_scripts": self.install_scripts,
            "timezone": self.timezone,
        }


_VARIABLES = {
    "KUIPER__BASIC__RESTIP": "host",
    "KUIPER__BASIC__RESTPORT": "port",
    "KUIPER__BASIC__TIMEZONE": "timezone",
    "KUIPER__BASIC__LOGLEVEL": "log_level",
    "KUIPER__BASIC__ALLOWEXTERNALFILEACCESS": "external_files",
    "KUIPER__BASIC__ENABLEPRIVATENET": "private_net",
    "KUIPER__PORTABLE__PYTHONBIN": "python_bin",
    "KUIPER__PORTABLE__INITTIMEOUT": "plugin_init_timeout",
    "KUIPER__PORTABLE__SENDTIMEOUT": "plugin_send_timeout",
    "KUIPER__PORTABLE__RECVTIMEOUT": "plugin_recv_timeout",
    "PLUTINO__SECRETS__MODE": "secrets",
    "PLUTINO__SECRETS__PLAIN": "plain_secrets",
    "PLUTINO__SECRETS__KEYFILE": "secrets_key_file",
    "KUIPER__SOURCE__HTTPSERVERIP": "push_host",
    "KUIPER__SOURCE__HTTPSERVERPORT": "push_port",
}
_LEVELS = {"warn": "warning", "fatal": "error", "panic": "error"}
_LIMIT = "PLUTINO__LIMITS__"


def settings_from(environ: Mapping[str, str], **given: Any) -> Settings:
    """Settings from environment variables with eKuiper's names, and from ``given`` ones that are not None, which win.

    OptionError for a variable whose value does not fit.
    """
    found: dict[str, Any] = {}
    for variable, value in environ.items():
        name = _VARIABLES.get(variable.upper())
        if name is not None:
            found[name] = _converted(variable, name, value.strip())
        elif variable.upper().startswith(_LIMIT):
            limit = (f"{variable.upper().removeprefix(_LIMIT)}={value}",)
            found["limits"] = (*found.get("limits", ()), *limit)
    if given.get("limits"):
        # Each by itself: an option wins over the variable of the same limit.
        given["limits"] = (*found.get("limits", ()), *given["limits"])
    found.update({name: value for name, value in given.items() if value is not None})
    return Settings(**found)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise OptionError(f"limit {text}: no value; NAME=VALUE is expected", path=name)
    return name, value


def _milliseconds(name: str, text: str) -> int:
    try:
        found = int(text) if text.isdecimal() else parse_nanoseconds(text) // 1_000_000
    except ValueError as error:
        raise OptionError(f"{name}: {error}; a duration such as 5s is expected", path=name) from None
    if found <= 0:
        raise OptionError(f"{name}: {text}; more than nothing is expected", path=name)
    return found


def _converted(variable: str, name: str, value: str) -> Any:
    if name == "log_level":
        level = _LEVELS.get(value.lower(), value.lower())
        if level not in LOG_LEVELS:
            raise OptionError(f"{variable}: {value}; one of {', '.join(LOG_LEVELS)} is expected", path=variable)
        return level
    kind = next(field.type for field in msgspec.structs.fields(Settings) if field.name == name)
    if kind is str:
        return value
    try:
        return msgspec.convert(value.lower(), kind, strict=False)
    except msgspec.ValidationError as error:
        raise OptionError(f"{variable}: {value}; {str(error).lower()}", path=variable) from None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"
