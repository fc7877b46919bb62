"""The steps of the schema, which is the form of what is in the keys. Each is a script: from one version to the next.

A store's `meta` names each step that it has had, with the oldest code that may still work with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from importlib.resources import files
from typing import cast

from afterwards.migrations import Applied, Migration, pending
from afterwards.stores.redis.scripts import Script, script, whole

_NUMBER = re.compile(r"(\d{4})_\w+\.lua")
_OLDEST_CODE = re.compile(r"^-- oldest code: (\d+)$", re.MULTILINE)

Call = Callable[[Script, Sequence[str]], object]

_STEP = """\
-- with: shared gates steps
if call('HEXISTS', META, 'schema:{version}') == 0 then
{body}
call('HSET', META, 'schema:{version}', '{oldest_code}')
end
return answer({{}})
"""


@cache
def migrations() -> tuple[Migration, ...]:
    """All steps that this version knows, in their order."""
    folder = files("afterwards.stores.redis").joinpath("schema")
    named = sorted((file.name, file.read_text(encoding="utf-8")) for file in folder.iterdir())
    return tuple(_migration(name, text) for name, text in named if name.endswith(".lua"))


def applied(call: Call) -> tuple[str, Applied]:
    """The store's identity, empty if it has none yet, and the steps that it has had."""
    identity, steps = cast("tuple[bytes, list[tuple[bytes, bytes]]]", call(script("open"), []))
    return identity.decode(), {int(version): int(oldest) for version, oldest in steps}


def migrate(call: Call, place: str, *, identity: str) -> str:
    """Take the steps that are missing; the store's identity, which is `identity` if it is new.

    Raises StoreUnusable for a schema that is too new for this code.
    """
    _, before = applied(call)
    for step in pending(migrations(), before, place):
        call(whole(_STEP.format(version=step.version, oldest_code=step.oldest_code, body=step.sql)), [identity])
    return applied(call)[0]


def _migration(name: str, text: str) -> Migration:
    number, oldest_code = _NUMBER.fullmatch(name), _OLDEST_CODE.search(text)
    if number is None or oldest_code is None:
        raise ValueError(f"{name} has not the form 0001_what.lua, or does not say which code may still work with it")
    return Migration(version=int(number[1]), oldest_code=int(oldest_code[1]), sql=text)
