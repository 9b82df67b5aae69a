"""`mlops images` with a pretended docker: what is built, with which arguments, and what is reported of a failure."""

import inspect
import io
import json
import os
import sys
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from core import digest
from core.build_context import CERTIFICATES, files
from core.errors import UsageError
from core.images import GROUPS, PREFIX, local_references, tag
from core.store import Store
from mlops.cli.main import cli
from mlops.cluster.errors import ClusterError, CommandFailed
from mlops.cluster.images import builds
from mlops.cluster.images.project import BUDGETS, Images, names
from mlops.cluster.programs import commands
from mlops.cluster.programs.commands import Commands

DOCKER = """#!{python} -IS
import json, os, sys
from pathlib import Path

folder = Path({folder!r})
argv = sys.argv[1:]
with (folder / "calls").open("a") as calls:
    calls.write(json.dumps(argv) + "\\n")
images = json.loads((folder / "images.json").read_text())
for when, error in json.loads((folder / "faults.json").read_text()).items():
    if when in " ".join(argv):
        print(error, file=sys.stderr)
        sys.exit(1)
if argv[0] == "version":
    print(json.dumps({{"Client": {{"Version": "28.0.0"}}, "Server": {{"Version": "20.10.24"}}}}))
elif argv[:2] == ["image", "inspect"]:
    if argv[2] not in images:
        sys.exit(1)
    print(json.dumps([images[argv[2]]]))
elif argv[0] == "pull":
    images[argv[1]] = {{"Id": "sha256:base", "Size": 10**8, "Config": {{"Labels": None}}}}
elif argv[0] == "build":
    (folder / "context").write_bytes(sys.stdin.buffer.read())
    labels = dict(argv[at + 1].split("=", 1) for at, word in enumerate(argv) if word == "--label")
    target = argv[argv.index("--target") + 1]
    size = json.loads((folder / "sizes.json").read_text()).get(target, 10**8)
    reference = argv[argv.index("--tag") + 1]
    images[reference] = {{"Id": f"sha256:{{target}}", "Size": size, "Config": {{"Labels": labels}}}}
    print("Step 1/2 : FROM base", "Successfully built", sep="\\n")
elif argv[0] == "run":
    print('{{"bomFormat": "CycloneDX"}}')
elif argv[0] == "push":
    print(f"tag: digest: sha256:{{argv[1].split('/')[-1].split(':')[0].encode().hex():0<64}} size: 1")
(folder / "images.json").write_text(json.dumps(images))
"""
BASE = "python:3.11-slim"


