"""The real processes of end-to-end tests: a mosquitto broker and a Plutino server, each on a free loopback port."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import requests

SOURCES = Path(__file__).resolve().parents[2] / "src"
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 15.0


_LOWEST, _PORTS = 10_000, 20_000
"""Below what systems give to outgoing connections, so that none of these takes a port before its server does."""

_tried = itertools.count(os.getpid() * 4_999)
"""Processes that test at the same time begin at different places, and none tries a port twice soon."""


def free_port() -> int:
    """A loopback TCP port that nobody listens on at the moment."""
    while True:
        port = _LOWEST + next(_tried) % _PORTS
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def wait_until(condition: Any, timeout_s: float, what: str, pause_s: float = 0.02) -> Any:
    """The first true value of ``condition()``; raises TimeoutError with ``what`` after ``timeout_s`` seconds."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"{what}: not within {timeout_s:g} s")
        time.sleep(pause_s)


class Broker:
    """A mosquitto process for one test session; it keeps nothing on disk and drops nothing that it has accepted."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = 0
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The address in the form that stream options and connections use."""
        return f"tcp://127.0.0.1:{self.port}"

    def start(self, port: int | None = None) -> None:
        """Start on ``port`` (a free one by default) and return when connections are accepted."""
        binary = shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if binary is None:
            raise RuntimeError("mosquitto is not installed: run `make broker`, or install the package mosquitto")
        self.port = port or free_port()
        config = self.folder / "mosquitto.conf"
        config.write_text(
            f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n"
            "max_queued_messages 0\nmax_inflight_messages 0\nuser root\nlog_dest stderr\nlog_type error\nlog_type warning\n"
        )
        with (self.folder / "mosquitto.log").open("ab") as log:
            self.process = subprocess.Popen([binary, "-c", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._answers, START_TIMEOUT_S, "mosquitto accepts connections")

    def stop(self) -> None:
        """End the process; does nothing when it is not running."""
        if self.process is not None:
            _end(self.process, signal.SIGTERM)
            self.process = None

    def _answers(self) -> bool:
        if self.process is not None and self.process.poll() is not None:
            raise RuntimeError(f"mosquitto ended at once: {(self.folder / 'mosquitto.log').read_text()[-2000:]}")
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False


class Server:
    """A `plutino serve` process with a data folder of its own, in time zone UTC.

    ``start`` may be called again after ``kill`` or ``stop``: ports and data folder stay the same.
    """

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.options = options
        self.port = free_port()
        self.push_port = free_port()
        self.log = data.with_name(data.name + ".log")
        self.ready_line = ""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """Base address of the REST API."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def push_url(self) -> str:
        """Base address of the data server that HTTP push sources listen on."""
        return f"http://127.0.0.1:{self.push_port}"

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        if self.process is None:
            raise RuntimeError("the server is not running")
        return self.process.pid

    def start(self) -> None:
        """Start and return when the server has printed its one ready line."""
        self.data.mkdir(parents=True, exist_ok=True)
        # fmt: off
        command = [
            sys.executable, "-c", "import sys; from plutino.cli import main; sys.exit(main())", "serve",
            "--data", str(self.data), "--host", "127.0.0.1", "--port", str(self.port), "--push-port", str(self.push_port),
            *self.options,
        ]
        # fmt: on
        paths = [str(SOURCES), *filter(None, [os.environ.get("PYTHONPATH")])]
        environment = {**os.environ, "TZ": "UTC", "PYTHONPATH": os.pathsep.join(paths), "PYTHONUNBUFFERED": "1"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, env=environment)
        self.ready_line = self._first_line()

    def kill(self) -> None:
        """`kill -9`: the process gets no chance to write anything."""
        if self.process is not None:
            _end(self.process, signal.SIGKILL)
            self.process = None

    def stop(self) -> int:
        """Ask the process to end as an operator would (SIGTERM); returns its exit code."""
        if self.process is None:
            return 0
        code = _end(self.process, signal.SIGTERM)
        self.process = None
        return code

    def restart(self, *, killed: bool = True) -> None:
        """Kill (or stop) the process and start it again on the same data."""
        if killed:
            self.kill()
        else:
            self.stop()
        self.start()

    def request(self, method: str, path: str, **options: Any) -> requests.Response:
        """One request to the REST API; ``options`` as for ``requests.request``."""
        options.setdefault("timeout", 30)
        return requests.request(method, self.url + path, **options)

    def rule_status(self, rule: str) -> str:
        """The word in the status of a rule: running, stopped, ..."""
        answer = self.request("GET", f"/rules/{rule}/status")
        return str(answer.json().get("status")) if answer.ok else f"HTTP {answer.status_code}"

    def wait_for_rule(self, rule: str, status: str = "running", timeout_s: float = 10.0) -> None:
        """Return when the rule has this status."""
        wait_until(lambda: self.rule_status(rule) == status, timeout_s, f"rule {rule} is {status}")

    def wait_until_connected(self, rule: str, timeout_s: float = 10.0) -> None:
        """Return when every source and sink of the rule reports a connection: from then on a source misses nothing."""

        def connected() -> bool:
            status = self.request("GET", f"/rules/{rule}/status").json()
            states = [value for key, value in status.items() if key.endswith("_connection_status")]
            return bool(states) and set(states) == {1}

        wait_until(connected, timeout_s, f"rule {rule} is connected")

    def log_tail(self, size: int = 4000) -> str:
        """The end of what the server wrote to stderr."""
        return self.log.read_text(errors="replace")[-size:] if self.log.exists() else ""

    def _first_line(self) -> str:
        """Wait for the ready line; afterwards a thread keeps stdout empty, so that the server never blocks on it."""
        process = self.process
        assert process is not None
        assert process.stdout is not None
        pipe = process.stdout
        lines: queue.Queue[bytes] = queue.Queue()

        def read() -> None:
            with pipe:
                for line in pipe:
                    lines.put(line)
                lines.put(b"")

        threading.Thread(target=read, daemon=True, name=f"stdout of {process.pid}").start()
        try:
            line = lines.get(timeout=START_TIMEOUT_S)
        except queue.Empty:
            line = b""
        if not line:
            self.kill()
            raise RuntimeError(f"plutino serve printed no ready line; its stderr ends with:\n{self.log_tail()}")
        return line.decode().rstrip()


def empty(server: Server) -> None:
    """Bring a server to the empty state through single deletes: cheaper than a new process for each test."""
    with requests.Session() as session:
        _Cleaner(session, server.url).run()


@dataclass(frozen=True)
class _Cleaner:
    """Reads and deletes over one kept connection; a kind that the server does not know counts as empty."""

    session: requests.Session
    base: str

    def run(self) -> None:
        for rule in self.names("/rules"):
            self.drop(f"/rules/{quote(rule['id'], safe='')}")
        for kind in ("tables", "streams"):
            self._drop_statements(kind)
        for connection in self.names("/connections"):
            self.drop(f"/connections/{quote(connection['id'], safe='')}")
        for path in ("/services", "/schemas/protobuf", "/schemas/custom", "/udf/javascript"):
            for name in self.names(path):
                self.drop(f"{path}/{quote(name, safe='')}")
        for role in ("sources", "sinks", "functions"):
            for name in self.names(f"/plugins/{role}"):
                self.drop(f"/plugins/{role}/{quote(name, safe='')}")
        for plugin in self.names("/plugins/portables"):
            self.drop(f"/plugins/portables/{plugin['name']}")
        for upload in self.names("/config/uploads"):
            self.drop(f"/config/uploads/{upload.rsplit('/', 1)[-1]}")
        self._drop_configurations()

    def read(self, path: str) -> Any:
        answer = self.session.get(self.base + path, timeout=30)
        try:
            return answer.json() if answer.status_code == 200 else None
        except ValueError:
            return None

    def names(self, path: str) -> list[Any]:
        listed = self.read(path)
        return listed if isinstance(listed, list) else []

    def drop(self, path: str) -> None:
        self.session.delete(self.base + path, timeout=30)

    def _drop_statements(self, kind: str) -> None:
        for name in self.names(f"/{kind}"):
            self.drop(f"/{kind}/{quote(name, safe='')}?force=true")
        for name in self.names(f"/{kind}"):  # a name that the check of the path refuses
            statement = f"DROP {kind[:-1].upper()} `{name}`"
            self.session.post(f"{self.base}/{kind}", json={"sql": statement}, timeout=30)

    def _drop_configurations(self) -> None:
        stored = self.read("/metadata/resources")
        for kind in ("sources", "sinks") if isinstance(stored, dict) else ():
            for item in stored.get(kind) or []:
                for key, component in item.items():
                    self.drop(f"/metadata/{kind}/{component}/confKeys/{quote(key, safe='')}")


def _end(process: subprocess.Popen[bytes], how: signal.Signals) -> int:
    """Send a signal and wait; a process that does not end in time is killed."""
    if process.poll() is None:
        process.send_signal(how)
    try:
        return process.wait(timeout=STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait(timeout=STOP_TIMEOUT_S)
