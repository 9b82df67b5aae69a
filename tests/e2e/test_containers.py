"""Every step in its real, hardened image and on the laptop: the same decisions and numbers, bit for bit."""

import hashlib
import http.client
import importlib.util
import io
import json
import os
import re
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import localrun
from core.backends.registry import open_registry
from core.build_context import CERTIFICATES, content_digest, files
from core.images import GROUPS, local_references, reference
from core.store import Store
from core.user_code import ROOT
from localrun.environments.docker import has_engine, image_id
from mlops.report.outcome import Outcome
from mlops.worlds.finished import run_to_end
from mlops.worlds.laptop import Laptop
from mlops.worlds.machine import containers
from mlops.worlds.world import RunRequest, WorldContext
from pipelines.config import find, load
from tests.free_port import free_port

pytestmark = pytest.mark.timeout(1200)

USER = f"{54321 if os.getuid() == 0 else os.getuid()}:{54321 if os.getuid() == 0 else os.getgid()}"
"""Nobody's number where we are root, who would be more than a step may need."""
TIMES = {"start-up in seconds", "median latency in ms"}
OF_DOCKER = {".dockerenv", "dev/console", "etc/hostname", "etc/hosts", "etc/resolv.conf"}
"""Files that docker puts into every container."""
EXACT = ("statistics", "anomalies", "evaluation", "metrics", "pictures")
"""Outputs whose every byte must be the same; a SavedModel's graph has names in it that TensorFlow counts through."""


@pytest.fixture(scope="module", autouse=True)
def _images() -> None:
    if not has_engine():
        pytest.skip("no Docker engine answers")
    if missing := [name for name in local_references().values() if not image_id(name)]:
        pytest.skip(f"not in the local Docker: {', '.join(missing)}; `mlops images build` builds them")


@dataclass(frozen=True)
class Ran:
    """A run, as the product and as the runner saw it."""

    outcome: Outcome
    run: localrun.Run

    def output(self, name: str) -> Path:
        return next(task.outputs.artifacts[name].path for task in self.run.tasks if name in task.outputs.artifacts)


def _run(home: Path, *, contained: bool) -> Ran:
    with Laptop(WorldContext(Store(home), in_containers=contained)) as laptop:
        outcome, _ = run_to_end(laptop, RunRequest(load(find("flight_delay"))))
    assert outcome.pushed is not None, f"{outcome.headline} {[task.error for task in outcome.tasks if task.error]}"
    return Ran(outcome, localrun.show(home, outcome.run.run_id))


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return _run(tmp_path_factory.mktemp("here") / "home", contained=False)


@pytest.fixture(scope="module")
def contained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    before = os.umask(0)  # so that the user of the containers can write where we made folders
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(containers, "HARDENED", (*containers.HARDENED, f"--user={USER}"))
            yield _run(tmp_path_factory.mktemp("contained") / "home", contained=True)
    finally:
        os.umask(before)


def test_every_step_ran_in_its_own_image(contained: Ran) -> None:
    wanted = set(local_references().values())
    for task in contained.run.tasks:
        assert task.log is not None
        argv = json.loads((task.log.parent / "launch.json").read_text(encoding="utf-8"))["argv"]
        assert argv[:2] == ["docker", "run"]
        assert task.image in wanted
        assert task.image in argv
        assert {*containers.HARDENED, f"--user={USER}"} <= set(argv)
    assert {task.image for task in contained.run.tasks} == wanted


def test_the_gates_decide_the_same_on_the_same_observations(here: Ran, contained: Ran) -> None:
    for ours, theirs in zip(here.outcome.decisions, contained.outcome.decisions, strict=True):
        assert (ours.gate, ours.verdict) == (theirs.gate, theirs.verdict)
        observed = [
            {check.rule: check for check in decision.checks if check.rule.partition(" <=")[0] not in TIMES}
            for decision in (ours, theirs)
        ]
        assert observed[0] == observed[1]


