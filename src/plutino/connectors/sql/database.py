"""Databases: addresses as the original writes them, one pool of connections, values in the dialect's kinds.

SQLAlchemy speaks to the drivers in threads of its own, as most of them block; it is imported when a database is opened.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, TypeVar
from urllib.parse import parse_qsl, urlencode
from uuid import UUID

from msgspec import Struct

from plutino.errors import DeliveryError, PlutinoError, ProvisionError, TransportError, UnsupportedError
from plutino.model.moment import local_zone
from plutino.spi import SinkContext, SourceContext
from plutino.spi.options import Opt

if TYPE_CHECKING:
    import sqlalchemy

R = TypeVar("R")

THREADS = 4
"""Statements of one database at the same time."""

CONNECT_SECONDS = 5

_DIALECTS = {
    "mysql": "mysql+pymysql",
    "mariadb": "mysql+pymysql",
    "my": "mysql+pymysql",
    "postgres": "postgresql+psycopg",
    "postgresql": "postgresql+psycopg",
    "pg": "postgresql+psycopg",
    "pgsql": "postgresql+psycopg",
    "sqlserver": "mssql+pymssql",
    "mssql": "mssql+pymssql",
    "ms": "mssql+pymssql",
    "oracle": "oracle+oracledb",
    "or": "oracle+oracledb",
}
"""Schemes of the original, with the drivers used here."""

_SQLITE = ("sqlite", "sqlite3", "sq", "file")
_PARAMETERS = {"mysql+pymysql": ("charset", "unix_socket")}
"""Parameters that a driver takes over from addresses written for the original's driver; None: all."""

_PASSWORD = re.compile(r"(://[^:/@]*:)[^@]*@")


class SqlOptions(Struct, frozen=True, rename="camel"):
    """What every role needs to reach a database."""

    dburl: Annotated[
        str,
        Opt(
            "Address of the database, mysql://user:password@host:3306/name",
            "Database URL",
            aliases=("url",),
            secret=True,
            required=True,
            check=check_address,
        ),
    ] = ""


class Database:
    """A pool of connections; statements run in threads, a few at a time. Implements ``spi.Connection``."""

    def __init__(self, id: str, options: SqlOptions, context: SourceContext | SinkContext) -> None:
        self._address, self._connect_args = engine_address(options.dburl, context.allow_file)
        self._shown = shown(options.dburl)
        self._engine: sqlalchemy.Engine | None = None
        self._threads: ThreadPoolExecutor | None = None

    @property
    def dialect(self) -> str:
        """``sqlite``, ``mysql``, ``postgresql`` …"""
        return self._address.partition(":")[0].partition("+")[0]

    async def open(self) -> None:
        """Connect once; TransportError when the database does not answer, DeliveryError when it refuses us."""
        await self.run(lambda connection: None)

    async def ping(self) -> None:
        """Connect, or use a connection that is there."""
        await self.open()

    async def wait_lost(self) -> str:
        """Never returns: connections of the pool come and go by themselves."""
        await asyncio.get_running_loop().create_future()
        raise AssertionError("nobody fulfils this future")

    async def close(self) -> None:
        """Close all connections, after the statements that run."""
        engine, threads = self._engine, self._threads
        self._engine = self._threads = None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown)
        if engine is not None:
            await asyncio.to_thread(engine.dispose)

    async def run(self, work: Callable[[sqlalchemy.Connection], R]) -> R:
        """Do work with a connection, in one transaction and in a thread; errors of the database as ours."""
        engine, threads = self._opened()
        return await asyncio.get_running_loop().run_in_executor(threads, self._work, engine, work)

    def _work(self, engine: sqlalchemy.Engine, work: Callable[[sqlalchemy.Connection], R]) -> R:
        import sqlalchemy.exc as faults

        try:
            with engine.begin() as connection:
                return work(connection)
        except faults.SQLAlchemyError as error:
            raise self._translated(error) from error
        except OSError as error:
            raise TransportError(f"database {self._shown}: {error}") from error

    def _translated(self, error: Any) -> PlutinoError:
        import sqlalchemy.exc as faults

        text = f"database {self._shown}: {_reason(error)}"
        lost = isinstance(error, faults.DBAPIError) and error.connection_invalidated
        unreachable = isinstance(error, faults.OperationalError | faults.InterfaceError | faults.TimeoutError)
        if unreachable and self.dialect == "sqlite" and not re.search(r"locked|busy|unable to open", str(error)):
            unreachable = False  # SQLite calls a table that does not exist an operational error
        return TransportError(text) if lost or unreachable else DeliveryError(text)

    def _opened(self) -> tuple[sqlalchemy.Engine, ThreadPoolExecutor]:
        if self._engine is None or self._threads is None:
            self._engine = _engine(self._address, self._connect_args)
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="plutino-sql")
        return self._engine, self._threads


