"""What a plugin is started from: its package unpacked into a folder of its own, and what is left of an earlier start."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct

from plutino.errors import PlutinoError
from plutino.spi.archive import open_archive
from plutino.spi.plugin import PluginPackage

INSTALL_SCRIPT = "install.sh"
SCRIPT_SECONDS = 300.0
"""How long an installation script may run."""

_MARK = ".package"
"""The file that says which package was unpacked; made last."""

_PASSED_ON = frozenset(
    {
        *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "TZ", "TMPDIR", "PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV"),
        *("LD_LIBRARY_PATH", "CONDA_EXE", "CONDA_PREFIX", "CONDA_ROOT", "SSL_CERT_FILE", "SSL_CERT_DIR"),
    }
)


class Functions(Struct, frozen=True):
    """What a package has said of its functions."""

    digest: str
    aggregates: tuple[str, ...]


def environment(environ: Mapping[str, str]) -> dict[str, str]:
    """What a plugin sees of the environment of the server: what programs need to run, no settings and no secrets."""
    return {name: value for name, value in environ.items() if name in _PASSED_ON or name.startswith("LC_")}


def unpacked(package: PluginPackage, root: Path, environ: Mapping[str, str]) -> Path:
    """The program of a package in ``<root>/<name>``, unpacked unless it is there already; PlutinoError with what went wrong. Blocks."""
    folder = root / package.name
    try:
        if _digest(folder) != package.digest:
            _unpack(package, root, folder, environ)
        program = (folder / package.executable).resolve()
        if not program.is_relative_to(folder.resolve()):
            raise PlutinoError(f"plugin {package.name}: {package.executable} lies outside of its folder")
        return program
    except OSError as error:
        raise PlutinoError(f"plugin {package.name}: {error.filename or folder}: {(error.strerror or str(error)).lower()}") from error


def _digest(folder: Path) -> str:
    try:
        return (folder / _MARK).read_text()
    except OSError:
        return ""


def _unpack(package: PluginPackage, root: Path, folder: Path, environ: Mapping[str, str]) -> None:
    fresh = root / f".{package.name}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True, mode=0o700)
    with open_archive(package.archive) as archive:
        for name in archive.names:
            file = fresh / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(archive.read(name))
    program = fresh / package.executable
    program.chmod(program.stat().st_mode | 0o100)
    if package.script_args is not None:
        _run_script(package, fresh, environ)
    (fresh / _MARK).write_text(package.digest)
    shutil.rmtree(folder, ignore_errors=True)
    fresh.rename(folder)


def _run_script(package: PluginPackage, folder: Path, environ: Mapping[str, str]) -> None:
    """Run the installation script of a package, which the server was told to allow."""
    command = ("/bin/sh", INSTALL_SCRIPT, *(package.script_args or ()))
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment(environ),
            capture_output=True,
            stdin=subprocess.DEVNULL,
            timeout=SCRIPT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise PlutinoError(f"plugin {package.name}: {INSTALL_SCRIPT} has not ended after {SCRIPT_SECONDS:g} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).decode("utf-8", "replace").strip()[-500:]
        raise PlutinoError(f"plugin {package.name}: {INSTALL_SCRIPT} ended with {done.returncode}: {said}")


def known_aggregates(name: str, digest: str, root: Path) -> tuple[str, ...]:
    """Which functions of a package are aggregates, as it said when it ran before."""
    try:
        found = msgspec.json.decode((root / f".{name}.functions").read_bytes(), type=Functions)
    except (OSError, msgspec.DecodeError):
        return ()
    return found.aggregates if found.digest == digest else ()


def remember_aggregates(package: PluginPackage, aggregates: tuple[str, ...], root: Path) -> None:
    """Note which functions of a package are aggregates: rules are checked before it runs again. Blocks."""
    with contextlib.suppress(OSError):
        (root / f".{package.name}.functions").write_bytes(msgspec.json.encode(Functions(package.digest, aggregates)))


def removed(name: str, root: Path) -> None:
    """Take away what was unpacked. Blocks."""
    with contextlib.suppress(OSError):
        (root / f".{name}.functions").unlink()
    shutil.rmtree(root / name, ignore_errors=True)
    shutil.rmtree(root / f".{name}.new", ignore_errors=True)
    forget_process(name, root)


def remember_process(name: str, root: Path, pid: int) -> None:
    """Note the process of a plugin, for the next start of a server that is killed."""
    with contextlib.suppress(OSError):
        (root / f".{name}.pid").write_text(str(pid))


def forget_process(name: str, root: Path) -> None:
    """The process has ended."""
    with contextlib.suppress(OSError):
        (root / f".{name}.pid").unlink()


def end_orphan(name: str, program: Path, root: Path) -> None:
    """End the process that a server which was killed left behind, if it still runs this program."""
    try:
        pid = int((root / f".{name}.pid").read_text())
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError):
        return
    if os.fsencode(program) in command:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
    forget_process(name, root)
