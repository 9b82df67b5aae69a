"""permissions.yaml is the one table: its verbs are the command line's, and the modules grant what it says."""

import re
from typing import Any

import click
import pytest
import yaml

from mlops.cli.main import cli
from tests.infra.terraform.parsed import INFRA, tree

TABLE: dict[str, Any] = yaml.safe_load((INFRA / "permissions.yaml").read_text(encoding="utf-8"))
ENDPOINT = [verb for verb in TABLE["verbs"] if verb.startswith("endpoint ")]
FORBIDDEN = re.compile(r"setIamPolicy|serviceAccountKeys|iam\.roles|getAccessToken|signBlob|signJwt|\.admin|\*")


def permissions(duty: str) -> set[str]:
    return {name for verb in TABLE["duties"][duty]["verbs"] for name in TABLE["verbs"][verb]}


@pytest.mark.parametrize("verb", TABLE["verbs"])
def test_a_verb_is_one_of_the_command_line(verb: str) -> None:
    command: click.Command = cli
    for word in re.sub(r" \(.*\)", "", verb).split():
        assert isinstance(command, click.Group)
        found = command.get_command(click.Context(command), word)
        assert found is not None
        command = found


def test_every_verb_is_somebodys_and_every_duty_names_what_there_is() -> None:
    duties = TABLE["duties"]
    assert {verb for duty in duties.values() for verb in duty["verbs"]} == set(TABLE["verbs"])
    for duty in duties.values():
        assert duty.keys() == {"verbs", "roles", "folders", "acts_as"}
        assert set(duty["folders"].values()) <= {"read", "write"}
        assert set(duty["acts_as"]) <= set(duties)


def test_no_permission_gives_more_permissions() -> None:
    names = [name for verb in TABLE["verbs"].values() for name in verb]
    assert not [name for name in names if FORBIDDEN.search(name)]
    assert all(names == sorted(names) for names in TABLE["verbs"].values())


def test_the_handler_may_start_runs_and_no_more() -> None:
    assert permissions("trigger") == {f"aiplatform.pipelineJobs.{verb}" for verb in ("cancel", "create", "get", "list")}
    folders = TABLE["duties"]["trigger"]["folders"]
    assert {name for name, access in folders.items() if access != "read"} == {"snapshots", "triggers"}, "its own"
    assert TABLE["duties"]["trigger"]["acts_as"] == ["pipelines"]
    invoker = TABLE["duties"]["invoker"]
    assert not any(invoker.values())


def test_people_and_workflows_pass_the_doctors_check_of_jobs() -> None:
    checks = pytest.importorskip("mlops.worlds.vertex.checks", reason="no world on Vertex AI here")
    assert set(checks.JOBS) <= permissions("deploy") & permissions("trigger")
    serving = {name for verb in ("models sync", *ENDPOINT) for name in TABLE["verbs"][verb]}
    assert set(checks.ENDPOINTS) == serving <= permissions("deploy")


def test_the_doctor_may_read_quotas() -> None:
    quotas = pytest.importorskip("mlops.worlds.vertex.quotas", reason="no world on Vertex AI here")
    assert quotas.PERMISSION in TABLE["verbs"]["doctor"]
    assert "doctor" in TABLE["duties"]["deploy"]["verbs"]


def test_each_verb_of_an_endpoint_is_in_the_table() -> None:
    group = cli.get_command(click.Context(cli), "endpoint")
    assert isinstance(group, click.Group)
    assert {f"endpoint {verb}" for verb in group.commands} == set(ENDPOINT)


def test_custom_roles_are_the_tables() -> None:
    """No module writes permissions itself: the identity module takes them, and the root passes the table on."""
    blocks = tree()
    [role] = [block for block in blocks if block.type == "google_project_iam_custom_role"]
    assert (role.folder, role.body["permissions"]) == ("modules/identity", "${each.value}")
    [module] = [block for block in blocks if block.kind == "module" and block.name == "identity"]
    assert (module.body["verbs"], module.body["duties"]) == ("${local.table.verbs}", "${local.duties}")
    permission = re.compile(r"^[a-z]+\.[A-Za-z]+\.(get|list|create|update|delete|cancel|deploy)$")
    written = [text for block in blocks if block.kind in ("resource", "locals") for text in block.text.split("\n")]
    assert not list(filter(permission.match, written))


def test_a_folder_is_written_by_whom_it_belongs_to() -> None:
    writers: dict[str, set[str]] = {}
    for name, duty in TABLE["duties"].items():
        for folder, access in duty["folders"].items():
            writers.setdefault(folder, set()).update({name} if access == "write" else set())
    assert writers == {
        "data": {"deploy"},
        "models": {"deploy", "pipelines"},
        "artifacts": {"pipelines"},
        "releases": {"deploy"},
        "predictions": {"serving"},
        "outcomes": {"deploy"},
        "snapshots": {"deploy", "trigger"},
        "triggers": {"deploy", "trigger"},
    }


def test_only_the_pipelines_account_acts_as_itself_and_only_for_worker_pools() -> None:
    own = {name for name, duty in TABLE["duties"].items() if name in duty["acts_as"]}
    assert own == {"pipelines"}
    [local] = [block.body for block in tree() if block.kind == "locals" and "has_worker_pools" in block.body]
    assert "settings.train_model.distribution.vertex" in local["has_worker_pools"]
    assert "other != name || local.has_worker_pools" in local["duties"]


def test_another_environments_bucket_gives_no_more_than_its_own() -> None:
    """Where releases of all environments are in one bucket, an account has there what the table gives it at home."""
    [module] = [block for block in tree() if block.kind == "module" and block.name == "release_access"]
    granted = {
        (folder, access, name)
        for folder, accesses in module.body["folders"].items()
        for access, members in accesses.items()
        for name, member in members.items()
        if "module.identity" in member
    }
    assert granted == {("releases", "write", "deploy"), ("models", "write", "deploy"), ("models", "read", "serving")}
    assert all(TABLE["duties"][name]["folders"][folder] == access for folder, access, name in granted)
