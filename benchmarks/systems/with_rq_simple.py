"""rq with its SimpleWorker, which runs jobs in its own process: faster, and a job that dies takes the worker along."""

from __future__ import annotations

from systems.rq_system import system

SYSTEM = system("rq.worker.SimpleWorker")
