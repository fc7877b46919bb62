"""A diary, and tasks that write into it: what has run is what stands there."""

import asyncio
import threading
from collections.abc import Callable

PATIENCE = 15.0  # seconds until a condition that never comes true fails its test


class Diary:
    """Lines in the order in which they were written, from any thread."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._written = threading.Condition()

    @property
    def lines(self) -> list[str]:
        with self._written:
            return list(self._lines)

    def write(self, line: str) -> None:
        with self._written:
            self._lines.append(line)
            self._written.notify_all()

    def clear(self) -> None:
        with self._written:
            self._lines.clear()

    def wait_for(self, *lines: str) -> list[str]:
        """Everything that stands there, once all of `lines` do."""
        return self.wait_until(lambda written: set(lines) <= set(written), f"{lines}")

    def wait_until(self, is_true: Callable[[list[str]], bool], what: str) -> list[str]:
        with self._written:
            if not self._written.wait_for(lambda: is_true(self._lines), timeout=PATIENCE):
                raise AssertionError(f"waited for {what}; written is {self._lines}")
            return list(self._lines)


diary = Diary()
gate = threading.Event()


async def note(text: str) -> None:
    diary.write(text)


def note_in_thread(text: str) -> None:
    diary.write(text)


async def fail(text: str) -> None:
    diary.write(text)
    raise RuntimeError(text)


def wait_at_the_gate(text: str) -> None:
    diary.write(f"{text} waits")
    assert gate.wait(PATIENCE)
    diary.write(text)


async def slowly(text: str) -> None:
    """Long enough that a next task which did not wait would be first."""
    diary.write(f"{text} begins")
    await asyncio.sleep(0.05)
    diary.write(f"{text} ends")
