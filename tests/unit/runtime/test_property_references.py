"""Rules with references in their properties: read when they start, again when they start again, and never told."""

from __future__ import annotations

from pathlib import Path

import pytest

from plutino.errors import AccessError, TransportError
from plutino.runtime import check_feed, check_sink
from plutino.runtime.references import LONGEST, References
from plutino.spi import Registry, RuleOptions
from plutino.spi.access import Access
from unit.runtime.plant import Plant, action, feed, rule
from unit.runtime.scripted import Script


async def test_sources_and_sinks_get_what_references_stand_for(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is resolved when the rule starts; numbers become numbers, and two rules still share a feed."""
    monkeypatch.setenv("PLANT_TOPIC", "o/x")
    monkeypatch.setenv("PLANT_SIZE", "7")
    read = feed(datasource="${env:PLANT_TOPIC}", properties={"server": "${env:PLANT_TOPIC}", "bufferLength": "${env:PLANT_SIZE}"})
    write = action("topic", topic="${env:PLANT_TOPIC}/{{.a}}", bufferLength="${env:PLANT_SIZE}", sendSingle=True)
    await plant.run(rule(Script(lambda row: {"a": row["a"]}), feeds=[read], sinks=[write]))
    await plant.run(rule(name="other", feeds=[read]))
    assert plant.status()["status"] == "running"
    assert len(plant.sources["o/x"]) == 1
    plant.source("o/x").offer({"a": 1})
    assert plant.sink("r", "topic_0").properties == [{"topic": "o/x/1"}]
    assert plant.engine.readers("s") == ("r", "other")


async def test_a_missing_variable_is_an_error_of_the_rule(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """It says which, and the rule runs once it is there and the rule is started again."""
    monkeypatch.delenv("PLANT_MISSING", raising=False)
    await plant.run(rule(sinks=[action("plain", x="${env:PLANT_MISSING}")]))
    assert plant.status()["status"] == "stopped by error"
    assert plant.status()["message"] == (
        "reference ${env:PLANT_MISSING}: no such variable in the environment of the server; set PLANT_MISSING before it starts"
    )
    monkeypatch.setenv("PLANT_MISSING", "here")
    await plant.engine.start("r")
    await plant.settle()
    assert plant.status()["status"] == "running"


async def test_files_are_read_each_time_a_rule_starts(plant: Plant, tmp_path: Path) -> None:
    """So a password that was changed in a file is picked up; the line end is no part of it."""
    path = tmp_path / "pw"
    path.write_text("first-password\n")
    await plant.run(rule(sinks=[action("plain", secret=f"${{file:{path}}}")]))
    path.write_text("second-password\r\n")
    await plant.engine.start("r")
    await plant.settle()
    assert "second-password" in plant.engine.secret_values()
    path.unlink()
    await plant.engine.start("r")
    await plant.settle()
    assert plant.status()["message"] == f"reference ${{file:{path}}}: no such file or directory; a file with the value is expected"


async def test_no_secret_is_told_by_status_or_errors(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a connector quotes: what references stand for, declared and guessed secrets, passwords in addresses."""
    monkeypatch.setenv("PLANT_PW", "from-the-environment")
    await plant.run(rule(sinks=[action("plain", password="under-its-own-name", url="http://u:inside-an-address@h", x="${env:PLANT_PW}")]))
    sink = plant.sink()
    quoted = "cannot log in with under-its-own-name, inside-an-address and from-the-environment"
    sink.faults = [TransportError(quoted)] * 5
    plant.source().offer({"a": 1})
    await plant.settle()
    told = [str(plant.status()), str(plant.engine.summary()), str(plant.engine.errors("r"))]
    assert "cannot log in with ******, ****** and ******" in told[0]
    for text in told:
        for secret in ("under-its-own-name", "inside-an-address", "from-the-environment"):
            assert secret not in text


async def test_connections_are_shown_with_their_references(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """They get the value, and show where it comes from; their errors do not tell it."""
    monkeypatch.setenv("PLANT_SERVER", "secret-server-name")
    await plant.engine.connect("c1", "kept", {"server": "${env:PLANT_SERVER}"})
    await plant.settle()
    [connection] = plant.connections["c1"]
    connection.faults = [TransportError("no route to secret-server-name")]
    assert connection.lost is not None
    connection.lost.set_result("gone")
    await plant.settle()
    [shown] = plant.engine.connections(False)
    assert shown["props"] == {"server": "${env:PLANT_SERVER}"}
    assert shown["err"] == "no route to ******"


def test_what_may_be_read_follows_the_access_rules(tmp_path: Path) -> None:
    """Without external files only uploads and variables that were made for configurations."""
    (tmp_path / "uploads").mkdir()
    (tmp_path / "uploads" / "pw").write_text("uploaded")
    (tmp_path / "other").write_text("x" * (LONGEST + 1))
    access = Access(str(tmp_path), external_files=False)
    closed = References(Registry(), access.file, access.variable, {"HOME": "/root", "PLUTINO_PW": "mine"})
    given = {"a": "${file:uploads/pw}", "b": "${env:PLUTINO_PW}"}
    assert closed.properties((), given) == {"a": "uploaded", "b": "mine"}
    for refused in ("${file:other}", "${file:/etc/passwd}", "${file:uploads/../other}", "${env:HOME}"):
        with pytest.raises(Exception, match="access denied"):
            closed.properties((), {"a": refused})
    with pytest.raises(AccessError):
        access.variable("HOME")
    opened = References(Registry(), Access(str(tmp_path)).file, Access(str(tmp_path)).variable, {})
    for name, reason in (("other", "at most"), ("uploads", "not a regular file"), ("none", "no such file")):
        with pytest.raises(Exception, match=reason):
            opened.properties((), {"a": f"${{file:{name}}}"})


async def test_checks_do_not_look_at_the_world(plant: Plant) -> None:
    """A rule may be stored on a machine where nothing of what it refers to is there."""
    registry = plant.engine._facilities.registry
    check_sink(action("topic", topic="${env:NOWHERE}", bufferLength="${file:/nowhere}", sendSingle="${env:NOWHERE}"), registry)
    check_feed(feed(properties={"server": "${env:NOWHERE}", "interval": "${env:NOWHERE}"}), RuleOptions(), registry)
