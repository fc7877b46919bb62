"""All that the store does, by name."""

from __future__ import annotations

from afterwards.stores.sqlite import adding, scheduling, settling
from afterwards.stores.sqlite.adding import add
from afterwards.stores.sqlite.claiming import claim
from afterwards.stores.sqlite.errands import Verb, each
from afterwards.stores.sqlite.gates import sweep
from afterwards.stores.sqlite.looking import census, find, seek, states, throughput, unknown_names, until_due, workers
from afterwards.stores.sqlite.moving import forget, hand_over, receive
from afterwards.stores.sqlite.rescuing import rescue
from afterwards.stores.sqlite.settling import settle, settle_apart
from afterwards.stores.sqlite.steering import cancel, delete, pause, prune, retry
from afterwards.stores.sqlite.tallies import tallies
from afterwards.stores.sqlite.transaction import Transaction
from afterwards.stores.sqlite.workers import cancellations, claims, free_unknown, note, renew, sign_off, sign_on


def nothing(_: Transaction, request: None) -> None:
    """Write nothing: whatever is written, the file is opened first."""


OPEN = Verb(doing="opening the store", write=each(nothing))
ADD = Verb(doing="adding tasks", write=add, durable=True, asks=adding.questions)
SIGN_ON = Verb(doing="signing on", write=each(sign_on))
CLAIM = Verb(doing="claiming tasks", write=each(claim))
SETTLE = Verb(doing="settling tasks", write=settle, alone=settle_apart, asks=settling.questions)
RENEW = Verb(doing="renewing a lease", write=each(renew))
NOTE = Verb(doing="noting progress", write=each(note))
RESCUE = Verb(doing="rescuing tasks", write=each(rescue))
FREE_UNKNOWN = Verb(doing="freeing tasks", write=each(free_unknown))
SWEEP = Verb(doing="opening gates", write=each(sweep))
PRUNE = Verb(doing="pruning tasks", write=each(prune))
SIGN_OFF = Verb(doing="signing off", write=each(sign_off))
RETRY = Verb(doing="retrying tasks", write=each(retry), durable=True)
CANCEL = Verb(doing="cancelling tasks", write=each(cancel), durable=True)
DELETE = Verb(doing="deleting tasks", write=each(delete), durable=True)
PAUSE = Verb(doing="pausing a queue", write=each(pause), durable=True)
RECEIVE = Verb(doing="receiving tasks", write=each(receive), durable=True)
FORGET = Verb(doing="forgetting tasks", write=each(forget), durable=True)
CANCELLATIONS = Verb(doing="looking for cancellations", write=each(cancellations))
CLAIMS = Verb(doing="calling the roll", write=each(claims))
WORKERS = Verb(doing="listing workers", write=each(workers))
UNKNOWN_NAMES = Verb(doing="listing unknown names", write=each(unknown_names))
UNTIL_DUE = Verb(doing="waiting for tasks", write=each(until_due))
STATES = Verb(doing="asking for states", write=each(states))
FIND = Verb(doing="finding tasks", write=each(find))
SEEK = Verb(doing="seeking tasks", write=each(seek))
HAND_OVER = Verb(doing="handing tasks over", write=each(hand_over))
CENSUS = Verb(doing="counting tasks", write=each(census))
THROUGHPUT = Verb(doing="counting what ended", write=each(throughput))
TALLIES = Verb(doing="reading tallies", write=each(tallies))
AGENDA = Verb(doing="listing schedules", write=each(scheduling.agenda))
PLAN = Verb(doing="planning schedules", write=each(scheduling.plan))
TICK = Verb(doing="making ticks", write=each(scheduling.tick), durable=True)
STEER = Verb(doing="steering a schedule", write=each(scheduling.steer), durable=True)
