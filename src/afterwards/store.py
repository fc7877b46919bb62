"""The contract: what every store promises. Nothing outside `stores/` knows more about a store than this page."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Protocol

from afterwards.migrations import Schema
from afterwards.outcomes import Outcome
from afterwards.schedules import Agenda, Plan, Steer, Tick
from afterwards.tallies import Tally
from afterwards.tasks import (
    Added,
    Bookmark,
    Call,
    Census,
    Claim,
    Gate,
    Note,
    Renewal,
    Search,
    Settled,
    SignedOn,
    Sought,
    State,
    Task,
    TaskId,
    Woken,
    WorkerCard,
    WorkerId,
)
from afterwards.throughput import Throughput


class Store(Protocol):
    """Keeps tasks.

    Every method is one atomic step: lists in, lists out, what changed is returned and unknown ids are ignored. The
    store's clock is the only clock; durations cross this boundary, instants only when a person gave one. Methods may
    be awaited from any event loop of the process, also from several at once.

    Errors: `StoreUnavailable` when the store is away, locked, full or read-only, and nothing was changed;
    `StoreUnusable`, which is one of those, when no waiting would cure it: from `open`, and from every method of a
    store that was away when it was opened. After both every method may be tried again.

    Durable when they return, as far as the store is set up to be: add, retry, cancel, delete, pause, receive, forget,
    tick, steer. The others may be lost with the machine's power, which costs a second run and nothing else.
    """

    @property
    def description(self) -> str:
        """Which store this is, in words for a person, with an absolute path or a host: no password."""
        ...

    @property
    def identity(self) -> str:
        """What all processes on this store share and no other store has: it names the place of their lock files."""
        ...

    def warnings(self) -> list[str]:
        """What is unsafe about this set-up, a sentence each. Known after `open`."""
        ...

    async def open(self) -> None:
        """Bring the store into being and its schema up to date. Harmless when repeated.

        One made with `migrate=False` changes nothing, and raises StoreUnusable where that would be needed.
        """
        ...

    async def schema(self) -> Schema | None:
        """Which schema the store has, and which this code brings; reads only. None for a store that needs none.

        Raises StoreUnusable for a schema that is too new for this code.
        """
        ...

    def schema_sql(self, *, since: int) -> str:
        """What `open` would run in a store whose schema is of that version, as a text. Asks the store nothing."""
        ...

    async def close(self) -> None:
        """Let go of everything. Harmless when repeated; `open` may follow."""
        ...

    async def add(self, calls: Sequence[Call], *, claimed_by: WorkerId | None = None) -> list[Added]:
        """Store `calls`, all or none; one `Added` each, in their order. The same ids again change nothing.

        A call with `after` is held until the first run of that task has ended, if that is still to come. With
        `claimed_by`, each call that is claimable at once by the rules of `claim` (due, not held, its queue served by
        that worker and not paused) and counted by no quota, since only `claim` looks at those, is claimed in the same
        write and comes back in `Added.claimed`; an id that was stored before does not. When the caller is cancelled the
        calls may be stored all the same, claimed by nobody.

        A key belongs to a function's name. It is held by the task of the call that took it, until that has ended and
        for its `unique_for` after that, also when it has been pruned. A call whose key is held is not stored but a
        twin: `Added.id` is the holder, and the call's id another name of it, in every verb that takes ids. The line
        closes over a twin. With `replace`, a waiting holder becomes as if it had been added by this call: arguments,
        options and due, with attempts and crashes counted anew; its id, its hold and its place in its line stay, but
        it passes its gates anew. A
        running holder is left alone: the call is stored, and takes the key over.

        A call whose link needs others is held, `after` the last of those that have not ended. When that has ended
        (settled, rescued, cancelled; a try that will be repeated is no end) it is held after the next, in the same
        write, until all have. Then it is free; or cancelled, with an error of kind `turns.UNMET`, if one is not done
        and it does not start `anyway`. What needs it then follows in the same way.
        """
        ...

    async def sign_on(self, worker: WorkerCard) -> None:
        """Make the worker known and start its lease; held tasks whose name it knows are freed.

        The quotas that it declares hold from now on, for tasks that wait and runs that go on too; of two workers that
        declare the same one, the last to sign on decides. One ends when no worker that is signed on declares it.

        The tallies of those who have gone are put together, so that there are not ever more of them.
        """
        ...

    async def claim(self, worker: WorkerId, *, limit: int, suspects: bool, unknown: Collection[str] = ()) -> list[Task]:
        """Claim up to `limit` waiting tasks of the worker's queues: due, not held, in queues that are not paused.

        Best rank first, rank = due - priority x 60 s. Each gets its next `run` and `attempt`. Tasks that are suspects
        (their next crash would end them) are passed over, but one if `suspects`. Names in `unknown` are passed over.
        A worker that has not signed on, or is lost, claims nothing. Claimed tasks come without their `tries`.

        A task passes the gates of its quotas, of its function (for its `limit_key`) and of its queue, or is held at one
        of them, as `limit` or as `rate`: of `most` runs that are claimed and have not ended, by whichever worker, and
        of `rate` claims within any period by the store's clock, a gate lets no more through. When it may let one
        through, the best by rank of those held there is claimable again, in each queue. A claim that holds some looks
        on for others, but not without an end: it may bring less than there is, and the next goes on.
        """
        ...

    async def settle(self, outcomes: Sequence[Outcome], *, claimed_by: WorkerId | None = None) -> Settled:
        """Write how runs ended. Outcomes whose claim does not hold any more change nothing and are not in `held`.

        `started` becomes the store's now less `took` (none for a returned run). A run after which its task waits again
        is one of its `tries` from then on, unless it was given back. Progress and logs that an outcome does not bring
        stay as they are. The calls that the outcomes bring are stored, and the followers of those whose turn is over
        are freed, in the same write. With `claimed_by`, freed followers that are claimable by that worker, and that no
        quota counts, are claimed for it at once.
        """
        ...

    async def renew(self, worker: WorkerId, *, lease: timedelta, tally: Tally | None = None) -> Renewal:
        """Prolong the worker's lease, to end `lease` from now. No row: lost.

        A `tally` is all that it has counted since it signed on, and takes the place of what it brought before; not of
        one that is lost.
        """
        ...

    async def tallies(self) -> dict[WorkerId, Tally]:
        """What workers have counted: of each that is signed on and has brought a tally, and of those who have gone.

        The latter under names of no worker, or of workers that were. Added up, all of them together never fall. One
        that a newer version wrote in a form of its own is left out.
        """
        ...

    async def note(self, notes: Sequence[Note]) -> list[Claim]:
        """Write how far these runs are; those that were written. Of two for one run the later counts.

        One whose claim does not hold any more changes nothing. Nor need one that somebody else is just writing to: the
        next note will tell, or the outcome. The next claim of the task forgets its progress.
        """
        ...

    async def cancellations(self, worker: WorkerId) -> list[Claim]:
        """The runs of this worker that somebody asked to stop."""
        ...

    async def claims(self, worker: WorkerId) -> list[Claim]:
        """The runs that this worker has. Cheap: asked every few seconds."""
        ...

    async def rescue(self, *, known_dead: Collection[WorkerId], expired: bool, limit: int) -> list[Task]:
        """Return the tasks of dead workers: of `known_dead` and, if `expired`, of those whose lease has run out.

        Each returned task has gained a crash, unless its worker was leaving. It waits `crash_wait`, with its attempt
        given back and the run that crashed among its `tries`. Or it has failed as poison, when its crashes are used up,
        or was cancelled, if a person had asked it to stop: then that run is its last, and counts.

        A dead worker's row goes once its last task has been returned; `limit` bounds the tasks of one call.
        """
        ...

    async def workers(self) -> list[SignedOn]:
        """The workers that are signed on. Cheap: asked every second."""
        ...

    async def unknown_names(self) -> list[str]:
        """The names under which tasks are held as unknown, each once. Cheap: asked every few seconds."""
        ...

    async def free_unknown(self, names: Collection[str]) -> int:
        """Free the tasks held as unknown under these names; how many."""
        ...

    async def sweep(self, *, after: Gate | None = None) -> Gate | None:
        """Forget quotas that no worker declares, and open gates that have room though nothing said so.

        What ends a run opens its gates by itself; this finds the others: where the one that was let through was
        cancelled, say. It looks at a bounded number, from `after` on; returns where the next is to go on, None for the
        beginning. Cheap: done every second.
        """
        ...

    async def prune(self, *, older_than: timedelta, limit: int) -> int:
        """Delete up to `limit` tasks that ended longer ago than `older_than`; how many. Never an unfinished one.

        A task of a chain stays until all of that have ended, since they may want its result. Other names of what goes
        go with it; keys that it holds for longer stay held.
        """
        ...

    async def sign_off(self, worker: WorkerId, *, leaving: bool = False, tally: Tally | None = None) -> None:
        """The worker stops: what it still holds waits again, with no attempt or crash spent, and its row goes.

        Its `tally` is kept as by `renew`, and stays when the row has gone, here and by `rescue`.

        With `leaving`, its row and tasks stay, marked: threads that cannot be stopped still run them. They are
        returned by `rescue` once the process is gone or the lease over, with no attempt or crash spent.
        """
        ...

    async def wait(self, worker: WorkerId, *, timeout: float, suspects: bool, unknown: Collection[str] = ()) -> Woken:
        """Sleep until the worker may have something to claim, at most `timeout` seconds. May be early, never late.

        `suspects` and `unknown` are those of `claim`: what they pass over wakes nobody.
        """
        ...

    async def states(self, ids: Collection[TaskId]) -> dict[TaskId, State]:
        """The states of these tasks, each under the id that was asked for.

        Cheap: asked again and again by those who wait for tasks to end.
        """
        ...

    async def find(self, search: Search, *, limit: int, after: TaskId | None = None) -> list[Task]:
        """Tasks that match, newest first; with `after`, those older than it."""
        ...

    async def seek(
        self, search: Search, *, states: Collection[State], limit: int, bookmark: Bookmark | None = None
    ) -> Sought:
        """The ids of tasks that match and are in one of these states, newest first: up to `limit`, from a bookmark on.

        It may bring fewer, even none, and say where it goes on. Whoever follows it to the end meets each task once at
        most, and every one that matched as long as he looked; the bookmark outlives the tasks around it.
        """
        ...

    async def census(self) -> Census:
        """Count everything, and name the workers and paused queues."""
        ...

    async def throughput(self, *, within: timedelta, limit: int) -> Throughput:
        """How many tasks of each queue were done or failed within so long, of those that are kept.

        It looks at the `limit` tasks that ended last, cancelled ones too. Where more ended `within` that time it tells
        of a shorter one, of which none is missing: those that ended after the earliest of these. Cheap: it costs the
        same in a store of any size.
        """
        ...

    async def retry(self, ids: Collection[TaskId], *, matching: Search | None = None) -> list[TaskId]:
        """Ended tasks wait again, due now, with attempts and crashes counted anew. Returns those that changed.

        The last run of each, if it had one, is one of its `tries` from then on.

        One with a key takes it again; it stays as it is if another task holds that. So does one that is not `matching`
        in this very step, whatever it was when it was found; the search's own `ids` play no part in that. A step of a
        chain is held again while something that it needs has not ended, and stays as it is if that has ended and not
        well; of several those that were added first go first, so that what they need is looked at before. What was
        cancelled since this one was not done (`turns.UNMET`) waits again too.
        """
        ...

    async def cancel(self, ids: Collection[TaskId], *, matching: Search | None = None) -> list[TaskId]:
        """Waiting tasks are cancelled at once (and free their followers); running ones are asked to stop.

        Returns those that changed. `matching` is as in `retry`.
        """
        ...

    async def delete(self, ids: Collection[TaskId], *, matching: Search | None = None) -> list[TaskId]:
        """Ended tasks go, as if they had been pruned; any other stays, and what is of a chain that goes on.

        Returns those that went.
        Their other names go with them; keys that they hold for longer stay held. `matching` is as in `retry`.
        """
        ...

    async def pause(self, queue: str, *, paused: bool) -> None:
        """Stop or resume claiming from a queue. Harmless when repeated."""
        ...

    async def hand_over(self, *, limit: int, after: TaskId | None = None) -> list[Task]:
        """Up to `limit` waiting tasks, held ones too, in the order in which they were stored; changes nothing.

        Each has its `twins`.

        With `after`, those stored later than that task, which need not be waiting; none, if it is not stored.
        """
        ...

    async def receive(self, tasks: Sequence[Task]) -> list[TaskId]:
        """Store waiting tasks of another store, each as it is, all or none, in their order; those that were new.

        Ids that are stored already change nothing. Holds are looked at anew. A task that has not had its turn is held
        after its former, if that is stored here or comes in the same write and has its turn still to come: by the
        rule of `add`, whether it was held where it comes from or freed by `forget`. One held as unknown stays so, and
        is freed as any other. Other holds are dropped. A step of a chain is held by the rule of `add` after what it
        needs, as far as that is stored here or comes in the same write. A task takes its key, unless another task holds
        that here: then it waits beside that one. Its twins stay names of it. Raises ValueError, with nothing stored,
        for a task that is not waiting.
        """
        ...

    async def forget(self, ids: Collection[TaskId]) -> list[TaskId]:
        """Delete waiting tasks, which another store has received; those deleted.

        Who was held after them in a line is freed; a step of a chain that needs one stays held.
        """
        ...

    async def agenda(self) -> Agenda:
        """All schedules, and the store's now. Cheap: asked every second."""
        ...

    async def plan(self, plans: Sequence[Plan], *, starting: bool) -> None:
        """Make these schedules known, and note that they were spoken of now.

        A new one counts its ticks from now. So does one whose function or line is another here, but that changes only
        if the caller is `starting`, or nobody has spoken of the old one for a minute: of two versions of the code, the
        one that started last decides. Whether it is paused stays.
        """
        ...

    async def tick(self, ticks: Sequence[Tick]) -> list[TaskId]:
        """Make each of these ticks, if nobody has: its calls are stored in the write that notes it; their ids.

        A tick is made if the schedule has this line, its last tick is `after`, `to` has come by the store's clock, and
        it is not paused. One by hand is made if the schedule has this line and was asked to run, paused or not; that
        is over then.
        """
        ...

    async def steer(self, name: str, how: Steer) -> bool:
        """Pause, resume, ask to run once, or forget a schedule; whether there is one of this name.

        One that is resumed counts its ticks from now, so that those of its pause were not missed; one that was not
        paused stays as it is. One that is forgotten comes back with the next worker that plans it.
        """
        ...
