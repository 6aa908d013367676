"""Numbers of all rules: as they are, and as they were."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from plutino.rest.metrics import MetricsRecord
from plutino.testing import FakeClock
from unit.rest.kit import Api, FakeHost, MemoryLog, Reply, open_api

START = 1_700_000_000
HOUR_MS = 3_600_000


class CountingHost(FakeHost):
    """Rules with numbers."""

    def status(self, rule: str) -> dict[str, Any] | None:
        return {
            "status": "running",
            "source_demo_0_records_in_total": 7,
            "source_demo_0_connection_status": 1,
            "source_demo_0_last_exception": "x",
            "op_2_filter_0_process_latency_us": 12,
            "sink_mqtt_0_0_records_out_total": 3,
        }


@pytest.fixture
def clock() -> FakeClock:
    """Stands still."""
    return FakeClock(START * 1000)


@pytest.fixture
async def timed(tmp_path: Path, clock: FakeClock) -> AsyncIterator[Api]:
    """A server on that clock."""
    async with open_api(tmp_path, clock=clock) as api:
        yield api


def lines(reply: Reply) -> list[str]:
    """What is in a dump."""
    assert reply.status == 200, reply.text
    with zipfile.ZipFile(io.BytesIO(reply.data)) as archive:
        (name,) = archive.namelist()
        return archive.read(name).decode().splitlines()


async def test_numbers_of_rules_are_shown_for_prometheus(api: Api) -> None:
    """Each node's numbers have the rule, the kind of node and its name as labels; texts are left out."""
    host = CountingHost()
    host.states = {"r": "running", "x": "stopped by error", 'a"b': "stopped"}
    api.host.states, api.host.status = host.states, host.status  # type: ignore[method-assign]
    reply = await api.ask("GET", "/metrics")
    shown = reply.text.splitlines()
    assert reply.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert 'kuiper_source_records_in_total{rule="r",type="source",op="demo",op_instance="0"} 7' in shown
    assert 'kuiper_sink_records_out_total{rule="r",type="sink",op="mqtt_0",op_instance="0"} 3' in shown
    assert 'kuiper_op_process_latency_us{rule="r",type="op",op="2_filter",op_instance="0"} 12' in shown
    assert 'kuiper_rule_status{rule="x"} -1' in shown
    assert 'kuiper_rule_status{rule="a\\"b"} 0' in shown
    assert 'kuiper_rule_count{status="running"} 1' in shown
    assert "# TYPE kuiper_source_records_in_total counter" in shown
    assert "# TYPE kuiper_source_connection_status gauge" in shown
    assert "last_exception" not in reply.text
    assert len([line for line in shown if line.startswith("# TYPE")]) == len({line for line in shown if line.startswith("# TYPE")})


async def test_the_record_is_off_until_it_is_asked_for(timed: Api) -> None:
    """And again when it was switched off."""
    assert (await timed.ask("GET", "/metrics/dump/check")).text == "disabled"
    assert (await timed.ask("GET", "/metrics/dump")).json == {"error": 1000, "message": "metrics dump not enabled"}
    for on, shown in ((True, "enabled"), (True, "enabled"), (False, "disabled"), (False, "disabled")):
        assert (await timed.ask("PATCH", "/configs", {"metricsDumpConfig": {"enable": on}})).status == 204
        assert (await timed.ask("GET", "/metrics/dump/check")).text == shown


async def test_a_dump_holds_the_samples_of_its_time(timed: Api, clock: FakeClock) -> None:
    """Both ends count, and files of all hours between them are read."""
    timed.record.enable()
    for _ in range(4):
        await timed.record.sample()
        clock.move(HOUR_MS)
    whole = lines(await timed.ask("GET", f"/metrics/dump?startTime={START}&endTime={START + 3 * 3600}"))
    counted = [line.rsplit(" ", 1)[1] for line in whole if line.startswith('kuiper_rule_count{status="running"}')]
    assert sorted(set(counted)) == [f"{START + hour * 3600}.000" for hour in range(4)]
    assert whole[-1] == "# EOF"
    last = lines(await timed.ask("GET", "/metrics/dump"))
    times = {line.rsplit(" ", 1)[1] for line in last[:-1]}
    # the clock stands at the fourth hour: a sample of its own time may be there already
    assert {f"{START + 3 * 3600}.000"} <= times <= {f"{START + hour * 3600}.000" for hour in (3, 4)}
    assert (await timed.ask("GET", "/metrics/dump?startTime=1&endTime=2")).json["message"] == "not metrics are selected"
    assert (await timed.ask("GET", "/metrics/dump?startTime=soon")).json["message"] == "startTime: soon; unix seconds are expected"


async def test_old_files_are_deleted_and_broken_lines_left_out(tmp_path: Path, clock: FakeClock) -> None:
    """Six hours are kept; a line that a crash has cut is no sample."""
    record = MetricsRecord(FakeHost(), tmp_path, clock=clock, log=MemoryLog())
    (tmp_path / "metrics.notes.log").touch()
    (tmp_path / "metrics.99999999-99.log").touch()
    await record.sample()
    (first,) = tmp_path.glob("metrics.2023*.log")
    with open(first, "a") as file:
        file.write(f"cut off\nkuiper 1 {START}")
    packed = await record.packed(START, START)
    assert packed is not None
    assert b"cut off" not in zipfile.ZipFile(io.BytesIO(packed)).read("metrics.log")
    clock.move(8 * HOUR_MS)
    await record.sample()
    assert not first.exists()
    assert (tmp_path / "metrics.notes.log").exists()


async def test_trouble_with_files_is_logged(tmp_path: Path, clock: FakeClock) -> None:
    """Recording goes on with the next sample."""
    (tmp_path / "file").touch()
    log = MemoryLog()
    await MetricsRecord(FakeHost(), tmp_path / "file", clock=clock, log=log).sample()
    assert [event for event, _ in log.events] == ["metrics were not recorded"]
