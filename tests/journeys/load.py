"""Separate workers, and clients that keep an app busy: what the journeys over a server share."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections import Counter

import httpx2

from afterwards import State
from tests.journeys.harness import Journey, Server, until

CLIENTS = 4


def start_worker(journey: Journey) -> subprocess.Popen[bytes]:
    """A separate worker, signed on."""
    worker = journey.start([sys.executable, "-m", "afterwards", "worker", "the_app:afterwards"])
    until(lambda: worker.pid in pids_of_workers(journey), "the worker has signed on")
    return worker


def pids_of_workers(journey: Journey) -> set[int]:
    return {worker.pid for worker in journey.census().workers}


class Load:
    """Clients that post without pause. What got a 200 is noted, others are counted by status (0: none)."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._post, args=(start,), daemon=True) for start in range(CLIENTS)]
        self.accepted: list[int] = []
        self.others: Counter[int] = Counter()
        for thread in self._threads:
            thread.start()

    def _post(self, start: int) -> None:
        number = start
        with self._server.client() as client:
            while not self._stopping.is_set():
                try:
                    answer = client.post(f"/coroutine/{number}", params={"seconds": random.uniform(0, 0.02)})
                except httpx2.HTTPError:
                    self.others[0] += 1
                    continue
                if answer.status_code == 200:
                    self.accepted.append(number)
                else:
                    self.others[answer.status_code] += 1
                number += CLIENTS

    def has_grown_to(self, count: int) -> bool:
        return len(self.accepted) >= count

    def stop(self) -> None:
        """No more; returns when the last answer has come."""
        self._stopping.set()
        for thread in self._threads:
            thread.join()


def all_has_run(journey: Journey, load: Load) -> None:
    until(lambda: set(load.accepted) <= journey.ended(), "everything that was accepted has run", timeout=60)
    until(lambda: journey.unfinished() == 0, "nothing is left over", timeout=60)
    by_state = journey.census().by_state
    assert by_state[State.DONE] >= len(load.accepted)
    assert by_state[State.FAILED] == 0
