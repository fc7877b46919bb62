"""What an Afterwards refuses to be told, in words, before anything starts."""

from __future__ import annotations

from typing import Any

import pytest

from afterwards import Afterwards, UnsupportedURL


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"concurrency": 0}, "concurrency is a whole number"),
        ({"concurrency": 2.5}, "concurrency is a whole number"),
        ({"concurrency": "5"}, "concurrency is a whole number"),
        ({"threads": True}, "threads is a whole number"),
        ({"max_bytes": -1}, "max_bytes is a whole number"),
        ({"worker": "no"}, "worker is True or False"),
        ({"retry": 3}, "retry takes a Retry"),
        ({"queues": "mail"}, "queues takes a list of names"),
        ({"queues": 5}, "queues takes a list of names"),
        ({"queues": []}, "queues is empty"),
        ({"queues": [""]}, "queues takes a name"),
        ({"queues": [1]}, "queues takes a name"),
        ({"lease": 0}, "lease cannot be zero"),
        ({"lease": -1}, "lease cannot be negative"),
        ({"grace": "10"}, "grace takes seconds"),
        ({"retention": float("nan")}, "retention takes a finite number"),
        ({"add_timeout": 0}, "add_timeout cannot be zero"),
        ({"when_unnameable": "x"}, "when_unnameable is one of raise, local"),
        ({"url": 5}, "url is a text"),
    ],
)
def test_nonsense_is_refused_in_words(told: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Afterwards(**{"url": "sqlite://", **told})


def test_an_empty_url_is_no_url() -> None:
    with pytest.raises(UnsupportedURL):
        Afterwards(url="")


async def test_nonsense_is_refused_by_what_looks_and_steers() -> None:
    async with Afterwards(url="sqlite://").opened() as afterwards:
        with pytest.raises(ValueError, match="state is one of waiting, running, done, failed, cancelled"):
            await afterwards.find(state="x")
        with pytest.raises(ValueError, match="limit is a whole number"):
            await afterwards.find(limit=0)
        with pytest.raises(ValueError, match="queue takes a name"):
            await afterwards.pause("")
