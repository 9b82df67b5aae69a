"""Our own rules hold in infra/, and each finds what it is there for."""

import re

import pytest
import yaml

from tests.infra.terraform.parsed import ENVIRONMENTS, INFRA, blocks, tree
from tests.infra.terraform.rules import (
    RULES,
    Rule,
    buckets_closed,
    grants_narrow,
    no_default_account,
    no_fixed_project,
    no_keys,
    no_primitive_role,
    nobody_public,
    pushes_watched,
    variables_described,
)

TRIGGER = "".join(
    (INFRA / "modules" / "trigger" / f"{name}.tf").read_text() for name in ("messages", "service", "alerts")
)


def named(rule: Rule) -> str:
    return rule.__name__  # type: ignore[attr-defined]


@pytest.mark.parametrize("rule", RULES, ids=named)
def test_infra_holds(rule: Rule) -> None:
    assert list(rule(tree())) == []


def test_the_rules_see_what_is_there() -> None:
    types = {block.type for block in tree() if block.kind == "resource"}
    assert {"google_storage_bucket", "google_pubsub_subscription", "google_project_iam_member"} <= types
    assert len([block for block in tree() if block.kind == "variable"]) > 50


PLANTED: list[tuple[Rule, str]] = [
    (no_keys, 'resource "google_service_account_key" "ci" {\n service_account_id = var.account\n}'),
    (no_keys, 'resource "google_storage_hmac_key" "ci" {\n service_account_email = var.account\n}'),
    (no_primitive_role, 'resource "google_project_iam_member" "ci" {\n role = "roles/editor"\n}'),
    (no_primitive_role, 'locals {\n roles = ["roles/logging.logWriter", "roles/owner"]\n}'),
    (nobody_public, 'resource "google_storage_bucket_iam_member" "all" {\n member = "allUsers"\n}'),
    (nobody_public, 'module "registry" {\n readers = { all = "allAuthenticatedUsers" }\n}'),
    (buckets_closed, 'resource "google_storage_bucket" "b" {\n public_access_prevention = "enforced"\n}'),
    (
        buckets_closed,
        (
            'resource "google_storage_bucket" "b" {\n uniform_bucket_level_access = true\n'
            ' public_access_prevention = "inherited"\n}'
        ),
    ),
    (buckets_closed, 'resource "google_storage_bucket_acl" "b" {\n bucket = var.name\n}'),
    (no_default_account, 'data "google_compute_default_service_account" "this" {\n}'),
    (no_default_account, 'locals {\n account = "${var.number}-compute@developer.gserviceaccount.com"\n}'),
    (no_default_account, 'resource "google_cloud_run_v2_service" "s" {\n template {\n timeout = "60s"\n }\n}'),
    (no_fixed_project, 'resource "google_pubsub_topic" "t" {\n project = "my-company-prod"\n}'),
    (no_fixed_project, 'locals {\n topic = "projects/my-company-prod/topics/facts"\n}'),
    (grants_narrow, 'resource "google_storage_bucket_iam_binding" "b" {\n role = "roles/storage.objectViewer"\n}'),
    (grants_narrow, 'resource "google_project_iam_policy" "p" {\n policy_data = var.policy\n}'),
    (grants_narrow, 'resource "google_project_iam_member" "p" {\n role = "roles/run.invoker"\n}'),
    (grants_narrow, 'resource "google_organization_iam_member" "o" {\n role = "roles/run.invoker"\n}'),
    (grants_narrow, 'resource "google_storage_bucket_iam_member" "b" {\n role = "roles/storage.admin"\n}'),
    (variables_described, 'variable "x" {\n type = string\n}'),
    (variables_described, 'variable "x" {\n description = "A value."\n}'),
    (variables_described, 'output "x" {\n value = 1\n}'),
    (
        variables_described,
        (
            'variable "x" {\n type = string\n description = "A value."\n'
            ' validation {\n condition = true\n error_message = "No."\n }\n}'
        ),
    ),
]


@pytest.mark.parametrize(
    ("rule", "text"), PLANTED, ids=[f"{named(rule)}-{number}" for number, (rule, _) in enumerate(PLANTED)]
)
def test_a_planted_violation_is_found(rule: Rule, text: str) -> None:
    assert list(rule(blocks(text)))


REMOVED = {
    "dead letter": r"(?s)  dead_letter_policy \{.*?\n  \}\n",
    "back-off": r"(?s)  retry_policy \{.*?\n  \}\n",
    "token": r"(?s)    oidc_token \{.*?\n    \}\n",
    "audience": r"      audience  .*\n",
    "alert": r'(?s)resource "google_monitoring_alert_policy" "dead" \{.*?\n\}\n',
    "subscriber": r'(?s)resource "google_pubsub_subscription_iam_member" "agent" \{.*?\n\}\n',
    "publisher": r'(?s)resource "google_pubsub_topic_iam_member" "dead" \{.*?\n\}\n',
}


@pytest.mark.parametrize("what", REMOVED)
@pytest.mark.known_failure(23)
def test_what_a_push_subscription_needs_is_missed(what: str) -> None:
    assert not list(pushes_watched(blocks(TRIGGER)))
    text, count = re.subn(REMOVED[what], "", TRIGGER)
    assert count == 1
    assert list(pushes_watched(blocks(text)))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_an_environments_values_fit_the_roots_variables(environment: str) -> None:
    import hcl2

    text = (INFRA / f"{environment}.tfvars").read_text(encoding="utf-8")
    values = {name: value for name, value in hcl2.loads(text).items() if not name.startswith("__")}
    variables = {block.name: block for block in tree() if block.kind == "variable" and block.folder == "."}
    assert values.keys() <= variables.keys()
    assert {name for name, block in variables.items() if "default" not in block.body} <= values.keys()
    assert values["environment"] == f'"{environment}"'
    # Nobody's project, account or address stands in the repository.
    assert "CHANGE-ME" in values["project"] and "CHANGE-ME" in values["registry_project"]
    assert values["alert_emails"] == ['"CHANGE-ME"']


def test_prod_is_protected_and_the_others_end_by_themselves() -> None:
    text = {name: (INFRA / f"{name}.tfvars").read_text(encoding="utf-8") for name in ENVIRONMENTS}
    assert re.search(r"(?m)^protected += true$", text["prod"])
    for name in ("dev", "staging"):
        assert re.search(r'(?m)^expires += "\d{4}-\d\d-\d\d"', text[name])


def test_no_yaml_grants_more_than_the_rules_allow() -> None:
    table = yaml.safe_load((INFRA / "permissions.yaml").read_text(encoding="utf-8"))
    roles = {role for duty in table["duties"].values() for role in duty["roles"]}
    assert roles == {"roles/aiplatform.user", "roles/logging.logWriter"}
