"""The command `check`: what is wrong with this set-up, in words."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Sequence

from afterwards.app import Afterwards
from afterwards.checkup import Checkup, Finding, Level, note
from afterwards.cli.judging import judge, nobody_works_here
from afterwards.cli.printing import print_json, print_text
from afterwards.cli.words import listed
from afterwards.harmless import harmless
from afterwards.stores import examine
from afterwards.tasks import Census

_WIDTH = 110
_MARKS = {Level.WELL: "ok", Level.NOTE: "note", Level.WRONG: "WRONG"}


def check(afterwards: Afterwards, *, app_works: bool, json: bool) -> int:
    """Write what was found; the exit code is 1 if something is wrong."""
    checkup = examine(afterwards.house.settings.url)
    findings = [*checkup.findings, *_about_work(afterwards, checkup, app_works=app_works)]
    wrong = sum(finding.level is Level.WRONG for finding in findings)
    if json:
        print_json([_as_json(finding) for finding in findings])
    else:
        print_text(_in_words(checkup.place, findings, wrong))
    return 1 if wrong else 0


def _about_work(afterwards: Afterwards, checkup: Checkup, *, app_works: bool) -> list[Finding]:
    if checkup.behind:
        return [note("tasks", "not counted: the schema is brought up to date first, when the app starts")]
    if checkup.exists:
        return judge(asyncio.run(_census(afterwards)), app_works=app_works)
    return [] if app_works or checkup.unreadable else [nobody_works_here()]


async def _census(afterwards: Afterwards) -> Census:
    store = afterwards.house.store
    try:
        return await store.census()
    finally:
        await store.close()


def _as_json(finding: Finding) -> dict[str, str]:
    return {"level": finding.level, "subject": finding.subject, "says": finding.says}


def _in_words(place: str, findings: Sequence[Finding], wrong: int) -> str:
    rows = [(_MARKS[finding.level], finding.subject, harmless(finding.says)) for finding in findings]
    width = min(shutil.get_terminal_size((_WIDTH, 0)).columns, _WIDTH)
    verdict = "Nothing is wrong." if not wrong else f"{wrong} {'thing is' if wrong == 1 else 'things are'} wrong."
    return f"{harmless(place)}\n\n{listed(rows, width)}\n\n{verdict}"
