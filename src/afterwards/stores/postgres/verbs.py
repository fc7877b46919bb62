"""All that a store does, each with the counter where it is asked for."""

from __future__ import annotations

from afterwards.stores.postgres import (
    adding,
    claiming,
    gates,
    looking,
    moving,
    rescuing,
    scheduling,
    settling,
    steering,
    tallies,
    workers,
)
from afterwards.stores.postgres.errands import Counter, Verb, each
from afterwards.stores.postgres.transaction import Transaction


async def _nothing(_: Transaction, __: None) -> None:
    """Ask nothing: whatever is asked, the connection is opened first."""


async def _notify(transaction: Transaction, channel: str) -> None:
    """Wake who listens in other processes."""
    await transaction.execute("notify", channel=channel)


ADD, WORK, WATCH, LOOK = Counter.ADD, Counter.WORK, Counter.WATCH, Counter.LOOK

OPEN_TO_ADD = Verb(doing="opening the store", counter=ADD, write=each(_nothing), simple=True)
OPEN_TO_WORK = Verb(doing="opening the store", counter=WORK, write=each(_nothing), simple=True)
OPEN_TO_WATCH = Verb(doing="opening the store", counter=WATCH, write=each(_nothing), simple=True)

ADD_TASKS = Verb(
    doing="adding tasks",
    counter=ADD,
    write=adding.add,
    at_once=True,
    weight=adding.weight,
    claims=adding.claims,
    resumes=True,
)

ADD_BY_KEY = Verb(
    doing="adding tasks under keys",
    counter=ADD,
    write=adding.add,
    weight=adding.weight,
    claims=adding.claims,
    resumes=True,
)

CLAIM = Verb(doing="claiming tasks", counter=WORK, write=each(claiming.claim), claims=claiming.claims)
SETTLE = Verb(
    doing="settling tasks",
    counter=WORK,
    write=settling.settle,
    weight=settling.weight,
    alone=settling.settle_apart,
    merge=settling.merge,
    claims=settling.claims,
)
SIGN_ON = Verb(doing="signing on", counter=WORK, write=each(workers.sign_on))
SIGN_OFF = Verb(doing="signing off", counter=WORK, write=each(workers.sign_off))
RESCUE = Verb(doing="rescuing tasks", counter=WORK, write=each(rescuing.rescue), merge=rescuing.merge)
FREE_UNKNOWN = Verb(doing="freeing tasks", counter=WORK, write=each(workers.free_unknown))
SWEEP = Verb(doing="opening gates", counter=WORK, write=each(gates.sweep))
PRUNE = Verb(doing="pruning tasks", counter=WORK, write=each(steering.prune), simple=True)

TICK = Verb(doing="making ticks", counter=ADD, write=each(scheduling.tick))
PLAN = Verb(doing="planning schedules", counter=WORK, write=each(scheduling.plan))

RENEW = Verb(doing="renewing a lease", counter=WATCH, write=each(workers.renew), simple=True)
NOTE = Verb(doing="noting progress", counter=WATCH, write=each(workers.note), simple=True)
CANCELLATIONS = Verb(doing="looking for cancellations", counter=WATCH, write=each(workers.cancellations), simple=True)
CLAIMS = Verb(doing="calling the roll", counter=WATCH, write=each(workers.claims), simple=True)
WORKERS = Verb(doing="listing workers", counter=WATCH, write=each(looking.workers), simple=True)
UNKNOWN_NAMES = Verb(doing="listing unknown names", counter=WATCH, write=each(looking.unknown_names), simple=True)
UNTIL_DUE = Verb(doing="waiting for tasks", counter=WATCH, write=each(looking.until_due), simple=True)
AGENDA = Verb(doing="listing schedules", counter=WATCH, write=each(scheduling.agenda), simple=True)
NOTIFY = Verb(doing="waking others", counter=WATCH, write=each(_notify), simple=True, by_itself=True)

STATES = Verb(doing="asking for states", counter=LOOK, write=each(looking.states), simple=True)
FIND = Verb(doing="finding tasks", counter=LOOK, write=each(looking.find), simple=True)
SEEK = Verb(doing="seeking tasks", counter=LOOK, write=each(looking.seek), simple=True)
CENSUS = Verb(doing="counting tasks", counter=LOOK, write=each(looking.census))
THROUGHPUT = Verb(doing="counting what ended", counter=LOOK, write=each(looking.throughput), simple=True)
TALLIES = Verb(doing="reading tallies", counter=LOOK, write=each(tallies.tallies), simple=True)
HAND_OVER = Verb(doing="handing tasks over", counter=LOOK, write=each(moving.hand_over), simple=True)
RETRY = Verb(doing="retrying tasks", counter=LOOK, write=each(steering.retry), again=False)
CANCEL = Verb(doing="cancelling tasks", counter=LOOK, write=each(steering.cancel), again=False)
DELETE = Verb(doing="deleting tasks", counter=LOOK, write=each(steering.delete), again=False)
PAUSE = Verb(doing="pausing a queue", counter=LOOK, write=each(steering.pause), simple=True)
STEER = Verb(doing="steering a schedule", counter=LOOK, write=each(scheduling.steer), simple=True)
RECEIVE = Verb(doing="receiving tasks", counter=LOOK, write=each(moving.receive), again=False)
FORGET = Verb(doing="forgetting tasks", counter=LOOK, write=each(moving.forget), again=False)
