"""Cron expressions, and rules that run in windows."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from plutino.errors import PlutinoError
from plutino.model import moment
from plutino.runtime import check_schedule
from plutino.runtime.cron import parse_cron
from plutino.spi import RuleOptions
from unit.runtime.plant import Plant, rule


def ms(text: str) -> int:
    """Epoch ms of a UTC time."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("expression", "now", "last", "upcoming"),
    [
        ("*/15 * * * *", "2024-01-02 08:07:30", "2024-01-02 08:00", "2024-01-02 08:15"),
        ("0 9-17/2 * * mon-fri", "2024-01-06 12:00", "2024-01-05 17:00", "2024-01-08 09:00"),
        ("30 4 1,15 * 5", "2024-01-02 00:00", "2024-01-01 04:30", "2024-01-05 04:30"),
        ("0 0 29 2 *", "2024-03-01 00:00", "2024-02-29 00:00", "2028-02-29 00:00"),
        ("@monthly", "2024-01-01 00:00", "2024-01-01 00:00", "2024-02-01 00:00"),
        ("0 0 * * 7", "2024-01-08 00:00", "2024-01-07 00:00", "2024-01-14 00:00"),
        ("@every 1h", "2024-01-02 08:07:30", "2024-01-02 08:00", "2024-01-02 09:00"),
        ("5 4 * JAN,dec ?", "2024-02-01 00:00", "2024-01-31 04:05", "2024-12-01 04:05"),
    ],
)
def test_cron_finds_the_instants_around_a_time(expression: str, now: str, last: str, upcoming: str) -> None:
    """The latest one not later, and the first one later."""
    cron = parse_cron(expression)
    assert cron.last_before(ms(now), UTC) == ms(last)
    assert cron.next_after(ms(now), UTC) == ms(upcoming)


def test_a_time_that_the_change_of_clocks_skips_is_left_out() -> None:
    """02:30 does not exist in Berlin on the last Sunday of March."""
    cron, berlin = parse_cron("30 2 * * *"), ZoneInfo("Europe/Berlin")
    assert cron.next_after(ms("2024-03-30 12:00"), berlin) == ms("2024-04-01 00:30")


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "60 * * * *", "* * 0 * *", "a * * * *", "5-1 * * * *", "*/0 * * * *", "@often", "@every 10ms"]
)
def test_wrong_expressions_are_refused(expression: str) -> None:
    """Never with any other exception."""
    with pytest.raises(PlutinoError):
        parse_cron(expression)


def test_check_schedule_refuses_wrong_ranges() -> None:
    """Begin after end, and times that are none."""
    with pytest.raises(PlutinoError, match="begin time shouldn't after end time"):
        check_schedule(RuleOptions(cron_datetime_range=({"begin": "2024-01-02 08:00:00", "end": "2024-01-01 08:00:00"},)))
    with pytest.raises(PlutinoError, match="a time like"):
        check_schedule(RuleOptions(cron_datetime_range=({"begin": "soon", "end": "later"},)))
    check_schedule(RuleOptions(cron="0 0 1 1 *", duration=1000))


@pytest.fixture(autouse=True)
def utc() -> object:
    """Schedules follow the zone of the process."""
    moment.set_zone("UTC")
    yield
    moment.set_zone("Local")


WAITING = "stopped: waiting for next schedule."


async def test_a_rule_runs_in_the_windows_of_its_schedule(plant: Plant) -> None:
    """It waits outside, starts on time, stops on time, and says when it starts next."""
    plant.clock.move(ms("2024-01-02 08:59:00") - plant.clock.now_ms())
    await plant.run(rule(cron="0 9 * * *", duration=60_000))
    assert plant.engine.state("r") == WAITING
    assert plant.status()["nextStartTimestamp"] == ms("2024-01-02 09:00")
    await plant.clock.advance(60_000)
    assert plant.engine.state("r") == "running"
    assert plant.status()["nextStartTimestamp"] == ms("2024-01-03 09:00")
    await plant.clock.advance(60_000)
    assert (plant.status()["status"], plant.status()["message"]) == (WAITING, "schedule terminated")
    await plant.clock.advance(24 * 3_600_000 - 60_000)
    assert plant.engine.state("r") == "running"


async def test_a_manual_stop_inside_a_window_stays(plant: Plant) -> None:
    """Until the user starts the rule again."""
    plant.clock.move(ms("2024-01-02 09:00:30") - plant.clock.now_ms())
    await plant.run(rule(cron="0 9 * * *", duration=60_000))
    assert plant.engine.state("r") == "running"
    await plant.engine.stop("r")
    await plant.clock.advance(48 * 3_600_000)
    assert plant.engine.state("r") == "stopped"
    await plant.engine.start("r")
    assert plant.engine.state("r") == "running"


async def test_ranges_limit_when_a_rule_runs(plant: Plant) -> None:
    """Given as times or as timestamps; outside of all of them the rule waits."""
    now = plant.clock.now_ms()
    ranges = ({"beginTimestamp": now + 1000, "endTimestamp": now + 2000}, {"begin": "2030-01-01 00:00:00", "end": "2030-01-02 00:00:00"})
    await plant.run(rule(cron_datetime_range=ranges))
    states = []
    for step in (0, 1000, 999, 1):
        await plant.clock.advance(step)
        states.append(plant.engine.state("r"))
    assert states == [WAITING, "running", "running", WAITING]
    await plant.clock.advance(ms("2030-01-01 00:00") - plant.clock.now_ms())
    assert plant.engine.state("r") == "running"


async def test_a_duration_alone_ends_a_run(plant: Plant) -> None:
    """The rule is stopped, not waiting."""
    await plant.run(rule(duration=5000))
    await plant.clock.advance(4999)
    assert plant.engine.state("r") == "running"
    await plant.clock.advance(1)
    assert (plant.status()["status"], plant.status()["message"]) == ("stopped", "duration terminated")


async def test_a_cron_without_duration_changes_nothing(plant: Plant) -> None:
    """As in the original."""
    await plant.run(rule(cron="0 0 1 1 *"))
    assert plant.engine.state("r") == "running"
    assert plant.status()["nextStartTimestamp"] == 0
