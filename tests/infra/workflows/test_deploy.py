"""The steps of promoting and rolling back, run for real: a release goes to production, and each fault is stopped."""

import sys
from pathlib import Path

import pytest
import yaml

from tests.google_storage import Served
from tests.infra.workflows.expressions import interpolated
from tests.infra.workflows.files import load
from tests.infra.workflows.runner import Machine, Result
from tests.infra.workflows.stand_ins import REPOSITORY, Services, settings
from tests.unit.artifacts.release.planted import COMMIT, PUSHED, Shop, environments, junit

SIGNED = {"repository": REPOSITORY, "workflow": ".github/workflows/build.yml"}


class Company:
    """A store with releases in three environments, and the machine that runs the workflows."""

    def __init__(self, folder: Path, storage: Served) -> None:
        declared = environments().model_dump(mode="json")
        for name in ("staging", "prod"):
            one = declared["environments"][name]
            one |= {"attestation": SIGNED, "requires": [fact for fact in one["requires"] if fact != "model_card"]}
            one["waives"] = {"model_card": "no stage writes one"}
        file = folder / "environments.yaml"
        file.write_text(yaml.safe_dump(declared, sort_keys=False))
        self.shop = Shop(storage.address, folder)
        self.services = Services(folder)
        variables = {f"MLOPS_{name.upper()}": settings(name, storage.address) for name in ("dev", "staging", "prod")}
        process = {"MLOPS_ENVIRONMENTS": str(file), "GITHUB_ACTOR": "ada", "STORAGE_EMULATOR_HOST": storage.url}
        self.machine: Machine = self.services.machine(COMMIT, variables, process)
        (self.services.artifacts / "tests").mkdir(parents=True)
        junit(self.services.artifacts / "tests" / "tests.xml")

    def release(self, weights: str = "weights") -> str:
        """Create a release that dev runs and build.yml signed."""
        release_id = self.shop.add(weights)
        self.shop.promoted(release_id, "dev")
        self.services.sign(release_id, commit=COMMIT)
        if not any(one["digest"] == PUSHED.partition("@")[2] for one in self.services.signed):
            self.services.sign(PUSHED.partition("@")[2], commit=COMMIT)
        return release_id

    def promote(self, release: str, to: str, **changes: str) -> Result:
        """Run promote.yml as a person starts it."""
        given = {"release": release, "environment": to, "why": "it's better; $(touch /tmp/x) `id`", "run": "4711"}
        return self.machine.workflow("promote.yml", given | changes)["promote"]

    def endpoint(self, canary: str = "true") -> Path:
        """Serve the model behind an endpoint; return the file with what was asked of it. `canary` is how one ends."""
        calls = self.shop.scratch / "endpoint"
        self.machine.variables["MLOPS_PROD"] = settings("prod", self.shop.root, serves=True)
        self.machine.instead = {
            '"endpoint canary "*': f'echo "canary $3 $4" >>{calls}; {canary}',
            '"endpoint rollback "*': f'echo "rollback $3 $4 $5" >>{calls}',
        }
        return calls

    def rollback(self, environment: str) -> Result:
        given = {"usecase": "m", "environment": environment, "why": "too slow"}
        return self.machine.workflow("rollback.yml", given)["rollback"]


@pytest.fixture
def company(tmp_path: Path, google_storage: Served, monkeypatch: pytest.MonkeyPatch) -> Company:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "scratch"))
    return Company(tmp_path, google_storage)


def test_a_release_goes_to_production_by_digest_and_back(company: Company) -> None:
    first, second = company.release("one"), company.release("two")
    company.shop.promoted(first, "staging", "prod")
    company.shop.promoted(second, "staging")
    before = company.shop.files()
    calls = company.endpoint()
    done = company.promote(second, "prod")
    assert done.status == "success", done.output
    assert company.shop.runs("prod") == second
    done = company.rollback("prod")
    assert done.status == "success", done.output
    assert (company.shop.runs("staging"), company.shop.runs("prod")) == (second, first)
    last = company.shop.releases.log("prod", "m").history()
    assert [(one.action, one.by, one.why) for one in last][1:] == [
        ("promote", "ada", "it's better; $(touch /tmp/x) `id`"),
        ("rollback", "ada", "too slow"),
    ]
    added = {name: content for name, content in company.shop.files().items() if name not in before}
    assert {name: content for name, content in company.shop.files().items() if name in before} == before
    assert len(added) <= 1, "the test report is kept; nothing else is copied and no byte changes"
    assert set(company.machine.running) == {"deploy-prod"}
    assert calls.read_text().splitlines() == ["canary m 2", "rollback m --from 2"]


