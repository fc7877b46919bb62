"""The statements of `queries.sql`, each with its values in the places that PostgreSQL wants."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

from afterwards.statements import parse

_NAME = re.compile(r"(?<![:\w]):([a-z_]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """`sql` has `$1`, `$2` … where the file has `:name`; `names` are these names, in that order."""

    sql: str
    names: tuple[str, ...]

    def places(self, values: Mapping[str, object]) -> list[object]:
        """The values in their order. Raises KeyError for one that is missing."""
        return [values[name] for name in self.names]


def numbered(sql: str) -> Statement:
    """A statement with numbers in place of names."""
    names = tuple(dict.fromkeys(_NAME.findall(sql)))
    return Statement(sql=_NAME.sub(lambda name: f"${names.index(name[1]) + 1}", sql), names=names)


STATEMENTS: Mapping[str, Statement] = {
    name: numbered(sql)
    for name, sql in parse(
        files("afterwards.stores.postgres").joinpath("queries.sql").read_text(encoding="utf-8")
    ).items()
}


def sql_of(name: str) -> str:
    """The text of a statement that runs outside of a store's verbs."""
    return STATEMENTS[name].sql
