"""How a task hangs together with others in a chain: what it needs, and whose results it gets. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import cast
from uuid import UUID

from typing_extensions import TypeAliasType

# The task whose result is meant; of a group those of its members, in their order.
Source = TypeAliasType("Source", "UUID | tuple[Source, ...]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """The place of a task in a `chain`, which has the id of its first task.

    It waits until all that it `needs` have ended, and then starts if all are done; `anyway`, whatever became of them.
    `source` says whose results it gets, None if it takes none; of tasks that stayed in another store they are `given`,
    as JSON texts. `followed`: others need it.
    """

    chain: UUID
    needs: tuple[UUID, ...] = ()
    source: Source | None = None
    anyway: bool = False
    followed: bool = False
    given: Mapping[UUID, str] = field(default_factory=dict[UUID, str])


def needs_others(link: Link | None) -> bool:
    """Whether a call with this link is held until others have ended."""
    return link is not None and bool(link.needs)


def sources(source: Source | None) -> Iterator[UUID]:
    """All tasks that are meant, in their order."""
    if isinstance(source, UUID):
        yield source
    for part in source if isinstance(source, tuple) else ():
        yield from sources(part)


def link_text(link: Link) -> str:
    """A link as it is stored."""
    fields = {
        "chain": str(link.chain),
        "needs": [str(id) for id in link.needs],
        "source": _listed(link.source),
        "anyway": link.anyway,
        "followed": link.followed,
        "given": {str(id): text for id, text in link.given.items()},
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))


def link(stored: str | None) -> Link | None:
    """A stored link."""
    if stored is None:
        return None
    fields = json.loads(stored)
    return Link(
        chain=UUID(fields["chain"]),
        needs=tuple(map(UUID, fields["needs"])),
        source=_source(fields["source"]),
        anyway=fields["anyway"],
        followed=fields["followed"],
        given={UUID(id): text for id, text in cast("dict[str, str]", fields["given"]).items()},
    )


def _listed(source: Source | None) -> object:
    return [_listed(part) for part in source] if isinstance(source, tuple) else source and str(source)


def _source(stored: object) -> Source | None:
    if isinstance(stored, list):
        return tuple(cast("Source", _source(part)) for part in cast("list[object]", stored))
    return UUID(stored) if isinstance(stored, str) else None
