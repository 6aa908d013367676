"""One Redis client for all roles: options of an address, errors in our words, and the library imported when it is used."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

from plutino.errors import DeliveryError, PlutinoError, ProvisionError, TransportError, UnsupportedError
from plutino.spi.secrets import without_user

if TYPE_CHECKING:
    import redis.asyncio

DEFAULT_PORT = 6379
_LONGEST_PORT = 5
TIMEOUT_SECONDS = 5.0
"""For connecting, and for each answer."""

DATABASES = 16


class RedisClient:
    """A pool of connections to one database; connects when it is asked for the first time."""

    def __init__(self, address: str, username: str, password: str, database: int) -> None:
        self._host, self._port = split_address(address)
        self._username = username
        self._password = password
        self._database = database
        self._client: redis.asyncio.Redis | None = None

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self._host}:{self._port}"

    async def open(self) -> None:
        """Connect and check that the server answers; TransportError when it does not, DeliveryError when it refuses us."""
        client = self.commands
        with translated(self.address):
            await client.ping()

    async def close(self) -> None:
        """Close all connections."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    @property
    def commands(self) -> redis.asyncio.Redis:
        """The client of the library; UnsupportedError where it is not installed."""
        if self._client is None:
            library = _library()
            self._client = library.Redis(
                host=self._host,
                port=self._port,
                db=self._database,
                username=self._username or None,
                password=self._password or None,
                socket_timeout=TIMEOUT_SECONDS,
                socket_connect_timeout=TIMEOUT_SECONDS,
                retry=None,
            )
        return self._client

    async def run(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        """The answers to several commands sent at once; a refused one has its DeliveryError as its answer."""
        client = self.commands
        with translated(self.address):
            pipeline = client.pipeline(transaction=False)
            for command in commands:
                pipeline.execute_command(*command)
            answers = await pipeline.execute(raise_on_error=False)
        return [_checked(answer, self.address) for answer in answers]


@contextmanager
def translated(address: str) -> Iterator[None]:
    """Errors of the library as TransportError where a retry may help, else as DeliveryError."""
    import redis.exceptions as faults

    try:
        yield
    except (faults.AuthenticationError, faults.AuthorizationError, faults.NoPermissionError) as error:
        raise DeliveryError(f"redis {address}: {error}") from error
    except (faults.ConnectionError, faults.TimeoutError, OSError) as error:
        raise TransportError(f"dial tcp {address}: {_reason(error)}") from error
    except faults.RedisError as error:
        raise DeliveryError(f"redis {address}: {error}") from error


class Reachable(Protocol):
    """What can be connected once."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...


async def ping_server(client: Reachable) -> None:
    """Connect once and close; whatever is wrong has the general code on the wire."""
    try:
        await client.open()
    except PlutinoError as error:
        error.code = PlutinoError.code
        raise
    finally:
        await client.close()


def split_address(address: str) -> tuple[str, int]:
    """Host and port of ``host:port``; ProvisionError when it is none."""
    host, colon, port = address.strip().rpartition(":")
    if not colon or port.endswith("]"):
        host, port = address.strip(), str(DEFAULT_PORT)
    if not (port.isascii() and port.isdigit() and len(port) <= _LONGEST_PORT) or not 0 < int(port) < 65536:
        raise ProvisionError(f"redis address {without_user(address)}; host:port is expected")
    return host.strip("[]") or "127.0.0.1", int(port)


def check_database(database: int, role: str) -> int:
    """The number of a database; ProvisionError with the compatible text when there is none."""
    if not 0 <= database < DATABASES:
        raise ProvisionError(f"{role} db should be in range 0-{DATABASES - 1}")
    return database


def _library() -> Any:
    try:
        import redis.asyncio as library
    except ImportError as error:
        raise UnsupportedError("redis: its client library is not installed; install it with: pip install 'plutino[redis]'") from error
    return library


def _checked(answer: Any, address: str) -> Any:
    if not isinstance(answer, Exception):
        return answer
    try:
        with translated(address):
            raise answer
    except PlutinoError as error:
        return error


def _reason(error: BaseException) -> str:
    text = str(error)
    cause = error.__cause__ or error.__context__
    if isinstance(error, ConnectionRefusedError) or isinstance(cause, ConnectionRefusedError) or "refused" in text:
        return "connect: connection refused"
    return text or type(error).__name__
