"""Connections with TLS, to the older server, which is built with it: Valkey's wheel is not."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from afterwards.errors import StoreUnavailable
from afterwards.stores import examine
from afterwards.tasks import Search, Woken
from tests import older_redis, servers
from tests.contract.builders import a_call, sign_on
from tests.machine import cannot
from tests.stores.redis_builders import PATIENCE, a_store


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One that its owner has signed himself, for localhost; and its key."""
    if shutil.which("openssl") is None:
        cannot("there is no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("certificate")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command = f"openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=localhost -keyout {key} -out {certificate}"
    names = ["-addext", "subjectAltName=DNS:localhost"]
    subprocess.run([*command.split(), *names], check=True, capture_output=True, timeout=30)
    return certificate, key


@pytest.fixture(scope="module")
def tls_url(certificate: tuple[Path, Path]) -> Iterator[str]:
    port = servers.free_port()
    options = ("--tls-port", str(port), "--tls-cert-file", str(certificate[0]), "--tls-key-file", str(certificate[1]))
    with servers.redis_like(older_redis.program(), *servers.NOTHING_LOST, *options, "--tls-auth-clients", "no"):
        yield f"rediss://localhost:{port}/0"


async def test_a_store_behind_tls_is_as_any_other(tls_url: str, certificate: tuple[Path, Path]):
    store = a_store(tls_url, ssl_ca_certs=certificate[0])
    worker = await sign_on(store)
    await store.add([a_call()])
    assert await store.wait(worker, timeout=5, suspects=True) is Woken.READY
    assert len(await store.find(Search(), limit=10)) == 1
    await store.close()
    assert not examine(f"{tls_url}?ssl_ca_certs={certificate[0]}").unreadable


async def test_a_server_whose_certificate_nobody_vouches_for_is_not_talked_to(tls_url: str):
    store = a_store(tls_url, add_timeout=PATIENCE)
    with pytest.raises(StoreUnavailable, match="certificate"):
        await store.add([a_call()])
    await store.close()
    assert "certificate" in examine(tls_url).unreadable
