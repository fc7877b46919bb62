"""Every example runs, and every link leads somewhere. How to write a page so that it is tested:

* A ```python block must compile (`await` at the top is allowed). What is not a whole piece of Python is ```text.
* A ```python run block is a whole program. It is written to `main.py` in an empty folder and imported there as `main`
  by a new process, as `uvicorn main:app` would do; it must end by itself, without an error, within 60 seconds.
  Let it prove its point with `assert`, through `TestClient` if it has an app.
* A ```python title="tasks_app.py" block is a file, which stands beside the `main.py` of every `run` block below it on
  the same page. Both words together (run title="main.py") only show the name.
* A program in examples/ is one file, run as `python FILE`, or one folder with a `__main__.py`, run as
  `python -m FOLDER`. It works in an empty folder and must end like the others: one that serves for ever when a person
  starts it shows what it can do and ends when the variable `CI` is set, as it is here.
* A relative link or image in README*.md or docs/ must name a file or folder of the project.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PAGES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^ *(?P<ticks>`{3,}|~{3,}) *(?P<words>[^`]*)$")
TITLE = re.compile(r'title="([\w./-]+)"')
LINK = re.compile(r'\]\(\s*<?([^)\s>]+)>?[^)]*\)|^\[[^\]]+\]:\s*(\S+)|(?:src|href)="([^"]+)"', re.MULTILINE)
LONGEST_RUN = 60


@dataclass(frozen=True)
class Block:
    page: Path
    start: int  # the lines of its fences
    end: int
    language: str
    words: str
    code: str

    @property
    def runs(self) -> bool:
        return "run" in TITLE.sub("", self.words).split()

    @property
    def title(self) -> str | None:
        found = TITLE.search(self.words)
        return found[1] if found else None


def blocks_of(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page. Raises ValueError if one is never closed."""
    lines = enumerate(page.read_text(encoding="utf-8").splitlines())
    for start, line in lines:
        if fence := FENCE.match(line):
            language, _, words = fence["words"].partition(" ")
            code = list(until_closed(lines, fence["ticks"], page))
            yield Block(page, start, start + len(code) + 1, language, words, textwrap.dedent("\n".join(code)) + "\n")


def until_closed(lines: Iterator[tuple[int, str]], ticks: str, page: Path) -> Iterator[str]:
    for _, line in lines:
        if line.strip().startswith(ticks) and not line.strip().strip(ticks[0]):
            return
        yield line
    raise ValueError(f"{page} has a code block that is never closed")


def prose_of(page: Path) -> str:
    """The page without what stands in code."""
    lines = page.read_text(encoding="utf-8").splitlines()
    for block in blocks_of(page):
        lines[block.start : block.end + 1] = [""] * (block.end + 1 - block.start)
    return re.sub(r"`[^`\n]*`", "", "\n".join(lines))


def links_of(page: Path) -> Iterator[str]:
    """The relative links of a page, without their #anchors."""
    for found in LINK.finditer(prose_of(page)):
        target = unquote(next(group for group in found.groups() if group)).split("#")[0]
        if target and not re.match(r"[a-z][a-z0-9+.-]*:|//", target):
            yield target


def place(block: Block) -> str:
    return f"{block.page.relative_to(ROOT).as_posix()}:{block.start + 1}"


def run(arguments: Sequence[str], *, folder: Path, modules: Path | None = None) -> None:
    """Runs Python in `folder`, as a user would who has set nothing, and fails with its output if it fails."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("AFTERWARDS_")}
    variables |= {"CI": "true"} | ({"PYTHONPATH": str(modules)} if modules else {})
    process = subprocess.Popen(
        [sys.executable, *arguments],
        cwd=folder,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        output, _ = process.communicate(timeout=LONGEST_RUN)
    except subprocess.TimeoutExpired:
        process.kill()
        output, _ = process.communicate()
        pytest.fail(f"did not end within {LONGEST_RUN} s\n{output}", pytrace=False)
    if process.returncode != 0:
        pytest.fail(f"ended with {process.returncode}\n{output}", pytrace=False)


BLOCKS = [block for page in PAGES for block in blocks_of(page) if block.language in ("python", "py")]
PROGRAMS = sorted(
    path
    for path in EXAMPLES.glob("*")
    if (path.suffix == ".py" or path.is_dir()) and not path.name.startswith((".", "__"))
)


@pytest.mark.parametrize("block", BLOCKS, ids=place)
def test_a_block_of_python_compiles(block: Block):
    unknown = {*TITLE.sub("", block.words).split()} - {"run"}
    assert unknown == set(), 'only `run` and title="…" mean something behind ```python'
    compile(block.code, place(block), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.runs], ids=place)
def test_a_program_of_the_docs_runs(block: Block, tmp_path: Path):
    above = [other for other in BLOCKS if other.page == block.page and other.start < block.start and not other.runs]
    for file in [other for other in above if other.title]:
        path = tmp_path / str(file.title)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(file.code, encoding="utf-8")
    (tmp_path / "main.py").write_text(block.code, encoding="utf-8")
    run(["-c", "import main"], folder=tmp_path)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.name)
def test_an_example_runs(program: Path, tmp_path: Path):
    run(["-m", program.name] if program.is_dir() else [str(program)], folder=tmp_path, modules=EXAMPLES)


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_the_links_of_a_page_lead_to_files(page: Path):
    assert [target for target in links_of(page) if not is_ours((page.parent / target).resolve())] == []


def is_ours(path: Path) -> bool:
    return path.exists() and path.is_relative_to(ROOT)
