"""Whoever tries every verb while a server is away tries them all."""

from __future__ import annotations

from afterwards.store import Store
from tests.stores.away import ASK_NOTHING, VERBS


def test_every_verb_of_a_store_is_tried_here():
    assert {name for name in vars(Store) if not name.startswith("_")} == VERBS.keys() | ASK_NOTHING
