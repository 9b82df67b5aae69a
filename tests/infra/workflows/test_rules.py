"""Our own rules about the workflows, which no linter has."""

import re
from typing import Any

import click
import pytest
import yaml

from pipelines.environments import load_environments
from tests.infra.rendered import ROOT
from tests.infra.terraform.parsed import tree
from tests.infra.workflows.commands import MLOPS, check_make, check_mlops, commands
from tests.infra.workflows.expressions import UnknownExpression, evaluated, is_true, paths
from tests.infra.workflows.files import FOLDER, Step, jobs, load, names, steps

STEPS = list(steps())
COMMANDS = [one for one in STEPS if "run" in one.body]
JOBS = list(jobs())
SHELL = {"echo", "mkdir", "find"}
"""Programs besides the Makefile and the command line: they write an output, make a folder, show logs."""
VARIABLES = {"MLOPS_BUILD", "MLOPS_DEV", "MLOPS_STAGING", "MLOPS_PROD", "MLOPS_DRIFT"}
DEPLOYING = {("build.yml", "images"), ("build.yml", "release"), ("deploy.yml", "deploy"), ("rollback.yml", "rollback")}
SIGNING = {("build.yml", "attest"), ("build.yml", "release")}
READING = {("nightly.yml", "drift")}


def _id(one: Step) -> str:
    return one.where


@pytest.mark.parametrize("step", COMMANDS, ids=_id)
def test_a_step_calls_verbs_and_options_that_there_are(step: Step) -> None:
    for program, *arguments in commands(step.body["run"]):
        if program == MLOPS:
            check_mlops([re.sub(r"\$\w+", "1", one) for one in arguments])
        elif program == "make":
            check_make(arguments)
        else:
            assert program in SHELL or (step.file, step.job) == ("pull-request.yml", "localrun"), (
                f"{step.where}: {program}: a workflow calls `make` or `mlops`, so that a person can do the same"
            )


@pytest.mark.parametrize("step", COMMANDS, ids=_id)
def test_no_expression_stands_in_a_command(step: Step) -> None:
    """Whatever an expression is worth, it comes through the environment, where Bash does not read it as code."""
    assert "${{" not in step.body["run"]
    for word in re.findall(r"\$\w+", step.body["run"]):
        quoted = re.search(rf'"[^"]*\{word}\b[^"]*"', step.body["run"])
        assert quoted, f"{step.where}: {word} stands without quotes"


def test_planted_commands_are_found() -> None:
    for arguments in (["release", "promot", "x"], ["release", "promote", "x", "--too", "prod"], ["compile"]):
        with pytest.raises(click.UsageError):
            check_mlops(arguments)
    for words in (["deploy"], ["test", "argz=1"], ["test", "args=$X"]):
        with pytest.raises(click.UsageError):
            check_make(words)
    assert list(commands('x=$(a b "$C" --json)\necho "y=$x" >> "$F"\nmake -C d t && e > f')) == [
        ["a", "b", "$C", "--json"],
        ["echo", "y=$x"],
        ["make", "-C", "d", "t"],
        ["e"],
    ]


