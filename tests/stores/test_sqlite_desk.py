"""What comes to a desk that has been closed: no second thread, and an answer all the same."""

from __future__ import annotations

import threading
import time

import pytest

from afterwards.asking import Asker, deliver
from afterwards.errors import StoreUnavailable
from afterwards.stores.sqlite.desk import Desk
from afterwards.stores.sqlite.errands import Errand, Verb, each, plain
from afterwards.stores.sqlite.verbs import nothing

NAME = "a desk of a test"


def an_errand(asker: Asker | None = None) -> Errand:
    verb = plain(Verb(doing="doing nothing", write=each(nothing)))
    return Errand(verb=verb, request=None, deadline=time.monotonic() + 10, asker=asker)


def threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == NAME]


async def test_an_errand_that_comes_after_the_end_is_refused_and_starts_no_thread() -> None:
    desk = Desk(NAME, work=deliver, let_go=lambda: None)
    served, late = Asker(), Asker()
    first, second = an_errand(served), an_errand(late)
    desk.hand_in([first])
    assert await served.answer(first.miss) is None
    desk.close()
    assert threads() == []
    desk.hand_in([second])
    with pytest.raises(StoreUnavailable, match="closed"):
        await late.answer(second.miss)
    assert threads() == []
    desk.close()


async def test_an_errand_that_nobody_asks_for_is_dropped_after_the_end() -> None:
    desk = Desk(NAME, work=deliver, let_go=lambda: None)
    desk.close()
    desk.hand_in([an_errand()])
    assert threads() == []