VERIFY = "release verify"
FAULTS = {
    "a flipped byte": (VERIFY, "model is intact"),
    "no attestation": (VERIFY, "the release is attested"),
    "signed by another workflow": (VERIFY, "the release is attested"),
    "tests of another commit": (VERIFY, "wanted a report of the tests of commit"),
    "the report of another run": ("actions/download-artifact", "run 99: not found"),
    "the account of another environment": ("google-github-actions/auth", "denied"),
}


def _plant(company: Company, fault: str, release: str) -> dict[str, str]:
    """Break one thing; return changes of the inputs."""
    services = company.services
    if fault == "a flipped byte":
        company.shop.damage("variables.index")
    elif fault == "no attestation":
        services.forget(release)
    elif fault == "signed by another workflow":
        services.forget(release)
        services.sign(release, commit=COMMIT, signer=f"{REPOSITORY}/.github/workflows/deploy.yml")
    elif fault == "the account of another environment":
        company.machine.variables["MLOPS_PROD"] = company.machine.variables["MLOPS_DEV"]
    elif fault == "tests of another commit":
        junit(services.artifacts / "tests" / "tests.xml", commit="d" * 40)
    return {"run": "99"} if fault == "the report of another run" else {}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_stopped_where_it_should_be(company: Company, fault: str) -> None:
    release = company.release()
    company.shop.promoted(release, "staging")
    changes = _plant(company, fault, release)
    done = company.promote(release, "prod", **changes)
    step, message = FAULTS[fault]
    assert done.status == "failure", done.output
    assert step in done.failed.name and message in done.failed.output, done.output
    assert company.shop.runs("prod") is None
    after = done.steps[done.steps.index(done.failed) + 1 :]
    assert {one.outcome for one in after} <= {"skipped"}, "nothing runs after it"


def test_a_canary_that_fails_stops_the_promotion(company: Company) -> None:
    release = company.release()
    company.shop.promoted(release, "staging")
    calls = company.endpoint(canary="exit 3")
    done = company.promote(release, "prod")
    assert (done.status, company.shop.runs("prod")) == ("failure", None), done.output
    assert "endpoint canary" in done.failed.name
    assert calls.read_text().splitlines() == ["canary m 1"], "the verb itself gave the requests back"


def test_of_two_promotions_at_the_same_time_the_second_is_refused(company: Company) -> None:
    """GitHub lets them take turns; started from elsewhere, the environment's log refuses the one that comes late."""
    release, other = company.release("one"), company.release("two")
    for one in (release, other):
        company.shop.promoted(one, "staging")
    rival = RIVAL.format(python=sys.executable, folder=str(company.shop.scratch), root=company.shop.root, other=other)
    company.machine.program("gh", rival)
    calls = company.endpoint()
    done = company.promote(release, "prod")
    assert done.status == "failure", done.output
    assert calls.read_text().splitlines() == ["canary m 1", "rollback m --from 1"], "the endpoint went back, too"
    assert "promote" in done.failed.name and "meanwhile" in done.failed.output
    assert company.shop.runs("prod") == other


RIVAL = """#!{python}
import pathlib, sys
sys.argv[0] = {folder!r}
count = pathlib.Path({folder!r}, "verified")
number = len(count.read_text()) if count.exists() else 0
count.write_text("x" * (number + 1))
if number == 2:  # it was verified, and the promotion has read the environment's log, and has not written yet
    from tests.unit.artifacts.release.planted import Shop
    Shop({root!r}, pathlib.Path({folder!r})).promoted({other!r}, "prod")
"""


def test_jobs_that_move_one_environment_share_a_turn() -> None:
    """The same group, whoever started the job and in whichever file it is."""
    turns = {}
    for file, job in (("deploy.yml", "deploy"), ("rollback.yml", "rollback")):
        body = load(file)["jobs"][job]["concurrency"]
        assert body["cancel-in-progress"] is False
        turns[file] = interpolated(body["group"], {"inputs": {"environment": "prod"}, "functions": {}})
    assert set(turns.values()) == {"deploy-prod"}
