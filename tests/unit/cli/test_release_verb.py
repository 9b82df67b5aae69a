"""`mlops release`, as a person and a workflow call it."""

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from core.store import Store
from core.user_code import ROOT
from mlops.cli import main as roof
from tests.unit.artifacts.release.planted import Shop, junit

Mlops = Callable[..., tuple[int, str]]


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(str(tmp_path / "store"), tmp_path)


@pytest.fixture
def mlops(shop: Shop, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Mlops:
    declared = shop.scratch / "environments.yaml"
    declared.write_text(yaml.safe_dump(shop.environments.model_dump(mode="json", exclude_none=True), sort_keys=False))
    monkeypatch.setenv("MLOPS_HOME", shop.root)
    monkeypatch.setenv("MLOPS_ENVIRONMENTS", str(declared))

    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["mlops", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            roof.main()
            raise SystemExit(0)
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out + printed.err

    return call


def test_a_release_is_promoted_shown_and_rolled_back(shop: Shop, mlops: Mlops) -> None:
    first, second = shop.add("one"), shop.add("two")
    shop.promoted(first, "dev", "staging", "prod")
    shop.promoted(second, "dev", "staging")
    code, printed = mlops("release", "promote", "m@staging", "--from", "staging", "--to", "prod", "--why", "faster")
    assert (code, f"prod runs release {second[:19]} of m now." in printed) == (0, True), printed
    code, printed = mlops("release", "list", "m", "--json")
    found = json.loads(printed)
    assert {one["environment"]: one["release"] for one in found["environments"]} == dict.fromkeys(
        ("dev", "staging", "prod"), second
    )
    assert [one["runs_in"] for one in found["releases"] if one["id"] == second] == [["dev", "prod", "staging"]]
    code, printed = mlops("release", "rollback", "m", "--env", "prod", "--why", "slower after all")
    assert (code, f"prod runs release {first[:19]} of m again." in printed) == (0, True), printed
    code, printed = mlops("release", "list", "m", "--env", "prod")
    assert [line.split()[3] for line in printed.splitlines()] == ["promote", "promote", "rollback"]
    assert printed.splitlines()[-1].endswith("slower after all")
    code, printed = mlops("release", "show", second[7:19], "--json")
    assert json.loads(printed)["runs_in"] == ["dev", "staging"]
    assert mlops("release", "show", second)[0] == 0
    status = json.loads(mlops("status", "m", "--json")[1])["usecases"][0]["releases"]
    assert {one["environment"]: one["release"] for one in status}["prod"] == first
    assert f"release {first[7:19]}" in mlops("status", "m")[1]


def test_exit_codes_and_messages_of_a_closed_gate(shop: Shop, mlops: Mlops) -> None:
    release_id = shop.add()
    code, printed = mlops("release", "promote", release_id, "--to", "prod", "--why", "hurry")
    assert (code, "the release was in staging: it was not" in printed) == (3, True), printed
    assert mlops("release", "verify", release_id)[0] == 0
    code, printed = mlops("release", "verify", release_id, "--env", "prod", "--json")
    assert code == 3
    assert json.loads(printed)["decision"]["verdict"] == "fail"
    shop.damage("variables.index")
    code, printed = mlops("release", "verify", release_id)
    assert (code, "model is intact" in printed) == (3, True)
    code, printed = mlops("release", "promote", release_id, "--from", "dev", "--to", "prod", "--why", "hurry")
    assert (code, "prod comes after staging" in printed) == (2, True)
    assert mlops("release", "promote", "sha256:00000000", "--to", "dev", "--why", "it")[0] == 2
    assert mlops("release", "promote", release_id, "--to", "dev")[0] == 2, "a reason is required"
    assert mlops("release", "rollback", "m", "--env", "prod", "--why", "it")[0] == 1


def test_another_store_is_named_by_an_option(shop: Shop, mlops: Mlops, tmp_path: Path) -> None:
    other = Shop(str(tmp_path / "other"), tmp_path)
    release_id = other.add()
    assert mlops("release", "show", release_id)[0] == 2
    assert mlops("release", "show", release_id, "--store", other.root)[0] == 0
    given = junit(tmp_path / "given.xml")
    promote = ("release", "promote", release_id, "--to", "dev", "--why", "it", "--store", other.root)
    code, printed = mlops(*promote, "--evidence", given, "--json")
    assert (code, json.loads(printed)["proofs"][0]["kind"]) == (0, "tests")
    assert (shop.runs("dev"), other.runs("dev")) == (None, release_id)


def test_a_run_names_the_pipeline_of_a_release(shop: Shop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from core.errors import CorruptArtifact, UsageError
    from mlops.worlds.pinned import of_release
    from mlops.worlds.world import RunRequest
    from pipelines.config import find, load

    usecase = load(find("flight_delay"))
    build = {"usecase": "flight_delay", "compiled": shop.releases.add_blob(b"the very file")}
    release_id = shop.add(build=build)
    given = RunRequest(usecase, f"release:{release_id[:19]}")
    found = of_release(given, Store(Path(shop.root)))
    assert (found.pipeline, found.release) == ("level1", release_id)
    assert found.compiled is not None
    assert found.compiled.read_bytes() == b"the very file"
    assert of_release(RunRequest(usecase), Store(tmp_path)) == RunRequest(usecase)
    monkeypatch.setenv("MLOPS_RELEASES", shop.root)
    assert of_release(given, Store(tmp_path / "own")).release == release_id
    with pytest.raises(UsageError, match="it is a release of m"):
        of_release(replace(given, pipeline=f"release:{shop.add()}"), Store(tmp_path))
    shop.damage(f"blobs/{build['compiled'].removeprefix('sha256:')}")
    with pytest.raises(CorruptArtifact):
        of_release(given, Store(Path(shop.root)))


def test_what_a_release_is_built_from_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from artifacts.release.store import Releases
    from core import digest, images
    from core.image_record import BuiltImage, ImageRecord
    from core.source_commit import SourceCommit
    from mlops.runs import build
    from pipelines.config import find, load

    store = Store(tmp_path / "store")
    bill = b'{"bomFormat": "CycloneDX"}'
    (store.root / "images").mkdir(parents=True)
    (store.root / "images" / f"sbom-tfx-{digest.of_bytes(bill)[7:]}.json").write_bytes(bill)
    ImageRecord(store.images).add_built(images.tag(), "tfx", BuiltImage("id", 1, 1.0, digest.of_bytes(bill)))
    monkeypatch.setattr(build, "source_commit", lambda: SourceCommit("c" * 40, clean=True))
    compiled = tmp_path / "compiled.yaml"
    pushed = f"registry.example:5000/team/{images.image('data')}@sha256:{'0' * 64}"
    compiled.write_text(
        f"        image: {pushed}\n        image: {images.reference('tfx')}\n        image: busybox:1\n"
    )
    found = build.build_of(load(find("flight_delay")), compiled, store)
    assert found.images == {
        images.image("data"): pushed,
        images.image("tfx"): images.reference("tfx"),
        "busybox": "busybox:1",
    }
    assert found.sboms == {"tfx": digest.of_bytes(bill)}
    assert (found.commit, found.clean, found.pipeline) == ("c" * 40, True, "level1")
    releases = Releases(store.releases)
    assert releases.blob(found.compiled) == compiled.read_bytes()
    assert releases.blob(found.configuration) == (ROOT / "usecases/flight_delay/config.yaml").read_bytes()
    outside = tmp_path / "elsewhere"
    outside.mkdir()
    (outside / "config.yaml").write_bytes(releases.blob(found.configuration))
    assert build.build_of(load(outside), compiled, store).commit == "", "its sources are of no commit"
