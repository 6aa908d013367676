"""One-off rules: ``plutino run`` with files, pipes and endless sources."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import pytest

from e2e.command_line import PROGRAM, environment, plutino, start

ROWS = '{"a":1}\n{"a":2}\n{"a":3}\n'


def test_standard_input_to_standard_output() -> None:
    """Each line is a message, each result a line; big integers come through untouched."""
    found = plutino("run", "-e", "SELECT * FROM s WHERE a > 1", "--stdin", "s", stdin=ROWS + '{"a":12345678901234567890}').stdout
    assert found == '{"a":2}\n{"a":3}\n{"a":12345678901234567890}\n'


CSV = r"""
CREATE STREAM items () WITH (TYPE="file", DATASOURCE="items.csv", FORMAT="json",
  EXTRA="{\"path\":\".\",\"fileType\":\"csv\",\"hasHeader\":true}");
SELECT name, cast(price, "float") * 2 AS double FROM items;
"""


def test_file_of_statements(tmp_path: Path) -> None:
    """Streams on files beside the caller; the statements from a file or a pipe."""
    (tmp_path / "items.csv").write_text("name,price\npen,3\nlamp,40\n")
    (tmp_path / "q.sql").write_text(CSV)
    expected = '{"name":"pen","double":6}\n{"name":"lamp","double":80}\n'
    assert plutino("run", "q.sql", folder=tmp_path).stdout == expected
    assert plutino("run", "-", folder=tmp_path, stdin=CSV).stdout == expected


def test_format_of_standard_input() -> None:
    """A stream that the statements define may read standard input, in its own format."""
    stream = 'CREATE STREAM s () WITH (DATASOURCE="t", FORMAT="delimited", DELIMITER=";");'
    sql = stream + 'SELECT col1 AS b, cast(col0, "bigint") + 1 AS c FROM s'
    assert plutino("run", "-e", sql, "--stdin", "s", stdin="1;x\n2;y\n").stdout == '{"b":"x","c":2}\n{"b":"y","c":3}\n'


def test_windows_over_event_time() -> None:
    """Rule options count here too."""
    sql = (
        'CREATE STREAM s (a BIGINT, ts BIGINT) WITH (DATASOURCE="t", FORMAT="json", TIMESTAMP="ts"); '
        "SELECT count(*) AS n FROM s GROUP BY TUMBLINGWINDOW(ss, 1)"
    )
    rows = "".join(json.dumps({"a": i, "ts": i * 400}) + "\n" for i in range(12))
    options = '{"isEventTime": true, "lateTolerance": 0}'
    found = [
        json.loads(line)["n"] for line in plutino("run", "-e", sql, "--stdin", "s", "--options", options, stdin=rows).stdout.splitlines()
    ]
    assert found[:3] == [3, 2, 3]


def test_rows_that_fail_are_told() -> None:
    """Good rows come out, bad ones are counted, and the exit code says so."""
    result = plutino("run", "-e", "SELECT a + 1 AS b FROM s", "--stdin", "s", stdin='{"a":1}\n{bad\n{"a":"x"}\n', code=1)
    assert result.stdout == '{"b":2}\n'
    assert result.stderr.startswith("error: 2 rows failed; the last error: ")
    assert result.stderr.count("\n") == 1


def test_a_window_that_stays_open_is_told() -> None:
    """No results and no word would look like rows that were filtered out."""
    open_still = plutino("run", "-e", "SELECT count(*) AS n FROM s GROUP BY COUNTWINDOW(3)", "--stdin", "s", stdin='{"a":1}\n{"a":2}\n')
    assert (open_still.stdout, open_still.stderr[:48]) == ("", "note: no results: the window was still open when")
    closed = plutino("run", "-e", "SELECT count(*) AS n FROM s GROUP BY COUNTWINDOW(2)", "--stdin", "s", stdin='{"a":1}\n{"a":2}\n')
    assert (closed.stdout, closed.stderr) == ('{"n":2}\n', "")
    assert plutino("run", "-e", "SELECT a FROM s WHERE a > 5", "--stdin", "s", stdin='{"a":1}\n').stderr == ""


def test_likely_mistakes_are_told() -> None:
    """What is right, and means something else than it seems to; results come all the same."""
    result = plutino("run", "-e", 'SELECT "a" FROM s WHERE a != NULL OR a > 0', "--stdin", "s", stdin='{"a":1}\n')
    assert result.stdout == '{"kuiper_field_0":"a"}\n'
    assert result.stderr.splitlines() == [
        "warning: sql: NULL: read as a column of that name; null is asked for with IS NULL",
        'warning: sql: "a": a text, the same in every row; if the column is meant, leave out the quotes',
    ]


def test_count_ends_an_endless_source() -> None:
    """--count is enough for a source without an end."""
    sql = 'CREATE STREAM s () WITH (TYPE="simulator", EXTRA="{\\"interval\\":10}"); SELECT temperature FROM s'
    assert plutino("run", "-e", sql, "--count", "3").stdout.count("\n") == 3


def test_ctrl_c_is_a_normal_end() -> None:
    """An endless rule ends when it is told to."""
    sql = 'CREATE STREAM s () WITH (TYPE="simulator", EXTRA="{\\"interval\\":10}"); SELECT temperature FROM s'
    with start("run", "-e", sql) as process:
        assert process.stdout is not None
        assert "temperature" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        process.stdout.read()
        assert process.stderr.read() == ""
        assert process.wait(20) == 0


def test_reader_that_leaves_is_a_normal_end(tmp_path: Path) -> None:
    """`plutino run ... | head -1` ends quietly, however much is left to read."""
    (tmp_path / "big.jsonl").write_text(ROWS * 100_000)
    program = f"""'{PROGRAM[0]}' -c '{PROGRAM[2]}' run -e 'SELECT a FROM s' --stdin s < big.jsonl | head -1"""
    result = subprocess.run(
        ["sh", "-c", program], cwd=tmp_path, env=environment(None), capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.stdout, result.stderr) == ('{"a":1}\n', "")


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        ((), 2, "error: Give a FILE or --execute SQL; see 'plutino run --help'\n"),
        (("-e", "SELECT a FROM s WHERE", "--stdin", "s"), 1, "error: SQL line 1, column "),
        (("-e", "SELECT a FROM nowhere"), 1, "error: fail to get stream nowhere, please check if stream is created\n"),
        (("-e", "SELECT nope(a) FROM s", "--stdin", "s"), 1, "error: Invalid rule json: Parse SQL "),
        (("-", "--stdin", "s"), 2, "error: standard input cannot hold both "),
        (("-e", "SELECT a FROM s", "--stdin", "s", "--options", "[]"), 2, "error: --options '[]' is no JSON object"),
        (("-e", 'CREATE STREAM s () WITH (TYPE="httppush", DATASOURCE="/s"); SELECT a FROM s'), 1, "error: the rule failed: "),
        (("none.sql",), 2, "error: cannot read none.sql: No such file or directory\n"),
    ],
)
def test_what_cannot_run(arguments: tuple[str, ...], code: int, text: str) -> None:
    """One line on stderr says what is wrong, and where; a statement is shown below it, indented."""
    result = plutino("run", *arguments, code=code)
    assert result.stdout == ""
    assert result.stderr.startswith(text)
    assert all(line.startswith("  ") for line in result.stderr.splitlines()[1:])
