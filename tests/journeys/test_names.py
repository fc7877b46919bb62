"""How functions of the script that was started are named, and found by other processes and by its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
from afterwards.errors import CannotName
from afterwards.names import name_of, resolve

def send(): ...

class Mailer:
    @classmethod
    def send(cls): ...

def told(function):
    try:
        return name_of(function)
    except CannotName as error:
        return f"CannotName: {error}"

if __name__ == "__main__":
    print(told(send))
    print(told(Mailer.send))
    if ":" in told(send) and "CannotName" not in told(send):
        print(resolve(told(send)) is send)
"""


def run(*arguments: str, folder: Path, text: str | None = None) -> list[str]:
    """What a Python process says, line by line."""
    ended = subprocess.run(
        [sys.executable, *arguments], cwd=folder, input=text, capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    package = tmp_path / "package"
    package.mkdir()
    for path in ("script.py", "a-script.py", "package/module.py", "package/__main__.py", "__main__.py", "json.py"):
        tmp_path.joinpath(path).write_text(SCRIPT)
    package.joinpath("__init__.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "module"),
    [
        (("script.py",), "script"),
        (("./script.py",), "script"),
        (("-m", "script"), "script"),
        (("-m", "package.module"), "package.module"),
        (("-m", "package"), "package.__main__"),
    ],
)
def test_a_script_that_others_can_import_goes_by_the_name_they_import(arguments, module, folder):
    assert run(*arguments, folder=folder) == [f"{module}:send", f"{module}:Mailer.send", "True"]

    elsewhere = f"from afterwards.names import resolve; print(resolve('{module}:send').__qualname__)"
    assert run("-c", elsewhere, folder=folder) == ["send"]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("-c", SCRIPT), None),
        (("-",), SCRIPT),
        (("a-script.py",), None),
        (("package/__main__.py",), None),
        ((".",), None),
    ],
)
def test_what_no_other_process_can_import_has_no_name(arguments, text, folder):
    said = run(*arguments, folder=folder, text=text)
    assert len(said) == 2
    assert all("CannotName" in line and "Move it to the top level of a module" in line for line in said)


def test_a_script_in_the_shadow_of_another_module_has_no_name(folder):
    scripts = folder / "scripts"
    scripts.mkdir()
    scripts.joinpath("json.py").write_text("import sys; del sys.path[0]\n" + SCRIPT)
    assert "CannotName" in run("scripts/json.py", folder=folder)[0]


def test_a_script_that_is_also_imported_is_named_and_found_both_ways(folder):
    folder.joinpath("both.py").write_text(
        SCRIPT + "    import both\n    print(told(both.send))\n    print(resolve(told(send)) is both.send)\n"
    )
    assert run("both.py", folder=folder) == ["both:send", "both:Mailer.send", "True", "both:send", "True"]


def test_a_process_that_multiprocessing_spawned_gives_the_same_names(folder):
    folder.joinpath("spawning.py").write_text(
        SCRIPT
        + "    import multiprocessing\n"
        + "    context = multiprocessing.get_context('spawn')\n"
        + "    with context.Pool(1) as pool:\n"
        + "        print(pool.apply(told, (send,)))\n"
    )
    for arguments in (("spawning.py",), ("-m", "spawning")):
        assert run(*arguments, folder=folder)[-1] == "spawning:send"
