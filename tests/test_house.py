"""The rules of the house that no other tool checks: sizes, words, tasks without an owner, statements without a use."""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, TypeVar

import pytest

import afterwards

PROJECT = Path(__file__).parents[1]
SOURCE = PROJECT / "src" / "afterwards"
LONGEST_FILE = 300
LONGEST_FUNCTION = 40
WORDS_NOT_USED = {"backend", "broker", "helper", "job", "manager", "util"}

AnyFunction: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef
AnyDefinition: TypeAlias = ast.Module | ast.ClassDef | AnyFunction
Node = TypeVar("Node", bound=ast.AST)


@dataclass(frozen=True)
class Module:
    path: Path
    text: str

    @property
    def name(self) -> str:
        return self.path.relative_to(SOURCE).as_posix()

    @property
    def tree(self) -> ast.Module:
        return ast.parse(self.text)

    @property
    def functions(self) -> list[AnyFunction]:
        return [*self.find(ast.FunctionDef), *self.find(ast.AsyncFunctionDef)]

    def find(self, kind: type[Node]) -> Iterator[Node]:
        return (node for node in ast.walk(self.tree) if isinstance(node, kind))


MODULES = [Module(path, path.read_text(encoding="utf-8")) for path in sorted(SOURCE.rglob("*.py"))]
QUERIES = sorted(path for path in SOURCE.rglob("*.sql") if path.parent.name != "schema")


def test_no_file_is_longer_than_a_reader_can_hold():
    lengths = {module.name: len(module.text.splitlines()) - docstring_lines(module.tree) for module in MODULES}
    assert {name: length for name, length in lengths.items() if length > LONGEST_FILE} == {}


def test_no_function_is_longer_than_a_screen():
    lengths = {
        f"{module.name}:{function.lineno} {function.name}": lines_of(function) - docstring_lines(function)
        for module in MODULES
        for function in module.functions
    }
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}


def test_every_asyncio_task_is_owned_by_a_group():
    orphans = [
        f"{module.name}:{call.lineno} {ast.unparse(call.func)}"
        for module in MODULES
        for call in module.find(ast.Call)
        if makes_an_orphan(call.func)
    ]
    assert orphans == []


def test_imports_are_absolute():
    relative = [
        f"{module.name}:{statement.lineno}"
        for module in MODULES
        for statement in module.find(ast.ImportFrom)
        if statement.level > 0
    ]
    assert relative == []


def test_every_ignore_names_what_it_ignores_and_why():
    bare = [f"{module.name}:{line} {comment}" for module in MODULES for line, comment in bare_ignores(module.text)]
    assert bare == []


def test_the_words_of_other_houses_are_not_used():
    foreign = [
        f"{module.name}: {name}"
        for module in MODULES
        for name in [*names_of_path(module.path), *names_defined(module)]
        if words_of(name) & WORDS_NOT_USED
    ]
    assert foreign == []


