#!/usr/bin/env python3
"""Makes the development environment, and runs the project's commands in it.

Needs Python 3.11 or newer with pip, nothing else. Everything is put into this folder: the environments into `.venv`
and `.venv-oldest`, uv into `.boot` if there is none. Once an environment is ready, no network is used.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent
BOOT = ROOT / ".boot"
CONSTRAINTS = ROOT / "constraints.txt"
BIN = "Scripts" if os.name == "nt" else "bin"


@dataclass(frozen=True)
class Environment:
    """A folder with the package, all its extras and one dependency group, in the versions of constraints.txt."""

    folder: Path
    group: str
    instead: tuple[str, ...] = ()  # pins that stand in place of those in constraints.txt

    @property
    def python(self) -> Path:
        return self.folder / BIN / ("python.exe" if os.name == "nt" else "python")

    @property
    def stamp(self) -> Path:
        return self.folder / ".ready"


@dataclass(frozen=True)
class Command:
    """What `dev.py NAME` runs: `steps` one after another, all of them, also when one has failed."""

    promise: str
    steps: tuple[tuple[str, ...], ...]
    environment: Environment


NEWEST = Environment(ROOT / ".venv", group="dev")
OLDEST = Environment(
    ROOT / ".venv-oldest", group="test", instead=("fastapi==0.128.2", "starlette==0.50.0", "httpx==0.28.1")
)
PYTEST = ("python", "-m", "pytest")
SIDE_BY_SIDE = ("-n", "logical", "--maxprocesses", "4", "--dist", "worksteal")  # processes, each with its own servers
PYTEST_CONTRACT = (*PYTEST, *SIDE_BY_SIDE, "-m", "not soak", "tests/contract")  # on the twins too
# An old FastAPI uses what the libraries of today deprecate.
# The command line does not ask which FastAPI there is.
PYTEST_OLDEST = (
    *(*PYTEST, "-W", "ignore::DeprecationWarning"),
    *("tests/doors", "--ignore-glob=*/test_cli_*.py"),
)
CHECKS = (
    ("ruff", "check", "."),
    ("ruff", "format", "--check", "."),
    ("mypy",),
    ("pyright", "--project", "."),  # or it would heed a file of settings in a folder above
    ("lint-imports", "--no-logo", "--no-cache"),  # its cache does not notice that an imported module has appeared
)
BENCH = (
    *("python", "benchmarks/run.py", "--quick", "--workloads", "http", "request"),
    *("--systems", "plain", "starlette", "afterwards-sqlite", "afterwards-adopted"),
)
FIXES = (
    ("ruff", "check", "--fix", "."),
    ("ruff", "format", "."),
)
COMMANDS = {
    "demo": Command("the registration demo", (("python", "-m", "afterwards", "demo"),), NEWEST),
    "test": Command("all tests but the long ones", ((*PYTEST, *SIDE_BY_SIDE),), NEWEST),
    "check": Command("lint, format, types and the direction of imports", CHECKS, NEWEST),
    "fix": Command("mend what lint and format can mend", FIXES, NEWEST),
    "contract": Command(
        "what every store promises", ((*PYTEST, *SIDE_BY_SIDE, "-m", "not soak", "tests/contract"),), NEWEST
    ),
    "soak": Command("the long tests", ((*PYTEST, "-m", "soak"),), NEWEST),
    "shots": Command("the pictures of the dashboard", (("python", "-m", "docs.images.shots"),), NEWEST),
    "bench": Command("ours beside FastAPI's own background tasks, in three minutes", (BENCH,), NEWEST),
    "bench-peers": Command("all systems under all workloads, for hours", (("python", "benchmarks/run.py"),), NEWEST),
    "docs": Command("the examples and links of the docs", ((*PYTEST, "tests/test_docs.py"),), NEWEST),
    "oldest": Command("the doors under the oldest FastAPI", (PYTEST_OLDEST,), OLDEST),
}


def main() -> int:
    if sys.version_info < (3, 11):
        sys.exit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")
    name, arguments = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("--help", [])
    if name in ("-h", "--help", "help"):
        print(usage())
        return 0
    if name not in COMMANDS:
        sys.exit(f"dev.py has no command {name!r}\n\n{usage()}")
    command = COMMANDS[name]
    if arguments and len(command.steps) > 1:
        sys.exit(f"dev.py {name} runs several programs and takes no arguments")
    make(command.environment)
    if len(command.steps) == 1:
        become(command.environment, [*command.steps[0], *arguments])
    return run_all(command)


def usage() -> str:
    lines = [f"  {name:<13}{command.promise}" for name, command in COMMANDS.items()]
    return "\n".join(["python3 dev.py COMMAND [arguments of what it runs]", "", *lines])


def become(environment: Environment, step: Sequence[str]) -> None:
    """Ends this process with `step` in its place, so that signals reach it."""
    program, variables = str(environment.folder / BIN / step[0]), surroundings(environment)
    os.chdir(ROOT)
    if os.name == "nt":  # where exec would give the prompt back at once
        sys.exit(subprocess.call([program, *step[1:]], env=variables))
    os.execve(program, [program, *step[1:]], variables)


def run_all(command: Command) -> int:
    failed = []
    for step in command.steps:
        print(f"== {' '.join(step)}", flush=True)
        program = str(command.environment.folder / BIN / step[0])
        if subprocess.call([program, *step[1:]], cwd=ROOT, env=surroundings(command.environment)) != 0:
            failed.append(" ".join(step))
    print(f"== failed: {', '.join(failed)}" if failed else "== all well", flush=True)
    return 1 if failed else 0


def surroundings(environment: Environment) -> dict[str, str]:
    """This process's variables as they are when the environment is activated."""
    return {
        **os.environ,
        "VIRTUAL_ENV": str(environment.folder),
        "PATH": os.pathsep.join([str(environment.folder / BIN), os.environ.get("PATH", os.defpath)]),
        "PYRIGHT_PYTHON_CACHE_DIR": str(BOOT / "pyright"),
        "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1",
    }


