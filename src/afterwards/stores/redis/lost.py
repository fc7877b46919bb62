"""Remembers what was sent and never answered: it may have been done all the same, and is asked for once more."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence

from afterwards.tasks import Claim, WorkerId


class Lost:
    """Written and read by the threads that send."""

    def __init__(self) -> None:
        self._changing = threading.Lock()
        self._claims: dict[WorkerId, set[str]] = defaultdict(set)
        self._settlements: dict[tuple[Claim, ...], str] = {}

    def claims(self, worker: WorkerId, token: str) -> None:
        """Tasks may run for this worker, marked with `token`, that it does not know of."""
        with self._changing:
            self._claims[worker].add(token)

    def tokens_of(self, worker: WorkerId) -> tuple[str, ...]:
        """What is to be looked for when it claims again."""
        with self._changing:
            return tuple(self._claims.get(worker, ()))

    def found(self, worker: WorkerId, tokens: Iterable[str]) -> None:
        """It was looked for."""
        with self._changing:
            left = self._claims.get(worker, set()).difference(tokens)
            self._claims[worker] = left
            if not left:
                del self._claims[worker]

    def settlement(self, claims: Sequence[Claim], token: str) -> None:
        """These may have been settled."""
        with self._changing:
            self._settlements[tuple(claims)] = token

    def token_for(self, claims: Sequence[Claim]) -> str | None:
        """The token under which the very same were settled without an answer."""
        with self._changing:
            return self._settlements.pop(tuple(claims), None)
