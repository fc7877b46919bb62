"""A request's own key: what it adds comes under it, so that the same request sent again adds nothing anew. Pure."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta

from afterwards.tasks import Call

LONGEST_VALUE = 255  # characters of the header's value


class RequestKey:
    """The key of one request, made of whatever tells it from others; each call gets its own part of it.

    A call's part is its function and its number among the calls of that function in the request.
    """

    def __init__(self, *parts: str, unique_for: timedelta) -> None:
        self._hash = hashlib.sha256(json.dumps(parts).encode()).hexdigest()
        self._unique_for = unique_for
        self._counts = Counter[str]()

    def give(self, call: Call) -> Call:
        """The call under its part; one with a key of its own keeps that."""
        if call.key is not None:
            return call
        self._counts[call.name] += 1
        return replace(call, key=f"request:{self._hash}:{self._counts[call.name]}", unique_for=self._unique_for)