def test_what_was_made_is_the_same_byte_for_byte(here: Ran, contained: Ran) -> None:
    for ours, theirs in zip(here.run.tasks, contained.run.tasks, strict=True):
        for name in set(EXACT) & set(ours.outputs.artifacts):
            assert ours.outputs.artifacts[name].digest == theirs.outputs.artifacts[name].digest, f"{ours.path}: {name}"
        assert ours.outputs.parameters.keys() == theirs.outputs.parameters.keys()
    assert _shards(here.output("examples")) == _shards(contained.output("examples"))


def test_the_models_have_the_same_weights(here: Ran, contained: Ran) -> None:
    """Predictions are compared as bytes above: the evaluation's `parity.jsonl` holds them."""
    ours, theirs = (
        np.load(ran.output("model") / "Format-Serving" / "assets.extra" / "weights.npz") for ran in (here, contained)
    )
    assert sorted(ours) == sorted(theirs)
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])


def _shards(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*.gz")
    }


def _in(group: str, *argv: str) -> str:
    hardened = [*containers.HARDENED, f"--user={USER}"]
    done = subprocess.run(
        ["docker", "run", "--rm", *hardened, reference(group), *argv],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_plain_docker_build_is_sent_what_the_tag_is_made_of(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text('FROM scratch\nCOPY . /\nCMD ["-"]\n', encoding="utf-8")
    name = f"mlops-test-context-{os.getpid()}"
    subprocess.run(
        ["docker", "build", "--quiet", "--tag", name, "--file", tmp_path / "Dockerfile", ROOT],
        check=True,
        capture_output=True,
        timeout=120,
    )
    try:
        made = subprocess.run(
            ["docker", "create", name], check=True, capture_output=True, text=True, timeout=60
        ).stdout.strip()
        packed = subprocess.run(["docker", "export", made], check=True, capture_output=True, timeout=60).stdout
        subprocess.run(["docker", "rm", made], check=True, capture_output=True, timeout=60)
    finally:
        subprocess.run(["docker", "rmi", name], check=False, capture_output=True, timeout=60)
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        sent = {member.name for member in archive if member.isfile()}
    assert sent - OF_DOCKER - {CERTIFICATES} == set(files())


@pytest.mark.parametrize("group", GROUPS)
def test_an_image_holds_exactly_what_its_tag_says(group: str) -> None:
    assert _in(
        group, "python3", "-c", "from core.build_context import *; print(content_digest(), *files(), sep='\\n')"
    ).split() == [
        content_digest(),
        *files(),
    ]
    there = _in(group, "find", "/app", "-type", "f", "-not", "-path", "*/__pycache__/*").split()
    assert sorted(path.removeprefix("/app/") for path in there) == files()


@pytest.mark.parametrize("group", GROUPS)
def test_an_image_holds_no_tools_and_nothing_of_its_user(group: str) -> None:
    assert _in(group, "mlops", "--help").startswith("Usage: mlops")
    told = subprocess.run(
        ["docker", "image", "inspect", reference(group)], capture_output=True, text=True, check=True
    ).stdout
    (known,) = json.loads(told)
    assert known["Config"]["User"] == "10001:10001"
    assert known["Config"]["Labels"]["ml-in-production.content"] == content_digest()
    assert re.fullmatch(
        r"[0-9a-f]{40}(-changed)?", known["Config"]["Labels"].get("org.opencontainers.image.revision", "0" * 40)
    )
    assert _in(group, "sh", "-c", "command -v gcc g++ cc uv || true") == ""
    assert (
        _in(
            group,
            "sh",
            "-c",
            "find / -xdev \\( -user 10001 -o -name ca-bundle.crt \\) -not -path '/proc/*' 2>/dev/null || true",
        )
        == ""
    )


@pytest.mark.parametrize("group", GROUPS)
def test_a_bill_of_materials_names_what_is_installed(group: str) -> None:
    sbom = json.loads(_in(group, "cat", "/sbom.json"))
    assert sbom["bomFormat"] == "CycloneDX"
    assert "serialNumber" not in sbom
    assert "timestamp" not in sbom["metadata"]
    argv = (
        "from importlib.metadata import distributions as d; "
        "print(*(f\"{one.metadata['Name']}=={one.version}\" for one in d()))"
    )
    installed = {
        re.sub(r"[-_.]+", "-", name).lower() for name in _in(group, "/opt/venv/bin/python3", "-c", argv).split()
    }
    listed = {re.sub(r"[-_.]+", "-", f"{one['name']}=={one['version']}").lower() for one in sbom["components"]}
    assert installed <= listed, installed - listed


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with a tiny model in production under a use case's name."""
    spec = importlib.util.spec_from_file_location(
        "tiny_models", Path(__file__).parents[1] / "unit" / "serving" / "tiny_models.py"
    )
    assert spec is not None
    assert spec.loader is not None
    tiny = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tiny)
    home = tmp_path_factory.mktemp("served")
    models = open_registry(str(home / "models"))
    models.promote(
        "flight_delay", models.publish("flight_delay", tiny.export_delay(home / "exported", bias=-1.0), {}).version
    )
    home.chmod(0o777)
    for folder in home.rglob("*"):
        folder.chmod(folder.stat().st_mode | 0o055 if folder.is_dir() else 0o644)
    return home


@pytest.fixture
def server(registry: Path) -> Iterator[tuple[str, int]]:
    """A container that serves, hardened, with the registry read-only; its name and port."""
    port = free_port()
    name = f"mlops-test-{port}"
    hardened = [word for word in containers.HARDENED if word != "--network=none"]
    mounts = [
        "--mount",
        f"type=bind,source={registry / 'models'},target=/store/models,readonly",
        "--tmpfs=/store:rw,mode=1777",
    ]
    argv = [
        "docker",
        "run",
        "--detach",
        "--name",
        name,
        *hardened,
        f"--user={USER}",
        "--network=host",
        *mounts,
        "--env=MLOPS_HOME=/store",
    ]
    subprocess.run(
        [*argv, reference("serving"), "mlops", "serve", "flight_delay", "--port", str(port)],
        check=True,
        capture_output=True,
        timeout=60,
    )
    try:
        _until_ready(name, port)
        yield name, port
    finally:
        subprocess.run(["docker", "rm", "--force", name], check=False, capture_output=True, timeout=60)


def _until_ready(name: str, port: int) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.2)
        finally:
            connection.close()
    pytest.fail(
        subprocess.run(["docker", "logs", name], check=False, capture_output=True, text=True, timeout=60).stderr
    )


