"""All that the store does, by name."""

from __future__ import annotations

from afterwards.stores.redis import adding, claiming, scheduling, settling
from afterwards.stores.redis.errands import Ask, Talk, Verb, alone
from afterwards.stores.redis.gates import sweep
from afterwards.stores.redis.looking import census, find, seek, states, throughput
from afterwards.stores.redis.moving import forget, hand_over, receive
from afterwards.stores.redis.rescuing import rescue
from afterwards.stores.redis.steering import cancel, delete, pause, prune, retry
from afterwards.stores.redis.tallies import tallies
from afterwards.stores.redis.workers import (
    cancellations,
    claims,
    free_unknown,
    note,
    renew,
    sign_off,
    sign_on,
    unknown_names,
    workers,
)


def nothing(_: None) -> Talk[None]:
    """Ask next to nothing: before anything is written the store is brought into being."""
    yield Ask("open")


OPEN = Verb(doing="opening the store", talk=alone(nothing))
ADD = Verb(doing="adding tasks", talk=adding.add, durable=True, weight=adding.weight, lose=adding.lose)
SIGN_ON = Verb(doing="signing on", talk=alone(sign_on))
CLAIM = Verb(doing="claiming tasks", talk=alone(claiming.claim), lose=claiming.lose)
SETTLE = Verb(doing="settling tasks", talk=alone(settling.settle), lose=settling.lose, recall=settling.recall)
RENEW = Verb(doing="renewing a lease", talk=alone(renew))
NOTE = Verb(doing="noting progress", talk=alone(note))
RESCUE = Verb(doing="rescuing tasks", talk=alone(rescue))
FREE_UNKNOWN = Verb(doing="freeing tasks", talk=alone(free_unknown))
SWEEP = Verb(doing="opening gates", talk=alone(sweep))
PRUNE = Verb(doing="pruning tasks", talk=alone(prune))
SIGN_OFF = Verb(doing="signing off", talk=alone(sign_off))
RETRY = Verb(doing="retrying tasks", talk=alone(retry), durable=True)
CANCEL = Verb(doing="cancelling tasks", talk=alone(cancel), durable=True)
DELETE = Verb(doing="deleting tasks", talk=alone(delete), durable=True)
PAUSE = Verb(doing="pausing a queue", talk=alone(pause), durable=True)
RECEIVE = Verb(doing="receiving tasks", talk=alone(receive), durable=True)
FORGET = Verb(doing="forgetting tasks", talk=alone(forget), durable=True)
CANCELLATIONS = Verb(doing="looking for cancellations", talk=alone(cancellations))
CLAIMS = Verb(doing="calling the roll", talk=alone(claims))
WORKERS = Verb(doing="listing workers", talk=alone(workers))
UNKNOWN_NAMES = Verb(doing="listing unknown names", talk=alone(unknown_names))
UNTIL_DUE = Verb(doing="waiting for tasks", talk=alone(claiming.until_due))
STATES = Verb(doing="asking for states", talk=alone(states))
FIND = Verb(doing="finding tasks", talk=alone(find))
SEEK = Verb(doing="seeking tasks", talk=alone(seek))
HAND_OVER = Verb(doing="handing tasks over", talk=alone(hand_over))
CENSUS = Verb(doing="counting tasks", talk=alone(census))
THROUGHPUT = Verb(doing="counting what ended", talk=alone(throughput))
TALLIES = Verb(doing="reading tallies", talk=alone(tallies))
AGENDA = Verb(doing="listing schedules", talk=alone(scheduling.agenda))
PLAN = Verb(doing="planning schedules", talk=alone(scheduling.plan))
TICK = Verb(doing="making ticks", talk=alone(scheduling.tick), durable=True)
STEER = Verb(doing="steering a schedule", talk=alone(scheduling.steer), durable=True)
