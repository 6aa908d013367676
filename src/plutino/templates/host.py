"""What a template may learn from the engine: the time, the local zone, random numbers and static properties."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SNOWFLAKE_EPOCH_MS: Final = 1_288_834_974_657


@cache
def local_zone() -> tzinfo:
    """The zone of the machine: the variable TZ, else ``/etc/localtime``, else UTC."""
    name = os.environ.get("TZ")
    if name is not None:
        return find_zone(name.removeprefix(":")) or UTC
    try:
        with open("/etc/localtime", "rb") as file:
            return ZoneInfo.from_file(file)
    except (OSError, ValueError):
        return UTC


def find_zone(name: str) -> tzinfo | None:
    """A zone by its name (``Europe/Berlin``); ``None`` when there is none."""
    if name in ("", "UTC"):
        return UTC
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def _system_now_ms() -> int:
    return time.time_ns() // 1_000_000


@dataclass(slots=True)
class Host:
    """The engine as templates see it; tests hand in their own clock and seed."""

    now_ms: Callable[[], int] = _system_now_ms
    """Epoch milliseconds."""
    zone: tzinfo = field(default_factory=local_zone)
    random: random.Random = field(default_factory=random.SystemRandom)
    properties: Mapping[str, Any] = field(default_factory=dict)
    """Static properties that ``prop`` finds beside ``et`` and ``snowflake``."""
    _last_id: int = 0

    def now(self) -> datetime:
        """The time in the local zone."""
        return (_EPOCH + timedelta(milliseconds=self.now_ms())).astimezone(self.zone)

    def snowflake(self) -> int:
        """A number that this process has not given out before: milliseconds, node 1, a counter."""
        number = (self.now_ms() - _SNOWFLAKE_EPOCH_MS) << 22 | 1 << 12
        self._last_id = max(number, self._last_id + 1)
        return self._last_id
