"""The steps of building a release, run for real but for the pipeline itself: what is signed is what was made."""

from pathlib import Path

import pytest

from core.digest import of_file
from core.images import GROUPS
from tests.google_storage import Served
from tests.infra.workflows.runner import Machine, Result
from tests.infra.workflows.stand_ins import BUILD, REGISTRY, Services, settings
from tests.unit.artifacts.release.planted import COMMIT, Shop


class Factory:
    """The machine that builds, and a store in which the pipeline has run."""

    def __init__(self, folder: Path, storage: Served) -> None:
        self.services = Services(folder)
        self.store = storage.address
        self.shop = Shop(storage.address, folder)
        self.machine: Machine = self.services.machine(COMMIT, {}, {"STORAGE_EMULATOR_HOST": storage.url})
        self.machine.instead = {
            '"submit m --pipeline level2 --at vertex --json"': """printf '{\\n  "run_id": "run-1"\\n}\\n'""",
            '"runs follow run-1 --deadline 180"': "echo followed",
        }

    def build(self, *, skip: tuple[str, ...] = (), **inputs: str) -> dict[str, Result]:
        given = {"usecase": "m", "build": settings("build", self.store), "train": settings("dev", self.store)}
        return self.machine.workflow("build.yml", given | inputs, skip=skip)


@pytest.fixture
def factory(tmp_path: Path, google_storage: Served, monkeypatch: pytest.MonkeyPatch) -> Factory:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    return Factory(tmp_path, google_storage)


def test_images_the_package_their_materials_and_the_release_are_signed_by_digest(factory: Factory) -> None:
    release = factory.shop.add()
    factory.shop.promoted(release, "dev")
    done = factory.build()
    assert {name: one.status for name, one in done.items()} == dict.fromkeys(
        ("images", "attest", "release"), "success"
    ), "\n".join(one.output for one in done.values())
    assert done["release"].outputs == {"release": release}
    signed = factory.services.signed
    assert {(one["signer"], one["commit"], one["ref"]) for one in signed} == {(BUILD, COMMIT, "refs/heads/main")}
    record = (factory.services.artifacts / "images" / "images.json").read_text()
    package = of_file(factory.services.artifacts / "package" / "ml.whl")
    images = [one for one in signed if one["digest"] not in {release, package}]
    assert len(images) == 2 * len(GROUPS)
    assert all(one["digest"] in record for one in images), "the digests are those that the registry gave"
    files = {of_file(path) for path in (factory.services.artifacts / "images" / "images").glob("sbom-*.json")}
    assert {one["sbom"] for one in images if "sbom" in one} == files
    assert [one["digest"] for one in signed if "sbom" not in one].count(release) == 1
    materials = of_file(factory.services.artifacts / "package" / "sbom.json")
    assert [one.get("sbom") for one in signed if one["digest"] == package] == [None, materials]
    assert REGISTRY in record
    assert factory.machine.running == ["deploy-build", "", "deploy-dev"]


FAULTS = {"a closed gate": "runs follow", "the account of another environment": "google-github-actions/auth"}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_goes_wrong_in_dev_leaves_no_signed_release(factory: Factory, fault: str) -> None:
    factory.shop.promoted(factory.shop.add(), "dev")
    for name in ("images", "tests"):
        (factory.services.artifacts / name).mkdir(parents=True)
    if fault == "a closed gate":
        factory.machine.instead['"runs follow run-1 --deadline 180"'] = "exit 3"
    train = settings("dev" if fault == "a closed gate" else "prod", factory.store)
    done = factory.build(train=train, skip=("images", "attest"))["release"]
    assert (done.status, done.outputs) == ("failure", {})
    assert FAULTS[fault] in done.failed.name
    assert not factory.services.signed


def test_images_are_pushed_by_the_account_that_builds_alone(factory: Factory) -> None:
    done = factory.build(build=settings("dev", factory.store))
    assert done["images"].failed.name == "google-github-actions/auth"
    assert (done["attest"].status, done["release"].status) == ("skipped", "skipped")
    assert not factory.services.signed
