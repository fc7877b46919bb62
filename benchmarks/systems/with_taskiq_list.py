"""taskiq-redis with a list, which loses what a worker held when it dies; settings as those of the stream."""

from __future__ import annotations

from taskiq_redis import ListQueueBroker

from systems.contract import URL
from systems.taskiq_system import system

broker = ListQueueBroker(URL)
SYSTEM = system(broker, "systems.with_taskiq_list:broker")
