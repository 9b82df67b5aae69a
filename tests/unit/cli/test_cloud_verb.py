"""`mlops cloud` against stand-ins of gcloud and terraform that write down how they were called."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
STAND_IN = """#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
case "$*" in
  *"$FAILS"*) [ -z "$FAILS" ] || { echo "refused" >&2; exit 1; } ;;
esac
case "$*" in
  *"buckets describe"*) [ -n "$BUCKET_EXISTS" ] || exit 1 ;;
  *-detailed-exitcode*) exit "$PLAN" ;;
  *"api repos"*) [ -n "$GATE_EXISTS" ] || exit 1 ;;
  *"output -json workflows"*) echo "$WORKFLOWS" ;;
  *"output -json mlops"*) echo '{"project": "mlops-test-dev", "network_attachment": null}' ;;
esac
"""


class Site:
    """A checkout's infra/ with real values, a store, and the stand-ins."""

    def __init__(self, folder: Path) -> None:
        self.infra = folder / "infra"
        self.infra.mkdir()
        for name in ("dev", "prod"):
            text = (ROOT / "infra" / f"{name}.tfvars").read_text(encoding="utf-8")
            (self.infra / f"{name}.tfvars").write_text(text.replace("CHANGE-ME", "mlops-test"), encoding="utf-8")
        self.programs = folder / "bin"
        self.programs.mkdir()
        for name in ("gcloud", "gh", "terraform"):
            (self.programs / name).write_text(STAND_IN, encoding="utf-8")
            (self.programs / name).chmod(0o755)
        self.store = folder / "store"
        self.log = folder / "calls"

    def cloud(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {
            "MLOPS_HOME": str(self.store),
            "CALLS": str(self.log),
            "FAILS": "",
            "BUCKET_EXISTS": "",
            "GATE_EXISTS": "",
        }
        path = f"{self.programs}{os.pathsep}{os.environ['PATH']}"
        return subprocess.run(
            [sys.executable, "-m", "mlops.cli.main", "cloud", *arguments, "--infra", str(self.infra)],
            env={**os.environ, **environment, "PATH": path, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    @property
    def calls(self) -> list[str]:
        lines = self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []
        return [line.replace(f"-chdir={self.infra} ", "") for line in lines]

    @property
    def deployment(self) -> Path:
        return self.store / "cloud" / "dev" / "deployment.json"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_bootstrap_creates_a_closed_versioned_bucket_once(site: Site) -> None:
    assert site.cloud("bootstrap", "dev").returncode == 0
    [created] = [line for line in site.calls if "buckets create" in line]
    assert "gs://mlops-test-dev-mlops-state" in created
    assert "--uniform-bucket-level-access --public-access-prevention" in created
    assert any("--versioning" in line for line in site.calls)
    assert sum("services identity create" in line for line in site.calls) == 4
    site.log.unlink()
    assert site.cloud("bootstrap", "dev", BUCKET_EXISTS="1").returncode == 0
    assert not [line for line in site.calls if "buckets create" in line]


def test_a_dry_run_prints_what_would_run_and_runs_nothing(site: Site) -> None:
    for verb in ("bootstrap", "plan", "up", "down"):
        done = site.cloud(verb, "dev", "--dry-run")
        assert (done.returncode, done.stdout[:2]) == (0, "$ "), done.stderr
    assert site.calls == []
    assert not site.store.exists()


def test_up_applies_the_plan_that_was_shown_and_writes_the_settings(site: Site) -> None:
    done = site.cloud("up", "dev", "--yes")
    assert done.returncode == 0, done.stderr
    plan = site.store / "cloud" / "dev" / "terraform.tfplan"
    state = "-backend-config=bucket=mlops-test-dev-mlops-state -backend-config=prefix=mlops/dev"
    assert site.calls == [
        f"terraform init -input=false {state}",
        f"terraform plan -input=false -var-file=dev.tfvars -out={plan}",
        f"terraform apply -input=false {plan}",
        "terraform output -json mlops",
    ]
    assert json.loads(site.deployment.read_text(encoding="utf-8")) == {"project": "mlops-test-dev"}
    assert f"MLOPS_DEPLOYMENT={site.deployment}" in done.stdout


@pytest.mark.parametrize("step", ["init", "plan", "apply", "output"])
def test_what_fails_stops_the_rest_and_leaves_the_old_settings(site: Site, step: str) -> None:
    assert site.cloud("up", "dev", "--yes").returncode == 0
    before = site.deployment.read_bytes()
    site.log.unlink()
    done = site.cloud("up", "dev", "--yes", FAILS=f"{step} ")
    assert done.returncode == 1
    assert f" {step} " in done.stderr
    assert step in site.calls[-1]
    assert site.deployment.read_bytes() == before


def test_nobody_is_asked_where_nobody_is(site: Site) -> None:
    for verb in ("up", "down"):
        done = site.cloud(verb, "dev")
        assert done.returncode == 2
        assert "--yes" in done.stderr
    assert site.calls == []


def test_what_is_protected_is_not_destroyed(site: Site) -> None:
    done = site.cloud("down", "prod", "--yes")
    assert done.returncode == 2
    assert "protected = false" in done.stderr
    assert site.calls == []
    assert site.cloud("down", "dev", "--yes").returncode == 0
    assert site.calls[-1].startswith("terraform destroy")


def test_values_of_the_example_are_refused_before_anything_runs(site: Site) -> None:
    path = site.infra / "dev.tfvars"
    path.write_text(path.read_text(encoding="utf-8").replace("mlops-test-dev", "CHANGE-ME-dev"), encoding="utf-8")
    done = site.cloud("up", "dev", "--yes")
    assert done.returncode == 2
    assert f"{path}: project: wanted yours, got 'CHANGE-ME-dev'" in done.stderr
    assert site.cloud("up", "test", "--yes").returncode == 2
    assert site.calls == []


def test_a_missing_program_is_named(site: Site) -> None:
    done = site.cloud("plan", "dev", PATH=str(site.infra))
    assert done.returncode == 1
    assert "install Terraform" in done.stderr


WORKFLOWS = {
    "dev": {"provider": "p", "accounts": {"deploy": "d"}},
    "build": {"provider": "p", "accounts": {"build": "b"}},
}


def test_connect_writes_a_variable_for_each_gate_and_creates_what_is_missing(site: Site) -> None:
    done = site.cloud("connect", "dev", "--repo", "o/r", WORKFLOWS=json.dumps(WORKFLOWS))
    assert done.returncode == 0, done.stderr
    created = [line for line in site.calls if "--method PUT" in line]
    assert [line.split()[5] for line in created] == ["repos/o/r/environments/dev", "repos/o/r/environments/build"]
    assert all("protected_branches]=true" in line for line in created)
    [build] = [line for line in site.calls if "variable set MLOPS_BUILD" in line]
    assert json.loads(build.partition("--body ")[2]) == WORKFLOWS["build"]
    assert "MLOPS_DEV" in done.stdout


def test_connect_leaves_a_github_environment_with_its_rules(site: Site) -> None:
    """Setting it again would take its reviewers away."""
    done = site.cloud("connect", "dev", "--repo", "o/r", WORKFLOWS=json.dumps(WORKFLOWS), GATE_EXISTS="1")
    assert done.returncode == 0, done.stderr
    assert not [line for line in site.calls if "--method PUT" in line]
    assert sum("variable set" in line for line in site.calls) == 2


def test_connect_without_gates_names_the_file(site: Site) -> None:
    done = site.cloud("connect", "dev", "--repo", "o/r", WORKFLOWS="{}")
    assert done.returncode == 2
    assert "dev.tfvars: github" in done.stderr


@pytest.mark.parametrize(("answer", "code"), [("0", 0), ("1", 1), ("2", 3)])
def test_a_check_of_the_plan_returns_3_for_drift_and_keeps_nothing(site: Site, answer: str, code: int) -> None:
    done = site.cloud("plan", "dev", "--check", PLAN=answer)
    assert done.returncode == code, done.stderr
    [planned] = [line for line in site.calls if line.startswith("terraform plan")]
    assert "-detailed-exitcode" in planned and "-out=" not in planned
