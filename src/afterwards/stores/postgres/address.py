"""Where a store's database is, by its URL, and how it is told to a person: never with a password."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from afterwards.errors import UnsupportedURL

FORM = "postgresql://user:password@host:5432/database"

_LOOPBACK = {"localhost", "127.0.0.1", "::1", "[::1]"}
_YES, _NO = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}
_PORTS = re.compile(r"(\d{1,5})?(,(\d{1,5})?)*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What a URL says. `pooled`: a pooler in transaction mode stands between, so that no session is ours.

    `ssl` is False where nobody could listen; None leaves it to the URL and the driver. `target` is which of several
    hosts is wanted.
    """

    dsn: str
    description: str
    pooled: bool
    ssl: bool | None
    target: str | None


def address_of(url: str) -> Address:
    """Raises UnsupportedURL, in words and without the password, for a URL that cannot be one."""
    parts = _split(url)
    options = parse_qsl(parts.query, keep_blank_values=True)
    names = {name for name, _ in options}
    hosts = _hosts(parts)
    ours = [(name, value) for name, value in options if name != "pooled"]
    dsn = urlunsplit(("postgresql", parts.netloc, parts.path, urlencode(ours), ""))
    return Address(
        dsn=dsn,
        description=_description(parts, dict(options)),
        pooled=_pooled(dict(options).get("pooled", "no")),
        ssl=False if "sslmode" not in names and hosts and set(hosts) <= _LOOPBACK else None,
        target="read-write" if len(hosts) > 1 and "target_session_attrs" not in names else None,
    )


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UnsupportedURL(f"this is not a URL of the form {FORM}: are the brackets in it closed?") from error
    if parts.fragment or "#" in url:
        raise UnsupportedURL(f"a '#' in a postgresql:// URL begins no part of it: in a password write %23 ({FORM})")
    places = parts.netloc.rpartition("@")[2]
    if "@" in parts.netloc.rpartition("@")[0]:
        raise UnsupportedURL(f"there are two '@' before the host: in a password write %40 ({FORM})")
    if not _PORTS.fullmatch(",".join(_port(place) for place in places.split(","))):
        raise UnsupportedURL(f"the port in a postgresql:// URL is a number: {FORM}; in a password write / as %2F")
    return parts


def _port(place: str) -> str:
    return place.rpartition("]")[2].partition(":")[2]


def _hosts(parts: SplitResult) -> list[str]:
    places = parts.netloc.rpartition("@")[2]
    return [place.removesuffix(f":{_port(place)}").lower() for place in places.split(",")] if places else []


def _pooled(value: str) -> bool:
    if value.lower() in _YES:
        return True
    if value.lower() in _NO:
        return False
    raise UnsupportedURL("the option `pooled` of a postgresql:// URL is true or false")


def _description(parts: SplitResult, options: dict[str, str]) -> str:
    database = unquote(parts.path[1:]) or options.get("dbname") or options.get("database")
    place = unquote(parts.netloc.rpartition("@")[2]) or options.get("host") or "the host that PGHOST or the system says"
    return f"PostgreSQL database {database} on {place}" if database else f"PostgreSQL on {place}"