@pytest.mark.known_failure(33)
def test_every_action_is_pinned_by_a_commit_and_each_once() -> None:
    pinned: dict[str, str] = {}
    for name in names():
        for action, rest in re.findall(
            r"(?m)^\s*-? *uses: ([^@\s]+)(.*)$", (FOLDER / name).read_text(encoding="utf-8")
        ):
            if action.startswith("./"):
                continue
            assert re.fullmatch(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+", rest), f"{name}: {action}{rest}"
            repository = "/".join(action.split("/")[:2])
            assert pinned.setdefault(repository, rest) == rest, f"{name}: another version of {repository}"


@pytest.mark.parametrize(("name", "job", "body"), JOBS, ids=[f"{name} {job}" for name, job, _ in JOBS])
def test_a_job_has_what_it_needs_and_no_more(name: str, job: str, body: dict[str, Any]) -> None:
    workflow = load(name)
    assert workflow["permissions"] == {}, "rights are given job by job"
    assert body["permissions"]
    is_called = "uses" in body
    assert is_called or 0 < body["timeout-minutes"] <= 240
    assert is_called or body["runs-on"] == "ubuntu-24.04"
    writes = {right for right, access in body["permissions"].items() if access == "write"}
    allowed = {
        "id-token": DEPLOYING | SIGNING | READING,
        "attestations": SIGNING,
        "artifact-metadata": SIGNING,
        "pull-requests": {("comment.yml", "comment")},
        "security-events": {("codeql.yml", "analyze"), ("scorecard.yml", "scorecard")},
    }
    assert is_called or all((name, job) in allowed[right] for right in writes), f"{name} {job}: {writes}"
    assert body["permissions"].get("contents", "read") == "read", "no job writes to the repository"


def test_what_changes_an_environment_waits_for_its_turn_and_is_never_cut_short() -> None:
    for name, job, body in JOBS:
        if "environment" not in body or (name, job) in READING:
            continue
        assert (name, job) in DEPLOYING
        assert body["concurrency"] == {"group": f"deploy-{body['environment']}", "cancel-in-progress": False}


def test_an_account_is_taken_in_an_environment_only() -> None:
    """The account is bound to the environment's name, whose reviewers and branch policy are the gate."""
    for name, job, body in JOBS:
        uses = [one.action for one in STEPS if (one.file, one.job) == (name, job)]
        if "google-github-actions/auth" in uses:
            assert body.get("environment"), f"{name} {job}"
            assert body["permissions"]["id-token"] == "write"


def test_code_of_a_pull_request_never_meets_a_right_to_write() -> None:
    assert not [name for name in names() if "pull_request_target" in load(name)["on"]]
    for name, job, body in JOBS:
        if "pull_request" in load(name)["on"] and name != "codeql.yml":
            assert body["permissions"] == {"contents": "read"}, f"{name} {job}"
    [after] = [name for name in names() if "workflow_run" in load(name)["on"]]
    for step in (one for one in STEPS if one.file == after):
        given = step.body.get("with", {})
        assert "ref" not in given and "repository" not in given, "it runs the code of main"
        for program, *_ in commands(step.body.get("run", "")):
            assert program in ("make", MLOPS), "nothing that was handed over is run"


def test_no_checkout_leaves_its_token_behind() -> None:
    found = [one for one in STEPS if one.action == "actions/checkout"]
    assert len(found) > 10
    assert all(one.body["with"]["persist-credentials"] is False for one in found)


def test_there_is_no_secret_and_few_variables() -> None:
    text = "".join((FOLDER / name).read_text(encoding="utf-8") for name in names())
    assert "secrets." not in text
    assert set(re.findall(r"\bvars\.(\w+)", text)) == VARIABLES
    page = (ROOT / "docs" / "workflows.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in page for name in VARIABLES)


def test_what_is_read_of_the_settings_is_what_terraform_writes() -> None:
    [output] = [block for block in tree() if block.kind == "output" and block.name == "workflows"]
    written = set(re.findall(r"(?m)(?<![\w.])(\w+)\s*=[^=]", str(output.body["value"])))
    text = "".join((FOLDER / name).read_text(encoding="utf-8") for name in names() if name != "nightly.yml")
    read = set(re.findall(r"fromJSON\((?:inputs|env)\.(?:build|train|settings|SETTINGS)\)\.(\w+)", text))
    assert {"provider", "accounts", "deployment", "registry", "store"} == read
    assert read <= written


@pytest.mark.parametrize(("name", "job", "body"), JOBS, ids=[f"{name} {job}" for name, job, _ in JOBS])
def test_every_expression_reads_what_there_is(name: str, job: str, body: dict[str, Any]) -> None:
    workflow = load(name)
    triggers = workflow["on"]
    inputs = {key for one in triggers.values() if isinstance(one, dict) for key in one.get("inputs", {})}
    ids = {step["id"] for step in body.get("steps", ()) if "id" in step}
    matrix = body.get("strategy", {}).get("matrix", {})
    needs = body.get("needs", [])
    outputs = {one: set(_outputs(workflow["jobs"][one])) for one in ([needs] if isinstance(needs, str) else needs)}
    for path in paths(yaml.safe_dump(body)):
        context, first, *rest = path.split(".")
        if context == "inputs":
            assert first in inputs, path
        elif context == "steps":
            assert first in ids, path
        elif context == "matrix":
            assert first in matrix, path
        elif context == "needs":
            assert rest[:1] == ["outputs"] and rest[1] in outputs[first], path
        else:
            assert context in ("github", "vars", "env"), path


def _outputs(job: dict[str, Any]) -> list[str]:
    if "uses" not in job:
        return list(job.get("outputs", {}))
    called = load(job["uses"].rpartition("/")[2])["on"]["workflow_call"] or {}
    return list(called.get("outputs", {}))


def test_the_credentials_that_a_job_gets_do_not_make_its_checkout_a_changed_one() -> None:
    """google-github-actions/auth writes them there; a release of a changed checkout is refused."""
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"gha-creds-*.json", "tests.xml"} <= set(ignored)


def test_one_workflow_signs_and_the_environments_demand_it() -> None:
    assert {one.file for one in STEPS if one.action == "actions/attest"} == {"build.yml"}
    environments = load_environments(ROOT / "usecases" / "environments.yaml").environments
    signed = [one.attestation for one in environments.values() if not isinstance(one.attestation, str)]
    assert signed
    assert {one.workflow for one in signed} == {".github/workflows/build.yml"}
    assert set(environments) == {"dev", "staging", "prod"}


def test_updates_wait_before_they_are_proposed() -> None:
    content = yaml.safe_load((ROOT / ".github" / "dependabot.yml").read_text(encoding="utf-8"))
    assert {one["package-ecosystem"] for one in content["updates"]} == {"github-actions", "uv", "docker", "terraform"}
    assert all(one["cooldown"]["default-days"] >= 7 for one in content["updates"])


def test_every_exception_from_a_linter_has_its_reason() -> None:
    found = 0
    for path in sorted((ROOT / ".github").rglob("*.yml")):
        text = path.read_text(encoding="utf-8")
        for reason in re.findall(r"zizmor: ignore\[[\w-]+\](.*)", text) + re.findall(r"checkov:skip=\w+:(.*)", text):
            found += 1
            assert len(reason.split()) > 5, f"{path.name}: {reason}"
    assert found >= 2


def test_expressions_are_worth_what_github_says() -> None:
    context = {"inputs": {"to": "prod", "none": ""}, "vars": {}, "functions": {"success": lambda: True}}
    assert evaluated("inputs.to == 'PROD' && 'a' || 'b'", context) == "a"
    assert evaluated("inputs.to != 'prod' && 'a' || vars.nothing || 'c'", context) == "c"
    assert evaluated("fromJSON('{\"a\": {\"b-c\": 1}}').a['b-c']", context) == 1
    assert not is_true("vars.MLOPS_DEV != ''", context)
    assert is_true("${{ !(inputs.none) }}", context)
    with pytest.raises(UnknownExpression):
        evaluated("secrets.TOKEN", context)
