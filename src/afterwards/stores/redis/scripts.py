"""The scripts of `lua/`, each with what it stands on, and the keys that all of them get."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

_STANDS_ON = re.compile(r"^-- with: ([\w ]+)$", re.MULTILINE)
_NAMES = (
    *("meta", "calls", "lives", "texts", "index", "waiting", "suspects", "followers", "unknown", "running", "stopping"),
    *("ended", "workers", "leases", "paused", "lines", "schedules", "holders", "twins", "names", "kept"),
    *("quotas", "declared", "limited", "gates", "standing", "openings", "opens", "passes", "tallies"),
    *("chains", "broken", "spared"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A whole script. `sha` is the name under which a server that has it runs it."""

    text: str
    sha: str


@cache
def script(name: str) -> Script:
    """The script in the file of this name."""
    return whole(_read(name))


def whole(text: str) -> Script:
    """A script of this text, with the files in front that its first line names."""
    stands_on = _STANDS_ON.search(text)
    parts = [*(map(_read, stands_on[1].split()) if stands_on else ()), text]
    all_of_it = "\n".join(parts)
    return Script(text=all_of_it, sha=hashlib.sha1(all_of_it.encode()).hexdigest())


def keys(tag: str) -> list[str]:
    """The keys of a store, in the order in which `shared.lua` names them; one hash tag, so one slot."""
    return [f"{{{tag}}}:{name}" for name in _NAMES]


def channel(tag: str) -> str:
    """Where it is said that somebody may have something to claim."""
    return f"{{{tag}}}:wake"


def _read(name: str) -> str:
    return files("afterwards.stores.redis").joinpath("lua", f"{name}.lua").read_text(encoding="utf-8")
