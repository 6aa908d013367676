"""The numbers of all rules in the text format of Prometheus (runtime reference §8.2)."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from plutino.rest.server_info import memory_used
from plutino.spi import Host

_NODE = re.compile(
    r"(source|op|sink)_(.+)_(\d+)_"
    r"(records_in_total|records_out_total|messages_processed_total|exceptions_total|late_rows_total|process_latency_us|buffer_length"
    r"|connection_status)"
)
_RULES_AT_ONCE = 50
"""After so many rules the event loop gets its turn."""

_RUNNING, _FAILED = "running", "stopped by error"
_STARTED = time.time()

Families = Mapping[str, Sequence[str]]
"""Lines ``name{labels} value`` by the name of the metric."""


async def families(host: Host) -> Families:
    """What all rules and the process count at this moment."""
    found: dict[str, list[str]] = {}
    states = {rule: str(shown["status"]) for rule, shown in host.summary().items()}
    for at, (rule, state) in enumerate(sorted(states.items())):
        if at % _RULES_AT_ONCE == 0:
            await asyncio.sleep(0)
        value = 1 if state == _RUNNING else -1 if state == _FAILED else 0
        found.setdefault("kuiper_rule_status", []).append(_line("kuiper_rule_status", {"rule": rule}, value))
        _add_nodes(found, rule, host.status(rule) or {})
    running = sum(state == _RUNNING for state in states.values())
    counted = {"running": running, "stop": len(states) - running}
    found["kuiper_rule_count"] = [_line("kuiper_rule_count", {"status": state}, n) for state, n in counted.items()]
    process = {
        "process_cpu_seconds_total": round(time.process_time(), 2),
        "process_resident_memory_bytes": memory_used(),
        "process_start_time_seconds": round(_STARTED, 2),
    }
    return {**{name: found[name] for name in sorted(found)}, **{name: [_line(name, {}, value)] for name, value in process.items()}}


def exposition(found: Families) -> str:
    """The text that Prometheus reads."""
    parts: list[str] = []
    for name, lines in found.items():
        parts.append(f"# TYPE {name} {'counter' if name.endswith('_total') else 'gauge'}")
        parts.extend(lines)
    return "\n".join(parts) + "\n"


def _add_nodes(found: dict[str, list[str]], rule: str, status: Mapping[str, Any]) -> None:
    for key, value in status.items():
        node = _NODE.fullmatch(key)
        if node is None:
            continue
        kind, name, instance, metric = node.groups()
        family = f"kuiper_{kind}_{metric}"
        labels = {"rule": rule, "type": kind, "op": name, "op_instance": instance}
        found.setdefault(family, []).append(_line(family, labels, value))


def _line(name: str, labels: Mapping[str, str], value: float) -> str:
    shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{shown}}} {value}" if shown else f"{name} {value}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
