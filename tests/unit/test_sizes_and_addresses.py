"""Sizes and addresses as people write them."""

from __future__ import annotations

import pytest

from afterwards.sizes import size
from afterwards.supervisor.addresses import address

MIB = 1024**2


@pytest.mark.parametrize("text", ["512MB", "512mb", "512M", "512MiB", "512Mi", " 512 MB ", "0.5GB", "524288K"])
def test_a_size_may_be_written_in_many_ways(text: str):
    assert size(text) == 512 * MIB


@pytest.mark.parametrize("text", ["512", "", "MB", "-1MB", "0MB", "1,5GB", "5PB", "512MBs", "0x10MB", "infM", "1e3MB"])
def test_what_is_no_size_is_refused_and_named(text: str):
    with pytest.raises(ValueError, match="is no size") as refused:
        size(text)
    assert repr(text) in str(refused.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:9000", ("127.0.0.1", 9000)),
        ("0.0.0.0:0", ("0.0.0.0", 0)),
        ("localhost:65535", ("localhost", 65535)),
        ("[::1]:9000", ("::1", 9000)),
        ("[::]:80", ("::", 80)),
    ],
)
def test_an_address_is_a_host_and_a_port(text: str, expected: tuple[str, int]):
    assert address(text) == expected


@pytest.mark.parametrize("text", ["", "9000", "localhost", "localhost:", "localhost:http", "localhost:65536", "a:-1"])
def test_what_is_no_address_is_refused_and_named(text: str):
    with pytest.raises(ValueError, match=r"is no address|says no host") as refused:
        address(text)
    assert repr(text) in str(refused.value)


def test_an_address_without_a_host_is_told_both_that_may_be_meant():
    with pytest.raises(ValueError, match=r"127\.0\.0\.1:9000 for this machine only, 0\.0\.0\.0:9000 for all"):
        address(":9000")


def test_an_ipv6_host_without_brackets_is_told_how_to_write_it():
    with pytest.raises(ValueError, match=r"brackets, such as \[::1\]:9000"):
        address("::1:9000")
