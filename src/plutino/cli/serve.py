"""``serve``: the server in the foreground. One line on stdout when it is ready, the log on stderr."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from plutino.cli.logs import Log
from plutino.cli.output import Failure
from plutino.errors import Fault, PlutinoError
from plutino.settings import LOG_LEVELS, SECRET_MODES, Settings, settings_from

_COLLECT_AFTER = 50_000
"""Allocations between runs of the collector: rows are structs it does not see, so there is little for it to find."""

_MOST_FAULTS = 50
"""So many are logged one by one at the start; of more the number is enough."""

_STORE_OF_EKUIPER = "sqliteKV.db"
_ALL_ADDRESSES = ("0.0.0.0", "::", "")


@click.command()
@click.option("--data", type=click.Path(file_okay=False), required=True, metavar="DIR", help="Where the configuration and state are kept.")
@click.option("--host", help="Address of the REST API.  [default: 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port of the REST API, 0 for a free one.  [default: 9081]")
@click.option("--push-host", help="Address that HTTP push sources listen on.  [default: that of the REST API]")
@click.option("--push-port", type=click.IntRange(0, 65535), help="Port that HTTP push sources listen on.  [default: 10081]")
@click.option("--allow-host", multiple=True, metavar="NAME", help="Another name under which clients address the server; * for any.")
@click.option("--allow-origin", multiple=True, metavar="ORIGIN", help="Web pages that may call, such as https://ui.example; * for any.")
@click.option("--external-files/--no-external-files", default=None, help="Whether files outside of DIR/uploads may be named.")
@click.option("--private-net/--no-private-net", default=None, help="Whether HTTP sources and sinks may reach private addresses.")
@click.option("--allow-install-scripts", "install_scripts", is_flag=True, default=None, help="Take plugin packages with an install.sh.")
@click.option("--plugins/--no-plugins", default=None, help="Whether portable plugins are run, which are programs.  [default: yes]")
@click.option("--python", "python_bin", metavar="PROGRAM", help="Interpreter of portable plugins in Python.  [default: that of the PATH]")
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="What is taken in at most, such as download=64MB.")
@click.option("--secrets", type=click.Choice(SECRET_MODES), help="How exports show secrets when they do not say.  [default: plain]")
@click.option("--plain-secrets/--no-plain-secrets", default=None, help="Whether secrets may be asked for as they are.")
@click.option("--secrets-key", "secrets_key_file", metavar="FILE", help="The passphrase of encrypted secrets, for requests without one.")
@click.option("--timezone", metavar="ZONE", help="Zone of date functions and schedules, such as Europe/Berlin.  [default: Local]")
@click.option("--etc", "etc_dir", metavar="DIR", help="Where init.json and connections/connection.yaml lie.  [default: DIR/etc]")
@click.option("--trusted-key", "trusted_keys", multiple=True, metavar="FILE", help="Public key (PEM); bundles must be signed by one.")
@click.option("--keep-revisions", type=click.IntRange(1), help="Revisions that can be rolled back to.  [default: 1000]")
@click.option("--keep-audit", type=click.IntRange(1), help="Revisions that the history tells of.  [default: 100000]")
@click.option("--log-level", type=click.Choice(LOG_LEVELS), help="Least level that is logged.  [default: info]")
def serve(data: str, **given: Any) -> int:
    """Run the server until SIGTERM or Ctrl-C. Exit code 100 asks to start it again: an import with stop=1 wants that.

    Options win over environment variables with eKuiper's names (KUIPER__BASIC__RESTPORT and the like).
    """
    gc.set_threshold(_COLLECT_AFTER, 10, 10)
    try:
        settings = settings_from(os.environ, data_dir=str(Path(data).absolute()), **{k: v for k, v in given.items() if v != ()})
        _use_zone(settings.timezone)
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(_serve(settings))
    except PlutinoError as error:
        raise Failure(f"cannot serve: {error.message}") from error


commands: Sequence[click.Command] = (serve,)


async def _serve(settings: Settings) -> int:
    """The exit code of the server."""
    from plutino.app import Server
    from plutino.control.housekeeping import settle

    loop = asyncio.get_running_loop()
    signalled = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signalled.set)
    logs = Log(settings.log_level, Path(settings.data_dir) / "log")
    log = logs.logger()
    _tell_of_foreign_store(Path(settings.data_dir), log)
    server = await Server.open(settings, log, logs)
    logs.known = server.core.known_secrets
    try:
        _tell_of_faults(await server.start(), log)
        settle()
        everywhere = "on all addresses, " if settings.host in _ALL_ADDRESSES else ""
        click.echo(f"plutino serves {server.url} ({everywhere}push on {server.push_url}, data in {settings.data_dir})")
        stopped, asked = loop.create_task(signalled.wait()), loop.create_task(server.end.wait())
        await asyncio.wait((stopped, asked), return_when=asyncio.FIRST_COMPLETED)
        code = asked.result() if asked.done() else 0
        for waiting in (stopped, asked):
            waiting.cancel()
        log.info("stopping")
    finally:
        await server.close()
    log.info("stopped")
    return code


def _tell_of_foreign_store(folder: Path, log: Any) -> None:
    """The data directory of an eKuiper server can be given as our own, but what is in its store is not taken over unasked."""
    from plutino.catalog.catalog import FILE as CATALOG

    if (folder / _STORE_OF_EKUIPER).exists() and not (folder / CATALOG).exists():
        hint = f"nothing of it is read; bring it over with 'plutino migrate {folder} --bundle FILE.zip' and 'plutino import FILE.zip'"
        log.warning("data directory of an eKuiper server", store=_STORE_OF_EKUIPER, hint=hint)


def _tell_of_faults(faults: Sequence[Fault], log: Any) -> None:
    """What is stored and does not run: a file, a package or a variable may be gone since the server last ran."""
    for fault in faults[:_MOST_FAULTS]:
        log.warning("stored, but does not run", entry=fault.path, error=fault.text)
    if len(faults) > _MOST_FAULTS:
        log.warning("stored, but does not run", entries=len(faults), shown=_MOST_FAULTS, hint="'plutino status' shows all rules")


def _loop_factory() -> Any:
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _use_zone(name: str) -> None:
    """Make ``name`` the zone of the process; ``Local`` leaves it as it is."""
    if name.lower() == "local":
        return
    from zoneinfo import ZoneInfo

    try:
        ZoneInfo(name or "UTC")
    except (KeyError, ValueError, OSError) as error:
        raise PlutinoError(f"timezone: {name}; a zone such as Europe/Berlin, UTC or Local is expected") from error
    os.environ["TZ"] = name or "UTC"
    time.tzset()
