"""Opens gates that have room though nothing said so, and forgets quotas that no worker declares."""

from __future__ import annotations

from typing import cast

from afterwards.gates import MOST_SWEPT
from afterwards.stores.redis.errands import Ask, Talk
from afterwards.tasks import Gate


def sweep(after: Gate | None) -> Talk[Gate | None]:
    """Some of the gates, from one on; where the next is to go on."""
    start = after or Gate(quota="")
    told = cast("list[bytes]", (yield Ask("sweep", [start.quota, start.key, MOST_SWEPT])))
    return Gate(quota=told[0].decode(), key=told[1].decode()) if told else None
