"""What the URL of a Redis or Valkey store says: which servers, which keys, how durable, how much history. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qsl, unquote

from afterwards.errors import UnsupportedURL

KNOWN = (
    "redis://host:6379/0, redis+sentinel://host:26379,host2:26379/mymaster/0, redis+cluster://host:6379,host2:6379, "
    "and the same with rediss, valkey or valkeys"
)
SCHEMES = ("redis", "rediss", "valkey", "valkeys")
MOST_ENDED, MOST_BYTES = 250_000, 256 * 1024 * 1024

_WITH_TLS = ("rediss", "valkeys")
_OF_TLS = (
    *("ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_password", "ssl_cert_reqs"),
    "ssl_check_hostname",
)
_OURS = ("tag", "durability", "replicas", "history", "history_bytes", "sentinel_username", "sentinel_password")
_TAG = re.compile(r"[^{}\s\x00]{1,100}")


class Layout(StrEnum):
    """How the servers stand together."""

    STANDALONE = "standalone"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, slots=True)
class Node:
    """Where a server listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who we are there."""

    username: str | None = None
    password: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A store's servers and its keys in them.

    `kind` is what the URL calls them. `nodes` are the servers, the sentinels of the server called `master`, or some of
    the cluster. `fsync`: what is durable is on the disk before it is acknowledged; `replicas`: and on so many others.
    """

    kind: str
    layout: Layout
    nodes: tuple[Node, ...]
    master: str
    database: int
    login: Login
    sentinel_login: Login
    tls: Mapping[str, object] | None
    tag: str
    fsync: bool
    replicas: int
    most_ended: int
    most_bytes: int

    @property
    def description(self) -> str:
        """In words for a person: no password."""
        nodes = ", ".join(map(str, self.nodes))
        keys = f"keys {{{self.tag}}}"
        match self.layout:
            case Layout.STANDALONE:
                return f"{self.kind} at {nodes}, database {self.database}, {keys}"
            case Layout.SENTINEL:
                return f"{self.kind} {self.master} by the sentinels {nodes}, database {self.database}, {keys}"
            case Layout.CLUSTER:
                return f"{self.kind} cluster at {nodes}, {keys}"


def address_of(url: str) -> Address:
    """Raises UnsupportedURL, in words that do not hold the URL's password."""
    scheme, _, rest = url.partition("://")
    scheme, _, form = scheme.partition("+")
    place, _, query = rest.partition("?")
    layout = _layout(form)
    options = _options(query)
    login, hosts, path = _parts(place)
    nodes = tuple(_node(host, 26379 if layout is Layout.SENTINEL else 6379) for host in hosts.split(","))
    if layout is Layout.STANDALONE and len(nodes) > 1:
        raise UnsupportedURL(f"the URL names several servers, but not how they stand together; there is {KNOWN}")
    master, database = _path(layout, path)
    return Address(
        kind="Valkey" if scheme.startswith("valkey") else "Redis",
        layout=layout,
        nodes=nodes,
        master=master,
        database=database,
        login=login,
        sentinel_login=Login(username=options.get("sentinel_username"), password=options.get("sentinel_password")),
        tls=_tls(options, is_wanted=scheme in _WITH_TLS),
        tag=_tag(options.get("tag", "afterwards")),
        fsync=_fsync(options.get("durability", "server")),
        replicas=_number("replicas", options.get("replicas", "0"), most=100),
        most_ended=_number("history", options.get("history", str(MOST_ENDED))),
        most_bytes=_number("history_bytes", options.get("history_bytes", str(MOST_BYTES))),
    )


def _layout(form: str) -> Layout:
    if form in ("sentinel", "cluster"):
        return Layout(form)
    if form:
        raise UnsupportedURL(f"no store is known for …+{form}://; there is {KNOWN}")
    return Layout.STANDALONE


def _parts(place: str) -> tuple[Login, str, str]:
    location, _, path = place.partition("/")
    user_and_password, _, hosts = location.rpartition("@")
    username, _, password = user_and_password.partition(":")
    return Login(username=unquote(username) or None, password=unquote(password) or None), hosts, unquote(path)


def _node(text: str, port: int) -> Node:
    match = re.fullmatch(r"(?:\[([^\]]+)\]|([^:\[\]]*))(?::(\d{1,5}))?", text)
    if match is None or int(match[3] or port) > 65535:
        raise UnsupportedURL(f"the URL names a server that is no host or host:port; there is {KNOWN}")
    return Node(unquote(match[1] or match[2]) or "localhost", int(match[3] or port))


def _path(layout: Layout, path: str) -> tuple[str, int]:
    """The name of the master and the number of the database."""
    if layout is Layout.SENTINEL:
        master, _, path = path.partition("/")
        if not master:
            raise UnsupportedURL(
                "a URL with sentinels names the master they watch: redis+sentinel://host:26379/mymaster"
            )
    else:
        master = ""
    database = path.strip("/") or "0"
    if not re.fullmatch(r"\d{1,5}", database):
        raise UnsupportedURL(f"what follows the servers in the URL is the number of a database, as in {KNOWN}")
    if layout is Layout.CLUSTER and int(database):
        raise UnsupportedURL("a cluster has no numbered databases: give each store in it a tag, as in ?tag=shop")
    return master, int(database)


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    if "@" in query and not options.keys() <= {*_OURS, *_OF_TLS}:
        raise UnsupportedURL("the password in the URL holds a '?': write it as %3F, and '/' as %2F, '@' as %40")
    for name in options:
        if name not in _OURS and name not in _OF_TLS:
            known = ", ".join([*_OURS, *_OF_TLS])
            raise UnsupportedURL(f"a URL of this kind takes no option {name!a} after '?'; there is {known}")
    return options


def _tls(options: Mapping[str, str], *, is_wanted: bool) -> Mapping[str, object] | None:
    settings: dict[str, object] = {name: value for name, value in options.items() if name in _OF_TLS}
    if "ssl_check_hostname" in settings:
        settings["ssl_check_hostname"] = options["ssl_check_hostname"].lower() in ("1", "true", "yes")
    if settings and not is_wanted:
        raise UnsupportedURL(f"{next(iter(settings))} is about TLS: begin the URL with rediss:// or valkeys://")
    return settings if is_wanted else None


def _tag(tag: str) -> str:
    if not _TAG.fullmatch(tag):
        raise UnsupportedURL("tag= takes a short word without braces and spaces: all keys of the store will hold {it}")
    return tag


def _fsync(durability: str) -> bool:
    if durability not in ("server", "fsync"):
        raise UnsupportedURL(
            "durability= takes 'server' (as durable as the server is set up to be) or 'fsync' (on the server's disk "
            "before it is acknowledged)"
        )
    return durability == "fsync"


def _number(name: str, text: str, most: int = 10**15) -> int:
    if not re.fullmatch(r"\d{1,16}", text) or int(text) > most:
        raise UnsupportedURL(f"{name}= takes a whole number up to {most}")
    return int(text)
