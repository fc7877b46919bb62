"""Rows that a newer version has written."""

from __future__ import annotations

from pathlib import Path

import pytest

from afterwards.retries import Retry
from afterwards.tallies import Tally
from tests.contract.builders import LEASE, a_call, claim_all, sign_on
from tests.stores.builders import a_store, another_connection


@pytest.mark.parametrize("policy", ['{"attempts": 0}', '{"factor": "fibonacci"}', '{"only": [5]}', "7", "{"])
async def test_a_policy_that_makes_no_sense_here_is_the_default_and_holds_up_nobody(tmp_path: Path, policy: str):
    store = a_store(tmp_path / "tasks.db")
    worker = await sign_on(store)
    strange, plain = a_call(retry=Retry(attempts=2)), a_call(retry=Retry(attempts=3))
    await store.add([strange, plain])
    with another_connection(tmp_path / "tasks.db") as connection:
        connection.execute("UPDATE afterwards_tasks SET retry = ? WHERE id = ?", [policy, str(strange.id)])
    claimed = {task.id: task.retry for task in await claim_all(store, worker)}
    assert claimed == {strange.id: None, plain.id: Retry(attempts=3)}
    await store.close()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"runs":[],"counts":[1],"vitals":{}}'])
async def test_a_tally_in_another_form_is_left_alone_and_holds_up_nobody(tmp_path: Path, text: str):
    store = a_store(tmp_path / "tasks.db")
    await store.open()
    with another_connection(tmp_path / "tasks.db") as connection:
        connection.execute("INSERT INTO afterwards_tallies VALUES ('newer', ?)", [text])
    for name in ("a", "b", "c"):
        worker = await sign_on(store, name)
        await store.renew(worker, lease=LEASE, tally=Tally(counts={"lost_leases": 1}))
        await store.sign_off(worker)
    await sign_on(store, "d")
    assert [dict(tally.counts) for tally in (await store.tallies()).values()] == [{"lost_leases": 3}]
    with another_connection(tmp_path / "tasks.db") as connection:
        kept = connection.execute("SELECT tally FROM afterwards_tallies WHERE worker = 'newer'").fetchall()
    assert kept == [(text,)]
    await store.close()
