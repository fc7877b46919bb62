"""Opens a store by its URL. A driver is imported only when its store is asked for."""

from __future__ import annotations

from datetime import timedelta

from afterwards.checkup import Checkup
from afterwards.errors import UnsupportedURL
from afterwards.store import Store

ADD_TIMEOUT = timedelta(seconds=5)

_KNOWN = (
    "sqlite:///relative.db, sqlite:////absolute.db, sqlite:// for a private temporary file, "
    "postgresql://user:password@host:5432/database, redis://host:6379/0 or valkey://host:6379/0 (also rediss:// and "
    "valkeys://, and with +sentinel or +cluster)"
)
_POSTGRES = {"postgresql", "postgres"}
_REDIS = {"redis", "rediss", "valkey", "valkeys"}


def store_for(url: str, *, add_timeout: timedelta = ADD_TIMEOUT, migrate: bool = True) -> Store:
    """The store that `url` names; nothing is opened yet.

    `add_timeout` is how long a write waits for a store that is away or locked. Without `migrate` its schema is left
    as it is, and one that is missing or behind is refused when it is opened. Raises UnsupportedURL, in words and
    without the URL's password, for a URL that names no store of this version.

    Example:
        `store_for("sqlite:///afterwards.db")`
    """
    if _kind(url) in _POSTGRES:
        return _postgres(url, add_timeout, migrate)
    if _kind(url) in _REDIS:
        return _redis(url, add_timeout)
    return _sqlite(_path(url), add_timeout, migrate)


def is_lasting(url: str) -> bool:
    """Whether what is stored there outlives this process. Raises as `store_for` does."""
    if not url.startswith("sqlite:"):
        return True
    from afterwards.stores.sqlite.place import Place

    return not Place(_path(url)).private


def examine(url: str) -> Checkup:
    """What can be said about the store that `url` names without writing anything. Raises as `store_for` does."""
    if _kind(url) in _POSTGRES:
        return _examine_postgres(url)
    if _kind(url) in _REDIS:
        return _examine_redis(url)
    path = _path(url)
    from afterwards.stores.sqlite.checkup import examine as examine_file

    return examine_file(path)


def _sqlite(path: str, add_timeout: timedelta, migrate: bool) -> Store:
    try:
        from afterwards.stores.sqlite.store import SQLiteStore
    except ModuleNotFoundError as error:
        if error.name not in ("sqlite3", "_sqlite3"):
            raise
        raise UnsupportedURL(
            "this Python was built without sqlite3: install your system's package for it (python3-sqlite3, or build "
            "Python where the headers of SQLite are installed), or use another Python"
        ) from error
    return SQLiteStore(path, add_timeout=add_timeout, migrate=migrate)


def _postgres(url: str, add_timeout: timedelta, migrate: bool) -> Store:
    try:
        from afterwards.stores.postgres.store import PostgresStore
    except ModuleNotFoundError as error:
        raise _without_asyncpg(error) from error
    return PostgresStore(url, add_timeout=add_timeout, migrate=migrate)


def _examine_postgres(url: str) -> Checkup:
    try:
        from afterwards.stores.postgres.checkup import examine as examine_database
    except ModuleNotFoundError as error:
        raise _without_asyncpg(error) from error
    return examine_database(url)


def _without_asyncpg(error: ModuleNotFoundError) -> Exception:
    """`error`, if something else is missing."""
    if (error.name or "").partition(".")[0] != "asyncpg":
        return error
    return UnsupportedURL('a store in PostgreSQL needs its driver: pip install "afterwards[postgres]"')


def _redis(url: str, add_timeout: timedelta) -> Store:
    try:
        from afterwards.stores.redis.store import RedisStore
    except ModuleNotFoundError as error:
        raise _without_redis(error) from error
    return RedisStore(url, add_timeout=add_timeout)


def _examine_redis(url: str) -> Checkup:
    try:
        from afterwards.stores.redis.checkup import examine as examine_server
    except ModuleNotFoundError as error:
        raise _without_redis(error) from error
    return examine_server(url)


def _without_redis(error: ModuleNotFoundError) -> Exception:
    """`error`, if something else is missing."""
    if (error.name or "").partition(".")[0] != "redis":
        return error
    return UnsupportedURL('a store in Redis or Valkey needs its driver: pip install "afterwards[redis]"')


def _kind(url: str) -> str:
    """The scheme without what follows a plus; empty where there is none."""
    scheme, separator, _ = url.partition("://")
    return scheme.partition("+")[0] if separator else ""


def _path(url: str) -> str:
    """What follows `sqlite://`: nothing, or a slash and a path."""
    scheme, separator, rest = url.partition("://")
    if not separator:
        raise UnsupportedURL(f"a store's URL begins with its kind, such as {_KNOWN}; this one has no '://'")
    if scheme != "sqlite":
        raise UnsupportedURL(f"no store is known for {scheme}://; there is {_KNOWN}")
    path, _, options = rest.partition("?")
    if options:
        raise UnsupportedURL("a sqlite:// URL takes no options after '?'")
    if path and not path.startswith("/"):
        raise UnsupportedURL(
            f"a sqlite:// URL has three slashes before a relative path, four before an absolute one: {_KNOWN}"
        )
    return path[1:]
