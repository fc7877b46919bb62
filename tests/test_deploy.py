"""What stands in deploy/ is well formed, fits together, and its commands run.

No container engine runs here: the Compose file and the manifest are checked against the schemas of the Compose
specification and of Kubernetes, and their commands run as plain processes on a PostgreSQL server. That images can be
built, and that a cluster takes the manifest, is not shown.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import kubernetes_validate  # type: ignore[import-untyped]
import pytest
import yaml  # type: ignore[import-untyped]

from tests import databases

PROJECT = Path(__file__).parents[1]
DEPLOY = PROJECT / "deploy"
COMPOSE: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
RESOURCES: list[dict[str, Any]] = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
GRACE = 20  # as deploy/app/tasks.py says
LAST_STEPS = 15  # seconds in which a worker gives back what is left
URLOPEN = re.compile(r"http://127\.0\.0\.1:(\d+)(/\w+)")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="containers run Linux")


def deployment(name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(
        each["spec"]["template"]["spec"]
        for each in RESOURCES
        if each["kind"] == "Deployment" and each["metadata"]["name"] == name
    )
    return found


def container(name: str) -> dict[str, Any]:
    [found] = deployment(name)["containers"]
    assert isinstance(found, dict)
    return found


def dockerfile() -> list[list[str]]:
    """Its instructions, each with its words."""
    lines = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").splitlines()
    return [line.split(maxsplit=1) for line in lines if line and not line.startswith("#")]


def seconds(duration: str) -> int:
    assert duration.endswith("s")
    return int(duration[:-1])


def test_the_compose_file_keeps_to_the_compose_specification():
    program = Path(sys.executable).with_name("check-jsonschema")
    words = [str(program), "--builtin-schema", "vendor.compose-spec", str(DEPLOY / "compose.yaml")]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda each: f"{each['kind']}-{each['metadata']['name']}")
@pytest.mark.parametrize("version", ["1.30", kubernetes_validate.latest_version()])
def test_the_manifest_keeps_to_the_schema_of_kubernetes(resource: dict[str, Any], version: str):
    kubernetes_validate.validate(resource, version, strict=True)


def test_the_schemas_would_notice_a_mistake(tmp_path: Path):
    misspelt = json.loads(json.dumps(RESOURCES[1]))
    misspelt["spec"]["template"]["spec"]["terminationGracePeriod"] = 5
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(misspelt, kubernetes_validate.latest_version(), strict=True)


def test_nothing_is_killed_before_its_tasks_have_had_their_grace():
    assert f"grace={GRACE}" in (DEPLOY / "app" / "tasks.py").read_text(encoding="utf-8")
    assert seconds(SERVICES["workers"]["stop_grace_period"]) > GRACE + LAST_STEPS
    assert deployment("workers")["terminationGracePeriodSeconds"] > GRACE + LAST_STEPS


def test_nothing_is_killed_before_its_requests_have_been_answered():
    command = shlex.split(" ".join(json.loads(dict(dockerfile())["CMD"])))
    graceful = int(command[command.index("--timeout-graceful-shutdown") + 1])
    pre_stop = int(container("app")["lifecycle"]["preStop"]["exec"]["command"][1])
    assert seconds(SERVICES["app"]["stop_grace_period"]) > graceful
    assert deployment("app")["terminationGracePeriodSeconds"] > graceful + pre_stop


def test_the_url_with_its_password_stands_in_no_file():
    for service in ("app", "workers"):
        assert "${POSTGRES_PASSWORD:?" in SERVICES[service]["environment"]["AFTERWARDS_URL"]
    assert "${POSTGRES_PASSWORD:?" in SERVICES["database"]["environment"]["POSTGRES_PASSWORD"]
    [secret] = [each for each in RESOURCES if each["kind"] == "Secret"]
    assert "REPLACE-ME" in secret["stringData"]["AFTERWARDS_URL"]
    for name in ("app", "workers"):
        [variable] = [each for each in container(name)["env"] if each["name"] == "AFTERWARDS_URL"]
        reference = variable["valueFrom"]["secretKeyRef"]
        assert (reference["name"], reference["key"]) == (secret["metadata"]["name"], "AFTERWARDS_URL")


def test_the_app_leaves_the_tasks_to_the_workers():
    assert SERVICES["app"]["environment"]["AFTERWARDS_WORKER"] == "0"
    assert {"name": "AFTERWARDS_WORKER", "value": "0"} in container("app")["env"]


def test_probes_ask_where_health_is_answered():
    words = SERVICES["workers"]["command"]
    found = URLOPEN.search(SERVICES["workers"]["healthcheck"]["test"][-1])
    assert found is not None
    assert (f"127.0.0.1:{found[1]}", found[2]) == (words[words.index("--health") + 1], "/ready")

    workers = container("workers")
    [port] = workers["ports"]
    assert f"0.0.0.0:{port['containerPort']}" == workers["args"][workers["args"].index("--health") + 1]
    assert workers["livenessProbe"]["httpGet"] == {"path": "/live", "port": port["name"]}
    assert workers["readinessProbe"]["httpGet"] == {"path": "/ready", "port": port["name"]}
    [http] = container("app")["ports"]
    assert container("app")["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": http["name"]}


def test_everything_waits_for_a_database_that_answers():
    for name in ("app", "workers"):
        assert SERVICES[name]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert SERVICES["database"]["healthcheck"]["test"][1] == "pg_isready"


def test_labels_lead_from_each_deployment_and_service_to_its_pods():
    labels = {}
    for each in RESOURCES:
        if each["kind"] == "Deployment":
            pods = each["spec"]["template"]["metadata"]["labels"]
            assert each["spec"]["selector"]["matchLabels"] == pods
            labels[each["metadata"]["name"]] = pods
    [service] = [each for each in RESOURCES if each["kind"] == "Service"]
    assert service["spec"]["selector"] == labels["app"]


def test_the_image_copies_what_exists_installs_what_exists_and_does_not_run_as_root():
    instructions = dockerfile()
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text(encoding="utf-8").split()
    for word, rest in instructions:
        if word == "COPY":
            for source in rest.split()[:-1]:
                assert (PROJECT / source).exists(), source
                assert f"!{source}" in ignored, f"{source} is kept out of the build"
    [extras] = re.findall(r'"/source\[([\w,]+)\]"', (DEPLOY / "Dockerfile").read_text(encoding="utf-8"))
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(extras.split(",")) <= set(project["optional-dependencies"])
    [user] = [rest for word, rest in instructions if word == "USER"]
    assert int(user) == deployment("app")["securityContext"]["runAsUser"] > 0
    assert instructions[-1][0] == "CMD"


# The commands run


@pytest.fixture
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[list[str]], subprocess.Popen[bytes]]]:
    """Starts a program of the environment as the image would, on an empty database."""
    processes: list[subprocess.Popen[bytes]] = []
    variables = {**os.environ, "AFTERWARDS_URL": databases.new(request), "AFTERWARDS_WORKER": "0"}

    def started(words: list[str]) -> subprocess.Popen[bytes]:
        program = str(Path(sys.executable).with_name(words[0]))
        with (tmp_path / "output").open("ab") as output:
            process = subprocess.Popen(
                [program, *words[1:]], cwd=DEPLOY / "app", env=variables, stdout=output, stderr=output
            )
        processes.append(process)
        return process

    yield started
    for process in processes:
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until_well(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            if httpx2.get(url, timeout=5).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        assert time.monotonic() < deadline, url
        time.sleep(0.05)


@pytest.mark.parametrize(
    "words", [SERVICES["workers"]["command"], container("workers")["args"]], ids=["compose", "kubernetes"]
)
def test_the_commands_run_and_what_the_app_stores_the_workers_do(
    words: list[str], start: Callable[[list[str]], subprocess.Popen[bytes]], tmp_path: Path
):
    health, port = free_port(), free_port()
    host = words[-1].rpartition(":")[0]
    workers = start([*words[:-1], f"{host}:{health}"])
    command = json.loads(dict(dockerfile())["CMD"])
    at = command.index("--port") + 1
    app = start([*command[:at], str(port), *command[at + 1 :]])
    until_well(f"http://127.0.0.1:{health}/ready")
    until_well(f"http://127.0.0.1:{port}/healthz")
    answer = httpx2.post(f"http://127.0.0.1:{port}/register/a@b.c")
    assert answer.status_code == 202
    deadline = time.monotonic() + 20
    while "welcome, a@b.c" not in (tmp_path / "output").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    app.terminate()
    workers.terminate()
    assert workers.wait(20) == 0
    app.wait(20)
