"""Databases in all roles: ``sql`` lookup tables, sources that ask for what is new, and sinks.

``database`` addresses, connections and values; ``template`` queries of one's own; ``lookup``, ``source`` and ``sink`` the roles. Needs the
extra ``plutino[sql]``: MySQL, PostgreSQL and SQLite; drivers of other databases that SQLAlchemy knows can be installed beside it.
"""

from __future__ import annotations

from plutino.connectors.sql.database import Database, Reach, SqlOptions
from plutino.connectors.sql.lookup import SqlLookup, SqlLookupOptions
from plutino.connectors.sql.sink import SqlSink, SqlSinkOptions
from plutino.connectors.sql.source import SqlSource, SqlSourceOptions
from plutino.spi import ConnectionSpec, ConnectorSpec, Datasource, Example, LookupSpec, SinkContext, SinkSpec, SourceContext, SourceSpec

Options = SqlSourceOptions | SqlSinkOptions | SqlLookupOptions | SqlOptions


async def _ping(options: Options, datasource: str, context: SourceContext) -> None:
    await _reach(Reach(_address(options), context))


async def _ping_sink(options: Options, context: SinkContext) -> None:
    await _reach(Reach(_address(options), context))


def _address(options: Options) -> SqlOptions:
    return options if isinstance(options, SqlOptions) else options.database


def _share_key(options: Options) -> str | None:
    """Everything that speaks to one database shares its connections."""
    return _address(options).dburl or None


async def _reach(reach: Reach) -> None:
    try:
        await reach.database.open()
    finally:
        await reach.close()


_LOCAL = "sqlite:data/plant.db"

CONNECTOR = ConnectorSpec(
    name="sql",
    about="Tables of SQL databases",
    source=SourceSpec(
        options=SqlSourceOptions,
        create=SqlSource,
        delivers="rows",
        ping=_ping,
        datasource=Datasource("Data source", "Not used"),
        examples=(
            Example(
                "new orders every ten seconds",
                {
                    "dburl": "mysql://reader:secret@db:3306/plant",
                    "interval": "10s",
                    "internalSqlQueryCfg": {"table": "orders", "limit": 100, "indexFields": [{"indexField": "id", "indexValue": 0}]},
                },
            ),
            Example(
                "a query of one's own",
                {
                    "dburl": _LOCAL,
                    "interval": "1m",
                    "templateSqlQueryCfg": {
                        "templateSql": "SELECT id, name FROM orders WHERE id > {{.id}} ORDER BY id",
                        "indexFields": [{"indexField": "id", "indexValue": 0}],
                    },
                },
            ),
        ),
    ),
    sink=SinkSpec(
        options=SqlSinkOptions,
        create=SqlSink,
        accepts="rows",
        ping=_ping_sink,
        examples=(
            Example("every result as a row", {"dburl": "postgres://writer:secret@db/plant", "table": "alarms"}),
            Example("rows that change rows", {"dburl": _LOCAL, "table": "devices", "rowKindField": "action", "keyField": "id"}),
        ),
    ),
    lookup=LookupSpec(
        options=SqlLookupOptions,
        create=SqlLookup,
        ping=_ping,
        typed=True,
        examples=(
            Example("master data of devices", {"dburl": "mysql://reader:secret@db:3306/plant"}, "devices"),
            Example(
                "a query of one's own",
                {"dburl": _LOCAL, "templateSqlQueryCfg": {"templateSql": "SELECT name FROM devices WHERE id = {{.id}} AND active = 1"}},
            ),
        ),
    ),
    connection=ConnectionSpec(options=SqlOptions, create=Database),
    share_key=_share_key,
)
