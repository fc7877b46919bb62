"""An hour of a shop, stored as its workers would have stored it: what the pictures of the dashboard show."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

from afterwards.ids import new_id
from afterwards.outcomes import Ending, Outcome
from afterwards.schedules import Plan, Steer
from afterwards.store import Store
from afterwards.tallies import Tally
from afterwards.tasks import Call, Failure, LogLine, Note, Progress, Task, WorkerCard, WorkerId

MINUTES = 60
LEASE = timedelta(minutes=5)  # longer than the pictures take
VITALS = {  # the event loop's lag in microseconds
    "web-1-4211": {"lag": 3_000, "lost_leases": 0},
    "worker-1-871": {"lag": 11_000, "lost_leases": 0},
    "worker-2-872": {"lag": 180_000, "lost_leases": 1},
}
FUNCTIONS = ("shop.mails:send_receipt", "shop.payments:capture", "shop.pictures:make_thumbnails", "shop.search:reindex")


class ShiftedStore(Store, Protocol):
    """A store whose clock can be set back."""

    clock_offset: timedelta


@dataclass(frozen=True)
class Kind:
    """A function with its calls: how many an hour, how long they run, how many fail and how."""

    name: str
    queue: str
    per_hour: int
    seconds: float
    arguments: Callable[[int], dict[str, object]]
    failing: float = 0.0
    failure: Failure | None = None


def traceback(path: str, line: int, function: str, code: str, kind: str, message: str) -> Failure:
    """A failure as it is kept."""
    steps = (
        f'Traceback (most recent call last):\n  File "/srv/{path}", line {line}, in {function}\n    {code}\n'
        f'  File "/srv/.venv/lib/python3.12/site-packages/{kind.split(".")[0]}/client.py", line 211, in send\n'
        f"    raise {kind.rpartition('.')[2]}({message!r})\n{kind}: {message}\n"
    )
    return Failure(kind=kind, message=message, traceback=steps)


REFUSED = traceback(
    "shop/mails.py", 38, "send_receipt", "server.send_message(mail)", "smtplib.SMTPServerDisconnected",
    "please run connect() first",
)  # fmt: skip
DECLINED = traceback(
    "shop/payments.py", 71, "capture", "gateway.capture(payment_id, amount)", "gateway.CardDeclined",
    "card declined: insufficient_funds",
)  # fmt: skip
BUSY = traceback(
    "shop/payments.py", 71, "capture", "gateway.capture(payment_id, amount)", "gateway.Busy",
    "503: try again in a moment",
)  # fmt: skip
UNREADABLE = traceback(
    "shop/pictures.py", 19, "make_thumbnails", "image = Image.open(path)", "PIL.UnidentifiedImageError",
    "cannot identify image file '/srv/uploads/8121.heic'",
)  # fmt: skip

KINDS = (
    Kind("shop.mails:send_receipt", "mail", 420, 0.35,
         lambda n: {"order_id": 48_100 + n, "to": f"{_name(n)}@example.com"}, 0.02, REFUSED),
    Kind("shop.payments:capture", "payments", 180, 0.9,
         lambda n: {"payment_id": f"pay_{n * 7919:08x}", "amount": f"{(n * 37) % 200 + 4}.90", "token": "tok_live"},
         0.03, DECLINED),
    Kind("shop.pictures:make_thumbnails", "pictures", 150, 4.0,
         lambda n: {"picture_id": 8_000 + n, "sizes": [160, 480, 1200]}, 0.04, UNREADABLE),
    Kind("shop.search:reindex", "default", 90, 0.08, lambda n: {"product_ids": list(range(n, n + 20))}),
    Kind("shop.reports:daily_sales", "reports", 3, 44.0, lambda n: {"day": f"2026-11-{n % 28 + 1:02d}"}),
)  # fmt: skip


WORKERS = (("web-1", 4211), ("worker-1", 871), ("worker-2", 872))
PLANS = (
    Plan(name="close the day", function="shop.reports:daily_sales", line="30 2 * * * Europe/Berlin"),
    Plan(name="shop.carts:forget_old", function="shop.carts:forget_old", line="every 900 s"),
    Plan(name="warm the cache", function="shop.search:warm_up", line="*/10 * * * * UTC"),
)


def _name(number: int) -> str:
    return ("ada", "grace", "linus", "barbara", "alan", "edsger", "hedy", "donald")[number % 8]


async def fill(store: ShiftedStore) -> None:
    """Sixty minutes, one after the other, by the store's own clock set back; then what waits and runs now."""
    chance = random.Random(7)
    store.clock_offset = -timedelta(minutes=MINUTES)
    workers = [await _sign_on(store, label, pid) for label, pid in WORKERS]
    await store.plan(PLANS, starting=True)
    number = 0
    for minute in range(MINUTES):
        store.clock_offset = timedelta(minutes=minute - MINUTES)
        for kind in KINDS:
            busy = 1.6 if 22 <= minute <= 31 else 1.0
            for _ in range(int(kind.per_hour / MINUTES * busy + chance.random())):
                number += 1
                await _live_through(store, chance.choice(workers), kind, number, chance)
    store.clock_offset = timedelta(0)
    await store.plan(PLANS, starting=False)
    await _now(store, workers, number)
    for worker in workers:
        await store.renew(worker, lease=LEASE, tally=Tally(vitals=VITALS[worker]))


