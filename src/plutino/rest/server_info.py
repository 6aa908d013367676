"""What the server says about itself: ``/`` and ``/ping``; and how it is ended: ``/stop``."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Sequence

from plutino.spi import Action, Answer, Call
from plutino.spi.wire import json_answer, text_answer

_OBJECT = {"type": "object"}


class ServerInfo:
    """Version, uptime, and what the process uses of the machine; CPU is its share since the last time it was asked for."""

    def __init__(self, version: str) -> None:
        self._version = version
        self._started = time.monotonic()
        self._last = (self._started, time.process_time())

    @property
    def actions(self) -> Sequence[Action]:
        tags = ("server",)
        return (
            Action("GET", "/", self._show, "Version, uptime and use of resources", reply=_OBJECT, tags=tags),
            Action("POST", "/", self._show, "Version, uptime and use of resources", reply=_OBJECT, tags=tags),
            Action("GET", "/stop", self._stop, "End the server", tags=tags),
            Action("POST", "/stop", self._stop, "End the server", tags=tags),
            Action("GET", "/ping", self._ping, "Answers when the server is up", tags=tags),
        )

    async def _show(self, call: Call) -> Answer:
        return json_answer(
            {
                "version": self._version,
                "os": sys.platform,
                "arch": {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine()),
                "upTimeSeconds": int(time.monotonic() - self._started),
                "cpuUsage": f"{self._cpu_share():.2f}%",
                "memoryUsed": str(memory_used()),
                "memoryTotal": str(_memory_total()),
            }
        )

    async def _stop(self, call: Call) -> Answer:
        call.control.shut_down(0)
        return text_answer("stop success")

    async def _ping(self, call: Call) -> Answer:
        return Answer()

    def _cpu_share(self) -> float:
        now, used = time.monotonic(), time.process_time()
        (before, used_before), self._last = self._last, (now, used)
        return 100 * (used - used_before) / max(now - before, 1e-3)


def memory_used() -> int:
    """Resident bytes; where the system does not tell, the most that was ever resident."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024


def _memory_total() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
