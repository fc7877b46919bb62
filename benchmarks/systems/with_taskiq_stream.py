"""taskiq-redis with a stream, which its documentation recommends since it acknowledges; no result backend.

Its worker command with one process, 100 tasks at once, uvloop, hiredis; messages in JSON by orjson.
"""

from __future__ import annotations

from taskiq_redis import RedisStreamBroker

from systems.contract import URL
from systems.taskiq_system import system

broker = RedisStreamBroker(URL)
SYSTEM = system(broker, "systems.with_taskiq_stream:broker")