class Reach:
    """How a role reaches its database: through the shared connection of the engine where there is one, else through its own."""

    def __init__(self, options: SqlOptions, context: SourceContext | SinkContext) -> None:
        engine_address(options.dburl, context.allow_file)  # refuses what cannot be one
        self._options = options
        self._context = context
        self._own: Database | None = None

    @property
    def database(self) -> Database:
        """The database; TransportError while the shared connection is not there."""
        shared = self._context.connection()
        if isinstance(shared, Database):
            return shared
        if self._own is None:
            self._own = Database("", self._options, self._context)
        return self._own

    async def close(self) -> None:
        """Close what is its own."""
        own, self._own = self._own, None
        if own is not None:
            await own.close()


def engine_address(dburl: str, allow_file: Callable[[str], str]) -> tuple[str, dict[str, Any]]:
    """SQLAlchemy's address of a database and the arguments for its driver; ProvisionError when there is no address."""
    if not dburl:
        raise ProvisionError("dburl should be defined")
    check_address(dburl)
    scheme, _, rest = dburl.partition(":")
    scheme = scheme.lower()
    if scheme in _SQLITE:
        path = rest.removeprefix("//").partition("?")[0]
        if path in ("", ":memory:"):
            return "sqlite://", {}
        return f"sqlite:///{allow_file(path)}", {"timeout": CONNECT_SECONDS}
    driver = _DIALECTS.get(scheme, scheme)
    place, _, query = rest.partition("?")
    kept = _PARAMETERS.get(driver)
    pairs = [(k, v) for k, v in parse_qsl(query) if kept is None or k in kept]
    timeout = "timeout" if driver.startswith("mssql") else "connect_timeout"
    args = {timeout: CONNECT_SECONDS} if driver.startswith(("mysql", "postgresql", "mssql")) else {}
    return f"{driver}:{place}" + (f"?{urlencode(pairs)}" if pairs else ""), args


def check_address(dburl: str) -> None:
    """ProvisionError for what is no address at all."""
    scheme, colon, _ = dburl.partition(":")
    if not colon or not scheme:
        raise ProvisionError(f"dburl {shown(dburl)}: <scheme>://<user>:<password>@<host>/<database> is expected")


def shown(dburl: str) -> str:
    """An address without its password."""
    return _PASSWORD.sub(r"\1***@", dburl)


def _engine(address: str, connect_args: dict[str, Any]) -> sqlalchemy.Engine:
    try:
        import sqlalchemy as library
    except ImportError as error:
        raise UnsupportedError("sql: SQLAlchemy is not installed; install it with: pip install 'plutino[sql]'") from error
    try:
        return library.create_engine(address, pool_size=THREADS, pool_pre_ping=True, connect_args=connect_args)
    except ImportError as error:
        name = error.name or str(error)
        raise UnsupportedError(f"sql: the driver {name} is not installed; install it with: pip install {name}") from error
    except library.exc.ArgumentError as error:
        raise ProvisionError(f"dburl {shown(address)}: {error}") from error


def _reason(error: Any) -> str:
    """The driver's own words, without SQLAlchemy's statement and link."""
    original = getattr(error, "orig", None)
    return str(original if original is not None else error).split("\n", 1)[0]


# --- values -----------------------------------------------------------------------------------------------------------------------------


def row_of(mapping: Mapping[Any, Any]) -> dict[str, Any]:
    """A row of a result in the dialect's kinds."""
    return {str(name): value_of(value) for name, value in mapping.items()}


def value_of(value: Any) -> Any:
    """A database value in the dialect's kinds: decimals are floats, dates are datetimes of the server's zone, times and ids are texts."""
    match value:
        case None | bool() | int() | float() | str() | bytes() | list() | dict():
            return value
        case Decimal():
            return float(value)
        case datetime():
            return value if value.tzinfo is not None else value.replace(tzinfo=local_zone())
        case date():
            return datetime.combine(value, time(), local_zone())
        case memoryview() | bytearray():
            return bytes(value)
        case time() | timedelta() | UUID():
            return str(value)
        case _:
            return str(value)


def bound_value(value: Any) -> Any:
    """A dialect value as a bound parameter: whole floats are integers, so that they find integer keys by their index."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**63:
        return int(value)
    return str(value) if isinstance(value, list | dict) else value


def table_of(name: str, columns: Sequence[str]) -> sqlalchemy.TableClause:
    """A table by its name, which may have a schema in front."""
    import sqlalchemy as library

    schema, _, plain = name.rpartition(".")
    return library.table(plain, *(library.column(c) for c in columns), schema=schema or None)
