"""The log of the process: what is logged, and where lines go."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from plutino.cli.logs import Log
from plutino.errors import PlutinoError


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """The logs of this process are those of pytest again afterwards."""
    level = logging.getLogger().level
    yield
    logging.getLogger().setLevel(level)


def test_the_level_can_be_changed_while_loggers_are_in_use(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also for loggers of libraries, whose chatter below warnings stays out."""
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # those of the test runner
    logs = Log("info", tmp_path)
    log, library = logs.logger(), logging.getLogger("library")
    log.info("one")
    log.debug("no")
    library.info("no")
    library.warning("two")
    logs.set_level("error")
    log.warning("no")
    library.warning("no")
    log.error("three")
    logs.set_debug(True)
    log.debug("four")
    logs.set_debug(False)
    log.info("no")
    written = capsys.readouterr().err
    words = ("one", "two", "three", "four", "no")
    assert [word for word in words if f"event={word}" in written or f"library {word}" in written] == ["one", "two", "three", "four"]


def test_lines_go_where_they_are_wanted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """To the console, to a file, to both or to none."""
    logs = Log("info", tmp_path / "log")
    log = logs.logger()
    assert not (tmp_path / "log").exists()
    for number, (console, file) in enumerate(((True, True), (False, None), (None, False), (True, None))):
        logs.write_to(console=console, file=file)
        log.info(f"line-{number}")
    logs.write_to(console=None, file=False)
    console_lines = capsys.readouterr().err
    assert [n for n in range(4) if f"line-{n}" in console_lines] == [0, 3]
    assert [n for n in range(4) if f"line-{n}" in (tmp_path / "log" / "stream.log").read_text()] == [0, 1]


def test_secrets_are_in_no_line(tmp_path: Path) -> None:
    """The file is held to the same as the console."""
    logs = Log("info", tmp_path)
    log = logs.logger()
    logs.known = lambda: ("hunter22",)
    logs.write_to(console=False, file=True)
    log.error("refused", text="said hunter22 to it", password="hunter33")
    logs.write_to(console=True, file=False)
    assert "hunter" not in (tmp_path / "stream.log").read_text()


def test_a_file_that_cannot_be_written_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The console keeps what it had."""
    (tmp_path / "log").touch()
    logs = Log("info", tmp_path / "log")
    log = logs.logger()
    with pytest.raises(PlutinoError, match="log file"):
        logs.write_to(console=False, file=True)
    log.info("still-here")
    assert "still-here" in capsys.readouterr().err


def test_what_is_logged_can_be_read_by_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line per event, also with a traceback; values are quoted where they have to be."""
    log = Log("info", tmp_path).logger()
    try:
        raise ValueError('a "b" c')
    except ValueError as error:
        log.error("request failed", path="/x", empty=None, yes=True, exc_info=error)
    line = capsys.readouterr().err
    assert line.count("\n") == 1
    assert 'level=error event="request failed" path=/x empty= yes=true exception="Traceback (most recent call last):\\n' in line
    assert line.endswith('ValueError: a \\"b\\" c"\n')
