"""SQL connector without a database: addresses, query templates, values."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest

from plutino.connectors.sql.database import bound_value, engine_address, shown, value_of
from plutino.connectors.sql.template import SqlTemplate
from plutino.errors import PlutinoError, ProvisionError
from plutino.model.moment import set_zone


@pytest.mark.parametrize(
    ("dburl", "address"),
    [
        ("mysql://u:p@h:3306/db?charset=utf8mb4&parseTime=true&loc=Local", "mysql+pymysql://u:p@h:3306/db?charset=utf8mb4"),
        ("postgres://u:p@h/db?sslmode=disable", "postgresql+psycopg://u:p@h/db?sslmode=disable"),
        ("sqlserver://u:p@h/db", "mssql+pymssql://u:p@h/db"),
        ("sqlite:plant.db", "sqlite:////data/plant.db"),
        ("sqlite:///var/plant.db", "sqlite:////var/plant.db"),
        ("sqlite://plant.db?mode=ro", "sqlite:////data/plant.db"),
        ("sqlite::memory:", "sqlite://"),
        ("cockroachdb+psycopg://u@h/db", "cockroachdb+psycopg://u@h/db"),
    ],
)
def test_addresses_of_the_original_name_our_drivers(dburl: str, address: str) -> None:
    """Schemes, drivers, files below the data folder, and the parameters that only the original's drivers know."""
    found, _ = engine_address(dburl, lambda path: path if path.startswith("/") else f"/data/{path}")
    assert found == address


@pytest.mark.parametrize("dburl", ["", "plant.db", ":x"])
def test_what_is_no_address_is_refused(dburl: str) -> None:
    """When the table, source or sink is made."""
    with pytest.raises(ProvisionError, match="dburl"):
        engine_address(dburl, str)


def test_passwords_do_not_show() -> None:
    """In errors and logs."""
    assert shown("mysql://u:p:q@h/db") == "mysql://u:***@h/db"


@pytest.mark.parametrize(
    ("text", "statement", "names"),
    [
        ("select * from t where id = {{.id}}", "select * from t where id = :p0", ["id"]),
        ("where a = '{{ .a }}' and b={{.b}} or c = {{.a}}", "where a = :p0 and b=:p1 or c = :p0", ["a", "b"]),
        ("where x = 'it''s: {' and t > '10:00'", "where x = 'it''s\\: {' and t > '10\\:00'", []),
        ("select a::int from t where id={{.id}}", "select a\\:\\:int from t where id=:p0", ["id"]),
    ],
)
def test_placeholders_become_parameters(text: str, statement: str, names: list[str]) -> None:
    """Whatever quotes stand around them; colons of the statement are none."""
    template = SqlTemplate(text)
    assert template.statement == statement
    assert template.names == names


@pytest.mark.parametrize("text", ["where a like '%{{.a}}%'", "where a = {{if .a}}1{{end}}", "where a = {{.a | upper}}"])
def test_anything_else_in_a_template_is_refused(text: str) -> None:
    """As a value would become part of the statement."""
    with pytest.raises(ProvisionError, match="may only stand alone"):
        SqlTemplate(text)


def test_a_template_wants_all_its_values() -> None:
    """By name."""
    template = SqlTemplate("where a = {{.a}} and b = {{.b}}")
    assert template.parameters({"a": 1.0, "b": "x"}) == {"p0": 1, "p1": "x"}
    with pytest.raises(PlutinoError, match=r"templateSql: no value for b; a is known"):
        template.parameters({"a": 1})


def test_values_come_in_kinds_of_the_dialect() -> None:
    """Decimals, dates without a zone, ids."""
    set_zone("UTC")
    values: list[Any] = [1, 1.5, True, None, "x", b"y", Decimal("2.5"), memoryview(b"z"), UUID(int=1), time(1, 2)]
    assert [value_of(v) for v in values] == [1, 1.5, True, None, "x", b"y", 2.5, b"z", str(UUID(int=1)), "01:02:00"]
    assert value_of(datetime(2024, 1, 2, 3)) == datetime(2024, 1, 2, 3, tzinfo=UTC)
    assert value_of(date(2024, 1, 2)) == datetime(2024, 1, 2, tzinfo=UTC)


def test_whole_floats_are_bound_as_integers() -> None:
    """Numbers of schemaless streams find integer keys."""
    assert [type(bound_value(v)) for v in (1.0, 1.5, 1, True, "1")] == [int, float, int, bool, str]
