"""A real Redis server for end-to-end tests, on a free loopback port, without anything on disk."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import redis

from e2e.harness import free_port, wait_until


class RedisServer:
    """A redis-server process; ``start`` may be called again after ``stop``, on the same port."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def client(self) -> redis.Redis:
        """A client of the tests."""
        return redis.Redis(port=self.port, decode_responses=True)

    def start(self, *options: str) -> None:
        """Return when it answers."""
        binary = shutil.which("redis-server", path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
        if binary is None:
            raise RuntimeError("redis-server is not installed: run `make broker`, or install the package redis-server")
        command = [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--dir", str(self.folder), *options]
        with (self.folder / "redis.log").open("ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._answers, 15, "redis answers")

    def stop(self) -> None:
        """End the process; does nothing when it is not running."""
        process, self.process = self.process, None
        if process is not None:
            process.terminate()
            process.wait(10)

    def _answers(self) -> bool:
        client = self.client
        try:
            return bool(client.ping())
        except redis.AuthenticationError:
            return True
        except redis.ConnectionError:
            return False
        finally:
            client.close()
