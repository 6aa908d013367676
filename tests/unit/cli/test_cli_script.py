"""SQL files: statements told apart, the stream of standard input, and where faults are."""

from __future__ import annotations

import pytest

from plutino.cli.output import Failure, Misuse
from plutino.cli.script import read_script

TEXT = """
-- what comes in; not a statement
CREATE STREAM a (x BIGINT) WITH (DATASOURCE="semi;colon", TYPE="file");
CREATE TABLE b () WITH (TYPE="file", DATASOURCE="b.json");
SELECT x, ';' AS y FROM a;
"""


def test_statements_are_told_apart() -> None:
    """Semicolons inside strings and comments separate nothing."""
    script = read_script(TEXT, "f")
    assert script.definitions == {
        ("stream", "a"): 'CREATE STREAM a (x BIGINT) WITH (DATASOURCE="semi;colon", TYPE="file")',
        ("table", "b"): 'CREATE TABLE b () WITH (TYPE="file", DATASOURCE="b.json")',
    }
    assert script.select == "SELECT x, ';' AS y FROM a"


def test_standard_input_takes_the_place_of_a_source() -> None:
    """The named stream reads standard input with its columns and format; an unknown one is made up."""
    text = read_script(TEXT, "f", "a").definitions["stream", "a"]
    assert 'TYPE="stdin"' in text
    assert "x BIGINT" in text.replace("`", "").upper().replace("X", "x")
    made_up = read_script("SELECT * FROM c", "f", "c").definitions
    assert made_up == {("stream", "c"): 'CREATE STREAM `c` () WITH (TYPE="stdin", FORMAT="json")'}


def test_faults_say_where() -> None:
    """Line and column count in the file, not in the statement."""
    with pytest.raises(Failure) as caught:
        read_script("CREATE STREAM a () WITH ();\n\nSELECT x\n  FRM a", "q.sql")
    assert caught.value.message.startswith("q.sql line 4, column ")
    assert caught.value.explanation.split("\n")[:2] == ["  FRM a", "  ^^^"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f holds 0 SELECT statements"),
        ("SELECT 1 FROM a; SELECT 2 FROM a", "f holds 2 SELECT statements"),
        ("DROP STREAM a", "f line 1, column 1: DROP has no place here"),
        ("SHOW STREAMS", "f line 1, column 1: SHOW has no place here"),
    ],
)
def test_other_texts_are_no_scripts(text: str, message: str) -> None:
    """A script has CREATE statements and exactly one SELECT."""
    with pytest.raises(Misuse) as caught:
        read_script(text, "f")
    assert caught.value.message == message
