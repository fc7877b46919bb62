"""What the URL of a Redis or Valkey store says, and what is said about one that says nonsense."""

from __future__ import annotations

import subprocess
import sys

import pytest

from afterwards.errors import UnsupportedURL
from afterwards.stores import examine, store_for
from afterwards.stores.redis.address import Layout, Login, Node, address_of


@pytest.mark.parametrize(
    ("url", "node", "database"),
    [
        ("redis://", Node("localhost", 6379), 0),
        ("valkey://db", Node("db", 6379), 0),
        ("redis://db:6380/3", Node("db", 6380), 3),
        ("rediss://db:6380/3/", Node("db", 6380), 3),
        ("valkeys://[::1]:6380", Node("::1", 6380), 0),
        ("redis://[fe80::1]/2", Node("fe80::1", 6379), 2),
    ],
)
def test_one_server_is_named_by_host_port_and_database(url: str, node: Node, database: int):
    address = address_of(url)
    assert (address.layout, address.nodes, address.database) == (Layout.STANDALONE, (node,), database)
    assert (address.tls is not None) is url.startswith(("rediss", "valkeys"))


def test_sentinels_are_listed_before_the_master_they_watch():
    address = address_of("valkey+sentinel://ann:s%40cret@one:26379,two/mymaster/4?sentinel_password=other")
    assert address.layout is Layout.SENTINEL
    assert address.nodes == (Node("one", 26379), Node("two", 26379))
    assert (address.master, address.database) == ("mymaster", 4)
    assert address.login == Login(username="ann", password="s@cret")
    assert address.sentinel_login == Login(password="other")


def test_some_servers_of_a_cluster_are_listed():
    address = address_of("redis+cluster://:secret@one:7000,two:7001")
    assert (address.layout, address.nodes) == (Layout.CLUSTER, (Node("one", 7000), Node("two", 7001)))
    assert address.login == Login(password="secret")


def test_options_say_which_keys_how_durable_and_how_much_history():
    address = address_of("redis://?tag=shop&durability=fsync&replicas=2&history=10&history_bytes=99")
    assert (address.tag, address.fsync, address.replicas) == ("shop", True, 2)
    assert (address.most_ended, address.most_bytes) == (10, 99)


def test_options_of_tls_are_handed_to_the_driver():
    address = address_of("rediss://db?ssl_ca_certs=/etc/ca.pem&ssl_check_hostname=no")
    assert address.tls == {"ssl_ca_certs": "/etc/ca.pem", "ssl_check_hostname": False}


@pytest.mark.parametrize(
    "url", ["redis://ann:secret@db/1", "redis+sentinel://:secret@db/m", "redis+cluster://:secret@db"]
)
def test_a_description_names_the_servers_and_no_password(url: str):
    description = store_for(url).description
    assert "Redis" in description
    assert "Valkey" in store_for(url.replace("redis", "valkey")).description
    assert "db:" in description
    assert "secret" not in description
    assert "secret" not in repr(store_for(url))


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("redis+magic://:secret@db", r"no store is known for …\+magic://"),
        ("redis://:secret@db:99999", "no host or host:port"),
        ("redis://:secret@db:port", "no host or host:port"),
        ("redis://:secret@db/main", "the number of a database"),
        ("redis+sentinel://:secret@db", "names the master"),
        ("redis+cluster://:secret@db/2", "no numbered databases"),
        ("redis://:secret@db?colour=blue", "no option 'colour'"),
        ("redis://:secret?secret@db", "write it as %3F"),
        ("redis://:secret/secret@db", "no host or host:port"),
        ("redis://:secret@db,db2", "names several servers"),
        ("redis://:secret@db?tag=", "tag= takes"),
        ("redis://:secret@db?tag={a}", "tag= takes"),
        ("redis://:secret@db?durability=maybe", "durability= takes"),
        ("redis://:secret@db?history=many", "history= takes a whole number"),
        ("redis://:secret@db?replicas=101", "replicas= takes a whole number up to 100"),
        ("redis://:secret@db?ssl_ca_certs=x", "begin the URL with rediss://"),
    ],
)
def test_nonsense_is_refused_in_words_without_the_password(url: str, words: str):
    for made in (store_for, examine):
        with pytest.raises(UnsupportedURL, match=words) as refused:
            made(url)
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize("asked_for", ["store_for", "examine"])
def test_without_the_driver_it_says_which_extra_to_install(asked_for: str):
    program = (
        "import sys; sys.modules['redis'] = None\n"
        f"from afterwards.stores import {asked_for}\n"
        "from afterwards.errors import UnsupportedURL\n"
        "try:\n"
        f"    {asked_for}('redis://:secret@db')\n"
        "except UnsupportedURL as error:\n"
        "    print(error)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert 'pip install "afterwards[redis]"' in ran.stdout
    assert "secret" not in ran.stdout