@dataclass
class Machine:
    """A docker, and the environment in which it is found."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def set(self, name: str, value: Any) -> None:
        (self.folder / f"{name}.json").write_text(json.dumps(value), encoding="utf-8")

    @property
    def store(self) -> Store:
        return Store(self.folder / "home")

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "calls").read_text(encoding="utf-8").splitlines()]

    def built(self) -> list[list[str]]:
        return [argv for argv in self.calls if argv[0] == "build"]

    def images(self, **environment: str) -> Images:
        return Images(Commands({**os.environ, **self.environment, **environment}), self.store)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "docker").write_text(DOCKER.format(python=sys.executable, folder=str(folder)), encoding="utf-8")
    (folder / "docker").chmod(0o755)
    (folder / "calls").touch()
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    for module in (commands, builds):  # as in `world`: a function to call in the child makes Python fork
        monkeypatch.setattr(module, "die_with_parent", None)
    for name in [name for name in os.environ if name.startswith("MLOPS_") or name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    machine = Machine(folder, {"PATH": path})
    machine.set("images", {BASE: {"Id": "sha256:base", "Size": 10**8, "Config": {"Labels": None}}})
    machine.set("faults", {})
    machine.set("sizes", {})
    return machine


def _build(machine: Machine, *groups: str, **environment: str) -> list[str]:
    lines: list[str] = []
    machine.images(**environment).build(names(groups), lines.append)
    return lines


def test_only_what_is_missing_is_built_and_both_are_logged(machine: Machine) -> None:
    _build(machine, "tfx")
    assert [argv[argv.index("--target") + 1] for argv in machine.built()] == ["tfx"]
    lines = _build(machine)
    assert [argv[argv.index("--target") + 1] for argv in machine.built()] == ["tfx", "data", "serving"]
    assert f"ml-in-production/tfx:{tag()} is built: 100 of {BUDGETS['tfx']} MB" in lines
    _build(machine)
    assert len(machine.built()) == 3
    machine.images().build(names(()), lines.append, rebuild=True)
    assert len(machine.built()) == 6


def test_what_is_sent_is_what_the_tag_is_made_of(machine: Machine, tmp_path: Path) -> None:
    (tmp_path / "bundle.pem").write_text("certificate", encoding="utf-8")
    _build(machine, "data", MLOPS_IMAGE_CA_BUNDLE=str(tmp_path / "bundle.pem"))
    with tarfile.open(fileobj=io.BytesIO((machine.folder / "context").read_bytes())) as archive:
        sent = {member.name: member for member in archive}
        assert set(sent) == {*files(), CERTIFICATES}
        assert {(member.mode, member.uid, member.mtime) for member in sent.values()} == {(0o644, 0, 0)}
    pack = inspect.unwrap(builds.context)
    assert pack({}) == pack({}) == builds.context({})
    with pytest.raises(UsageError, match="MLOPS_IMAGE_CA_BUNDLE: wanted a file of certificates, got /nowhere"):
        _build(machine, "serving", MLOPS_IMAGE_CA_BUNDLE="/nowhere")


def test_all_that_comes_from_outside_can_be_named(machine: Machine) -> None:
    _build(
        machine,
        "data",
        MLOPS_IMAGE_INDEX="https://index.example/simple",
        MLOPS_IMAGE_DEBIAN="http://debian.example",
        MLOPS_IMAGE_UV="0.13.8",
        MLOPS_IMAGE_NETWORK="host",
        MLOPS_IMAGE_OVERRIDES=f"{BASE}=mirror.example/python:3.11-slim",
        https_proxy="http://user:secret@proxy.example:3128",
    )
    (argv,) = machine.built()
    given = [argv[at + 1] for at, word in enumerate(argv) if word == "--build-arg"]
    assert given == [
        "PACKAGE_INDEX=https://index.example/simple",
        "DEBIAN_MIRROR=http://debian.example",
        "UV_VERSION=0.13.8",
        "BASE_IMAGE=mirror.example/python:3.11-slim",
        "https_proxy",
    ]
    assert argv[argv.index("--network") + 1] == "host"
    assert "secret" not in (machine.folder / "calls").read_text(encoding="utf-8")
    assert argv[-1] == "-"


def test_nothing_is_named_where_nothing_is_set(machine: Machine) -> None:
    _build(machine, "data")
    (argv,) = machine.built()
    assert "--build-arg" not in argv
    assert "--network" not in argv


def test_an_image_says_where_it_comes_from(machine: Machine) -> None:
    _build(machine, "data")
    labels = dict(
        argv.split("=", 1)
        for argv in machine.built()[0]
        if argv.startswith(("org.opencontainers", "ml-in-production.content"))
    )
    assert labels["org.opencontainers.image.base.name"] == BASE
    assert labels["org.opencontainers.image.version"]
    assert labels["ml-in-production.content"].startswith(f"sha256:{tag()}")


def test_another_base_is_another_image(machine: Machine) -> None:
    _build(machine, "data")
    machine.set(
        "images",
        json.loads((machine.folder / "images.json").read_text())
        | {"other:1": {"Id": "sha256:other", "Size": 1, "Config": {}}},
    )
    _build(machine, "data", MLOPS_IMAGE_OVERRIDES=f"{BASE}=other:1")
    assert len(machine.built()) == 2


def test_what_was_built_is_recorded_with_its_bill_of_materials(machine: Machine) -> None:
    _build(machine)
    built = json.loads(machine.store.images.read_text(encoding="utf-8"))["built"][tag()]
    assert built.keys() == set(GROUPS)
    for group, facts in built.items():
        kept = machine.store.root / "images" / f"sbom-{group}-{facts['sbom'].removeprefix('sha256:')}.json"
        assert digest.of_file(kept) == facts["sbom"]
        assert facts["id"] == f"sha256:{group}"


def test_an_image_over_its_budget_is_an_error(machine: Machine) -> None:
    machine.set("sizes", {"serving": 2_500_000_000})
    with pytest.raises(
        ClusterError, match=rf"ml-in-production/serving:\w+ takes 2500 of {BUDGETS['serving']} MB: over the budget"
    ):
        _build(machine)
    assert len(machine.built()) == 3


def test_a_base_that_is_not_here_is_pulled_or_named(machine: Machine) -> None:
    machine.set("images", {})
    machine.set("faults", {"pull": "lookup registry.example: no such host"})
    with pytest.raises(
        ClusterError,
        match=r"base image python:3\.11-slim .* no such host; .*MLOPS_IMAGE_OVERRIDES=python:3\.11-slim=OTHER",
    ):
        _build(machine)
    machine.set("faults", {})
    assert f"pulling {BASE}, which is not in the local Docker yet" in _build(machine)


@pytest.mark.parametrize(
    ("error", "hint"),
    [
        ("write /opt/venv/x: no space left on device", "docker system df"),
        ("invalid peer certificate: UnknownIssuer", "MLOPS_IMAGE_CA_BUNDLE"),
        ("Temporary failure in name resolution", "MLOPS_IMAGE_NETWORK=host"),
        ("error: something else", "its last lines:\nerror: something else"),
    ],
)
def test_a_build_that_fails_shows_its_last_lines_and_a_hint(machine: Machine, error: str, hint: str) -> None:
    machine.set("faults", {"--target": error})
    with pytest.raises(CommandFailed) as failed:
        _build(machine)
    assert error in str(failed.value)
    assert hint in str(failed.value)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda machine: (machine.folder / "docker").unlink(), "docker: not installed"),
        (
            lambda machine: machine.set("faults", {"version": "Cannot connect to the Docker daemon"}),
            "Cannot connect to the Docker daemon; start Docker",
        ),
    ],
    ids=["no docker", "no engine"],
)
def test_without_docker_the_message_says_how_to_get_it(
    machine: Machine, spoil: Callable[[Machine], None], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(machine)
    machine.environment["PATH"] = str(machine.folder)
    with pytest.raises(ClusterError, match=message):
        _build(machine)


def test_sources_that_change_while_they_are_packed_are_not_built(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = machine.images()
    monkeypatch.setattr("mlops.cluster.images.project.tag", lambda: "another")
    with pytest.raises(ClusterError, match="changed while they were packed"):
        found.build(names(()), lambda _: None)
    assert not machine.built()


def test_pushing_records_digests_that_pipelines_are_compiled_with(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ClusterError, match="run `mlops images build`"):
        machine.images().push("host:5000", lambda _: None)
    _build(machine)
    pushed = machine.images().push("host:5000/", lambda _: None)
    assert pushed[f"{PREFIX}tfx"].startswith("host:5000/ml-in-production/tfx@sha256:")
    assert [
        "tag",
        local_references()[f"{PREFIX}tfx"],
        f"host:5000/{local_references()[f'{PREFIX}tfx']}",
    ] in machine.calls
    monkeypatch.setenv("MLOPS_HOME", str(machine.store.root))
    monkeypatch.setenv("MLOPS_IMAGE_REGISTRY", "host:5000")
    target = machine.folder / "pipeline.yaml"
    done = CliRunner().invoke(cli, ["compile", "flight_delay", "-o", str(target)], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert f"image: {pushed[f'{PREFIX}serving']}\n" in target.read_text(encoding="utf-8")


def test_the_verbs_tell_machines_the_same(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLOPS_HOME", str(machine.store.root))
    listed = json.loads(CliRunner().invoke(cli, ["images", "list", "--json"], catch_exceptions=False).stdout)["images"]
    assert [one["present"] for one in listed] == [False, False, False]
    built = CliRunner().invoke(cli, ["images", "build", "data", "--json"], catch_exceptions=False)
    assert [one["present"] for one in json.loads(built.stdout)["images"]] == [True, False, False]
    shown = CliRunner().invoke(cli, ["images", "list"], catch_exceptions=False).stdout
    assert f"100 of {BUDGETS['data']} MB" in shown
    assert "not built: mlops images build tfx" in shown
    told = json.loads(CliRunner().invoke(cli, ["images", "config", "--json"], catch_exceptions=False).stdout)
    assert told.keys() == {variable.name for variable in builds.VARIABLES}
