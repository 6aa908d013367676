"""The demo and its example: what a newcomer sees first."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import requests

from e2e.harness import SOURCES, free_port, wait_until
from plutino.cli import layout

ROOT = Path(__file__).resolve().parents[2]
COMMAND = (sys.executable, "-c", "import sys; from plutino.cli import main; sys.exit(main())", "demo")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(SOURCES)}


def test_demo_once_holds() -> None:
    """`plutino demo --once` shows everything, proves that the export equals the import, and ends with 0."""
    result = subprocess.run([*COMMAND, "--once"], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "15 to create" in result.stdout
    assert '"verdict":"too little"' in result.stdout
    assert "equal to what was imported, entry by entry; importing it again: no difference (15 objects)" in result.stdout
    assert result.stderr == ""


def test_demo_leaves_the_server_running() -> None:
    """Without --once the server stays until Ctrl-C, at the address that was printed; nothing is left behind."""
    port, push_port = free_port(), free_port()
    arguments = ["--port", str(port), "--push-port", str(push_port), "--seconds", "4"]
    with subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True, process_group=0) as process:
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            if "Ctrl-C stops it" in line:
                break
        assert f"http://127.0.0.1:{port}" in "".join(lines[-8:]), "".join(lines)
        assert requests.get(f"http://127.0.0.1:{port}/rules/hot/status", timeout=10).json()["status"] == "running"
        # As a terminal does: the whole group gets the signal.
        os.killpg(process.pid, signal.SIGINT)
        # A signal in the middle of a flush makes Python write the line before it once more.
        assert process.stdout.read().endswith("\nstopped\n")
        assert process.wait(30) == 0

    def gone() -> bool:
        try:
            requests.get(f"http://127.0.0.1:{port}/ping", timeout=1)
        except requests.ConnectionError:
            return True
        return False

    wait_until(gone, 10, "the server of the demo has ended")


def test_demo_ends_its_server_when_it_is_ended() -> None:
    """SIGTERM to the demo alone takes the server along."""
    port = free_port()
    arguments = ["--port", str(port), "--push-port", str(free_port()), "--seconds", "60"]
    with subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if "Live results" in line:
                break
        process.terminate()
        assert process.wait(30) == 128 + signal.SIGTERM
    try:
        requests.get(f"http://127.0.0.1:{port}/ping", timeout=1)
    except requests.ConnectionError:
        return
    raise AssertionError("the server of the demo is still there")


def test_demo_says_when_a_port_is_taken() -> None:
    """A taken port is a usage error with a hint, before anything is started."""
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        result = subprocess.run([*COMMAND, "--port", str(port)], cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == f"error: port {port} is taken; name free ones with --port and --push-port\n"


def test_folder_and_document_of_the_example_are_the_same() -> None:
    """examples/plant.json is what examples/plant makes."""
    folder, document = (layout.read_document(str(ROOT / name)).read.objects for name in ("examples/plant", "examples/plant.json"))
    assert {o.place: value(o.text) for o in folder} == {o.place: value(o.text) for o in document}


def value(text: str) -> Any:
    """What a text says: statements are text, the rest is JSON."""
    return json.loads(text) if text.startswith("{") else text
