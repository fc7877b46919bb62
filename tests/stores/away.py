"""What the tests of a server that is away share: every verb of a store once, on tasks that are not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from afterwards.errors import AfterwardsError
from afterwards.outcomes import done
from afterwards.schedules import Plan, Steer, Tick
from afterwards.tasks import Claim, Note, Progress, Search, State, WorkerId
from tests.contract.builders import LEASE, TimedStore, a_call, a_card, claim_all

NOBODY = WorkerId("nobody")


def a_claim() -> Claim:
    return Claim(id=a_call().id, run=1, worker=NOBODY)


def a_tick() -> Tick:
    then = datetime(2026, 1, 1, tzinfo=UTC)
    return Tick(schedule="sweep", line="* * * * * UTC", after=then, to=then, calls=(a_call(),))


VERBS: dict[str, Callable[[TimedStore], Awaitable[object]]] = {
    "open": lambda store: store.open(),
    "add": lambda store: store.add([a_call()]),
    "sign_on": lambda store: store.sign_on(a_card()),
    "claim": lambda store: claim_all(store, NOBODY),
    "settle": lambda store: store.settle([done(a_claim())]),
    "renew": lambda store: store.renew(NOBODY, lease=LEASE),
    "tallies": lambda store: store.tallies(),
    "cancellations": lambda store: store.cancellations(NOBODY),
    "claims": lambda store: store.claims(NOBODY),
    "note": lambda store: store.note([Note(claim=a_claim(), progress=Progress(done=1, of=2))]),
    "rescue": lambda store: store.rescue(known_dead=[], expired=True, limit=1),
    "workers": lambda store: store.workers(),
    "unknown_names": lambda store: store.unknown_names(),
    "free_unknown": lambda store: store.free_unknown(["a:f"]),
    "sweep": lambda store: store.sweep(),
    "prune": lambda store: store.prune(older_than=timedelta(0), limit=1),
    "sign_off": lambda store: store.sign_off(NOBODY),
    "wait": lambda store: store.wait(NOBODY, timeout=0, suspects=True),
    "states": lambda store: store.states([a_call().id]),
    "find": lambda store: store.find(Search(), limit=1),
    "census": lambda store: store.census(),
    "throughput": lambda store: store.throughput(within=LEASE, limit=1),
    "retry": lambda store: store.retry([a_call().id]),
    "cancel": lambda store: store.cancel([a_call().id]),
    "delete": lambda store: store.delete([a_call().id]),
    "seek": lambda store: store.seek(Search(), states=[State.WAITING], limit=1),
    "pause": lambda store: store.pause("mail", paused=True),
    "hand_over": lambda store: store.hand_over(limit=1),
    "receive": lambda store: store.receive([]),
    "forget": lambda store: store.forget([a_call().id]),
    "agenda": lambda store: store.agenda(),
    "plan": lambda store: store.plan([Plan(name="sweep", function="a:f", line="* * * * * UTC")], starting=True),
    "tick": lambda store: store.tick([a_tick()]),
    "steer": lambda store: store.steer("sweep", Steer.PAUSE),
}
ASK_NOTHING = {"description", "identity", "warnings", "schema", "schema_sql", "close"}  # or not the server


async def tried(work: Awaitable[object]) -> BaseException | None:
    try:
        await work
    except AfterwardsError as error:
        return error
    return None