def make(environment: Environment) -> None:
    """Leaves the environment ready. One that is half made, moved, or made from other requirements is made anew."""
    wanted = fingerprint(environment)
    if is_ready(environment, wanted):
        return
    with only_one():
        if is_ready(environment, wanted):  # made by another process, while this one waited
            return
        print(f"making {environment.folder.name} …", file=sys.stderr, flush=True)
        uv = find_uv()
        run(uv, "venv", "--quiet", "--clear", "--python", sys.executable, environment.folder)
        run(
            *(uv, "pip", "install", "--quiet", "--python", environment.python),
            *("--constraints", write_constraints(environment), "--group", environment.group),
            *("--editable", ".[all]", *environment.instead),
        )
        environment.stamp.write_text(wanted, encoding="utf-8")


def is_ready(environment: Environment, wanted: str) -> bool:
    stamp = environment.stamp
    return environment.python.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == wanted


def fingerprint(environment: Environment) -> str:
    """Differs when another environment would come out. How the tools are set up does not count."""
    import tomllib  # not in a Python that main() has yet to refuse

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    del project["tool"]
    wanted = (project, CONSTRAINTS.read_text(encoding="utf-8"), str(ROOT), sys.version_info[:2], environment)
    return sha256(repr(wanted).encode()).hexdigest()


def write_constraints(environment: Environment) -> Path:
    """constraints.txt without the lines that the environment's own pins replace."""
    replaced = {pin.split("==")[0] for pin in environment.instead}
    lines = CONSTRAINTS.read_text(encoding="utf-8").splitlines()
    path = environment.folder / "constraints.txt"
    path.write_text("\n".join(line for line in lines if line.split("==")[0] not in replaced) + "\n", encoding="utf-8")
    return path


def find_uv() -> str:
    own = str(BOOT / "bin")
    found = shutil.which("uv") or shutil.which("uv", path=own)
    if not found:
        quiet = ("--quiet", "--disable-pip-version-check", "--root-user-action", "ignore")
        run(sys.executable, "-m", "pip", "install", *quiet, "--target", BOOT, "uv")
        found = shutil.which("uv", path=own)
    if not found:
        sys.exit(f"uv is not in {own}, though pip installed it there: remove {BOOT} and try again")
    return found


def run(*command: str | Path) -> None:
    words = [str(word) for word in command]
    # Without it uv trusts its own list of certificates only, and fails behind a proxy that the system trusts.
    variables = {"UV_SYSTEM_CERTS": "true", **os.environ}
    if subprocess.call(words, cwd=ROOT, env=variables) != 0:
        sys.exit(f"dev.py could not make its environment; this failed: {' '.join(words)}")


@contextlib.contextmanager
def only_one() -> Iterator[None]:
    """Waits until no other dev.py of this folder makes an environment. The system frees the lock of a dead process."""
    BOOT.mkdir(exist_ok=True)
    with (BOOT / "lock").open("a+b") as lock:
        if sys.platform == "win32":
            import msvcrt  # exists on Windows alone

            lock.seek(0)
            msvcrt.locking(lock.fileno(), msvcrt.LK_LOCK, 1)
        else:
            import fcntl  # does not exist on Windows

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    sys.exit(main())