async def _sign_on(store: Store, label: str, pid: int) -> WorkerId:
    lease = timedelta(minutes=MINUTES) + LEASE
    card = WorkerCard(id=WorkerId(f"{label}-{pid}"), host="h", pid=pid, label=label, lease=lease, functions=FUNCTIONS)
    await store.sign_on(card)
    return card.id


async def _live_through(store: ShiftedStore, worker: WorkerId, kind: Kind, number: int, chance: random.Random) -> None:
    begun = store.clock_offset
    store.clock_offset += timedelta(seconds=chance.uniform(0, 59))
    await store.add([_call(kind, number)])
    store.clock_offset += timedelta(seconds=chance.expovariate(8))
    for task in await store.claim(worker, limit=1, suspects=True):
        took = timedelta(seconds=kind.seconds * chance.lognormvariate(0, 0.5))
        store.clock_offset += took
        failed = kind.failure is not None and chance.random() < kind.failing
        if failed and kind.failure is DECLINED:
            task = await _in_vain(store, worker, task)
            store.clock_offset += took
        await store.settle([_outcome(task, took, kind.failure if failed else None)])
    store.clock_offset = begun


async def _in_vain(store: ShiftedStore, worker: WorkerId, task: Task) -> Task:
    """Two tries before the last: the payment service is busy, then it asks for patience."""
    busy = Outcome(claim=task.claim, ending=Ending.RETRIED, delay=timedelta(seconds=2), error=BUSY)
    await store.settle([replace(busy, took=timedelta(seconds=0.8))])
    store.clock_offset += timedelta(seconds=2.1)
    [task] = await store.claim(worker, limit=1, suspects=True)
    later = Outcome(claim=task.claim, ending=Ending.AGAIN, delay=timedelta(seconds=4), took=timedelta(milliseconds=40))
    store.clock_offset += timedelta(seconds=0.1)
    await store.settle([later])
    store.clock_offset += timedelta(seconds=4.1)
    [task] = await store.claim(worker, limit=1, suspects=True)
    return task


def _call(kind: Kind, number: int, **options: object) -> Call:
    arguments = json.dumps(kind.arguments(number))
    return replace(Call(id=new_id(), name=kind.name, arguments=arguments, queue=kind.queue), **options)  # type: ignore[arg-type]  # as said


def _outcome(task: Task, took: timedelta, error: Failure | None) -> Outcome:
    ending = Ending.DONE if error is None else Ending.FAILED
    return Outcome(claim=task.claim, ending=ending, took=took, error=error, logs=_logs(task, error))


def _logs(task: Task, error: Failure | None) -> tuple[LogLine, ...]:
    logger = task.name.partition(":")[0]
    at = task.started or task.added
    lines = [LogLine(at=at, level="INFO", logger=logger, text=f"attempt {task.attempt} begins")]
    if error is not None:
        lines.append(LogLine(at=at, level="WARNING", logger=logger, text=f"giving up: {error.message}"))
    return tuple(lines)


async def _now(store: ShiftedStore, workers: Sequence[WorkerId], number: int) -> None:
    mail, payments, pictures, search, reports = KINDS
    for offset, kind in enumerate((reports, pictures, pictures, mail)):
        store.clock_offset = -timedelta(seconds=12 + 7 * offset)
        await store.add([_call(kind, number + offset)])
        await store.claim(workers[1 + offset % 2], limit=1, suspects=True)
    store.clock_offset = timedelta(0)
    running = await store.claims(workers[1]) + await store.claims(workers[2])
    told = (Progress(done=184, of=412, say="adding up orders"), Progress(done=2, of=3, say="480 px"))
    await store.note([Note(claim=claim, progress=progress) for claim, progress in zip(running, told, strict=False)])
    await store.pause("newsletter", paused=True)
    letters = replace(mail, name="shop.mails:send_newsletter", queue="newsletter")
    await store.add([_call(letters, 48_900 + n) for n in range(240)])
    await store.add([_call(kind, number + 20 + n) for n, kind in enumerate((mail, mail, payments, search))])
    await store.add([_call(payments, number + 40, delay=timedelta(minutes=25))])
    await store.steer("warm the cache", Steer.PAUSE)
