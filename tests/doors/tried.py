"""A task with a past: tries that ended in every way, as workers would have stored them."""

from __future__ import annotations

from datetime import timedelta

from afterwards.outcomes import Ending
from afterwards.store import Store
from afterwards.tasks import Call, Failure, TaskId
from tests.contract.builders import a_call, claim_all, crash, outcome, sign_on

PASSWORD = "hunter2!"
REFUSED = Failure(kind="smtplib.SMTPServerDisconnected", message=f"{PASSWORD} <b>was refused</b>\nby the server")


def pay(**options: object) -> Call:
    return a_call(name="shop.mails:send", arguments=f'{{"password": "{PASSWORD}", "to": "ada"}}', **options)


async def tried(store: Store, ending: Ending | None = Ending.FAILED, *, times: int = 1) -> TaskId:
    """Failed, asked for a later try so many times, lost its process; then ended so, or runs."""
    worker, call = await sign_on(store), pay()
    await store.add([call])
    [running] = await claim_all(store, worker)
    await store.settle([outcome(running.claim, Ending.RETRIED, error=REFUSED, took=timedelta(seconds=0.8))])
    for _ in range(times):
        [running] = await claim_all(store, worker)
        await store.settle([outcome(running.claim, Ending.AGAIN, took=timedelta(seconds=2))])
    await crash(store, call.id)
    [running] = await claim_all(store, worker)
    if ending is not None:
        await store.settle([outcome(running.claim, ending, error=REFUSED, took=timedelta(seconds=3))])
    return call.id
