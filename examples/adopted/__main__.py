"""Sends one request, lets its task run, and prints what it wrote."""

from __future__ import annotations

import asyncio

from fastapi.testclient import TestClient

from adopted.main import afterwards, app
from adopted.shop import ORDERS

with TestClient(app) as client:
    print(client.post("/orders/7").json())
    asyncio.run(afterwards.drain())
print(ORDERS.read_text(encoding="utf-8"), end="")