@pytest.mark.parametrize("queries", QUERIES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_every_statement_is_used_has_its_reason_and_exists(queries: Path):
    text = queries.read_text(encoding="utf-8")
    code = [module for module in MODULES if module.path.is_relative_to(queries.parent)]
    statements, fragments = headings(text, "name"), headings(text, "fragment")
    used, fragments_used = {name for module in code for name in mentions(module)}, set(re.findall(r"\{(\w+)\}", text))
    asked_for = {name for module in code for name in subscripts(module, "STATEMENTS")}

    assert statements, "a file of statements has `-- name: …` above each"
    assert set(statements) - used == set(), "statements that no code uses"
    assert asked_for - set(statements) == set(), "statements that the code uses and no file has"
    assert set(fragments) ^ fragments_used == set(), "fragments that are unused, or do not exist"
    assert [name for name in [*statements, *fragments] if not has_reason(text, name)] == [], "no reason below the name"
    assert len(set(statements)) == len(statements), "two statements of one name"


@pytest.mark.parametrize("name", getattr(afterwards, "__all__", []))
def test_what_is_public_can_be_imported_and_is_documented(name: str):
    value = getattr(afterwards, name)
    if inspect.isclass(value) or inspect.isroutine(value):  # other values, as type aliases, carry no docstring
        own = vars(value).get("__doc__") if inspect.isclass(value) else value.__doc__
        assert own, f"{name} has no docstring"
        assert not own.startswith(f"{name}("), f"{name} has only the docstring that dataclasses write"


def test_every_dependency_is_pinned_and_by_nothing_but_its_version():
    lines = (PROJECT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; .+)?", line)] == []
    assert requirements() - {line.split("==")[0] for line in lines} == set()


def requirements() -> set[str]:
    """The names of all that pyproject.toml asks for, but the package itself."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    lists = [
        project["project"]["dependencies"],
        *project["project"]["optional-dependencies"].values(),
        *project["dependency-groups"].values(),
    ]
    asked_for = [requirement for names in lists for requirement in names if isinstance(requirement, str)]
    return {re.split(r"[^\w.-]", requirement)[0].lower() for requirement in asked_for} - {"afterwards"}


def lines_of(node: ast.stmt | ast.expr) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


def docstring_lines(tree: AnyDefinition) -> int:
    definitions = (node for node in ast.walk(tree) if isinstance(node, AnyDefinition))
    return sum(lines_of(node.body[0]) for node in definitions if ast.get_docstring(node) is not None)


def makes_an_orphan(called: ast.expr) -> bool:
    """`create_task` of anything that is not called a group: asyncio, a loop, or imported by name."""
    match called:
        case ast.Name(id="create_task") | ast.Name(id="ensure_future") | ast.Attribute(attr="ensure_future"):
            return True
        case ast.Attribute(attr="create_task", value=ast.Name(id=owner) | ast.Attribute(attr=owner)):
            return not owner.lower().endswith("group")
        case ast.Attribute(attr="create_task"):
            return True
        case _:
            return False


def bare_ignores(text: str) -> Iterator[tuple[int, str]]:
    """Ignores without a code in brackets, or without a reason after it."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        ignores = re.search(r"# ?(type|pyright|mypy|ruff): ?(ignore|noqa)|# ?noqa", token.string)
        reasoned = re.fullmatch(
            r"(# ?(type: ?ignore\[[\w, -]+\]|pyright: ?ignore\[[\w, ]+\]|noqa: ?[A-Z]+\d+(, ?[A-Z]+\d+)*)\s+)+"
            r"(#|-|–) ?\w.*",
            token.string,
        )
        if ignores and not reasoned:
            yield token.start[0], token.string


def names_of_path(path: Path) -> Sequence[str]:
    return path.relative_to(SOURCE).with_suffix("").parts


def names_defined(module: Module) -> list[str]:
    return [definition.name for definition in [*module.functions, *module.find(ast.ClassDef)]]


def words_of(name: str) -> set[str]:
    """The words of a snake_case or CamelCase name, in the singular."""
    return {word.lower().rstrip("s") for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])", name)}


def headings(text: str, kind: str) -> list[str]:
    return re.findall(rf"^-- {kind}: (\w+)$", text, re.MULTILINE)


def has_reason(text: str, name: str) -> bool:
    return re.search(rf"^-- (name|fragment): {name}\n-- \S", text, re.MULTILINE) is not None


def mentions(module: Module) -> Iterator[str]:
    """Every string and every attribute of the code: a statement is asked for by the one or the other."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Constant(value=str(name)) | ast.Attribute(attr=name):
                yield name
            case _:
                pass


def subscripts(module: Module, mapping: str) -> Iterator[str]:
    for node in ast.walk(module.tree):
        match node:
            case ast.Subscript(
                value=ast.Name(id=owner) | ast.Attribute(attr=owner), slice=ast.Constant(value=str(name))
            ) if owner == mapping:
                yield name
            case _:
                pass
