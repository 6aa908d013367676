"""Limits of what is taken in: given as text, in force for the whole process, and held to."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from plutino.catalog.download import read_pieces
from plutino.errors import DefinitionError, OptionError, PlutinoError
from plutino.spi.access import Access
from plutino.spi.archive import archive_limits
from plutino.spi.limits import Limits, check_depth, limits, limits_from, use_limits


@pytest.fixture(autouse=True)
def kept() -> Iterator[None]:
    """Limits of the process are as before afterwards."""
    before = limits()
    yield
    use_limits(before)


def test_limits_are_given_as_text() -> None:
    """With units, in any case, with dashes."""
    found = limits_from({"download": "64MB", "Depth": "20", "archive-entries": "5k", "BODY": "1 GiB", "document": "7"})
    assert found == Limits(download=64 << 20, depth=20, archive_entries=5 << 10, body=1 << 30, document=7)
    assert limits_from({}) == Limits()


@pytest.mark.parametrize(
    ("name", "text"), [("downloads", "1"), ("depth", "0"), ("depth", "-1"), ("depth", "many"), ("depth", ""), ("depth", "1.5")]
)
def test_what_is_no_limit_is_refused(name: str, text: str) -> None:
    """An unknown name says which are known, a wrong size what is expected."""
    with pytest.raises(OptionError, match="is expected"):
        limits_from({name: text})


def test_depth_is_counted_outside_of_strings() -> None:
    """Escaped quotes and broken strings included."""
    use_limits(Limits(depth=3))
    for text in ("[[[]]]", "[" * 3 + '"[[[[[\\"[[["' + "]" * 3, "[],[],[],[],[]", '{"a": {"b": [1]}}', '"[[[[[', ""):
        check_depth("rule r", text)
    for text in ("[[[[]]]]", '{"a":{"b":{"c":{}}}}', "[[[[", '["a",[[["b"]]]]'):
        with pytest.raises(DefinitionError, match="rule r: more than 3 levels deep"):
            check_depth("rule r", text)


def test_deep_texts_are_refused_by_default() -> None:
    """Long before anything could run out of stack."""
    with pytest.raises(DefinitionError):
        check_depth("rule r", "[" * 500 + "]" * 500)
    check_depth("rule r", json.dumps({"rows": [[1, 2]] * 500}))


def test_archives_of_a_kind_may_have_less_but_not_more() -> None:
    """The limits of the process hold in any case."""
    use_limits(Limits(archive_entries=10, archive_entry=100, archive_total=1000))
    assert archive_limits(entries=5, entry=500).entries == 5
    assert archive_limits(entries=5, entry=500).entry == 100
    assert archive_limits().total == 1000


async def test_more_than_was_announced_is_not_read(tmp_path: Path) -> None:
    """Pieces are counted as they come."""
    with pytest.raises(PlutinoError, match="has more than 10 bytes"):
        async for _ in read_pieces("data:," + "x" * 11, Access(str(tmp_path)), 10):
            pass