def test_the_server_answers_what_it_was_asked_before_it_ends(server: tuple[str, int]) -> None:
    name, port = server
    row = {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9}
    body = json.dumps({"instances": [row]}).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.putrequest("POST", "/v1/models/flight_delay:predict")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:10])
    subprocess.run(
        ["docker", "kill", "--signal", signal.SIGTERM.name, name], check=True, capture_output=True, timeout=30
    )
    time.sleep(0.5)
    connection.send(body[10:])
    response = connection.getresponse()
    answer: Any = json.load(response)
    assert response.status == 200, answer
    assert 0 < answer["predictions"][0][0] < 1
    ended = subprocess.run(["docker", "wait", name], check=True, capture_output=True, text=True, timeout=60).stdout
    assert ended.strip() == "0"


def test_containers_end_with_their_runner(tmp_path: Path) -> None:
    """Killed at once, a runner takes its containers with it."""
    environment = {**os.environ, "MLOPS_HOME": str(tmp_path / "home")}
    argv = [sys.executable, "-m", "mlops.cli.main", "run", "flight_delay", "--containers"]
    with subprocess.Popen(
        argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as runner:
        assert runner.stderr is not None
        assert any(line.startswith("ingest-examples: RUNNING") for line in runner.stderr)
        names = _appear("ingest-examples-", seconds=30)
        runner.kill()
    deadline = time.monotonic() + 30
    while _running(*names):
        assert time.monotonic() < deadline, f"{names} run on"
        time.sleep(0.2)


def _appear(beginning: str, seconds: float) -> list[str]:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := _running(beginning):
            return found
        time.sleep(0.05)
    pytest.fail(f"no container {beginning}* within {seconds:g} s")


def _running(*beginnings: str) -> list[str]:
    told = subprocess.run(
        ["docker", "ps", "--format", "{{.Names}}"], check=True, capture_output=True, text=True, timeout=30
    ).stdout.split()
    return [name for name in told if name.startswith(beginnings)]
