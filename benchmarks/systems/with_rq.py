"""rq: its worker command as it comes, which forks for each job; the code is imported before, results are not kept."""

from __future__ import annotations

from systems.rq_system import system

SYSTEM = system("rq.worker.Worker")
