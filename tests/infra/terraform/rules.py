"""What Terraform's files may not say, one function a rule; each yields a sentence for every violation."""

import re
from collections.abc import Callable, Iterator, Sequence

from tests.infra.terraform.parsed import Block

Rule = Callable[[Sequence[Block]], Iterator[str]]

GRANTED = {
    "roles/artifactregistry.reader",
    "roles/artifactregistry.writer",
    "roles/iam.serviceAccountUser",
    "roles/iam.workloadIdentityUser",
    "roles/pubsub.publisher",
    "roles/pubsub.subscriber",
    "roles/run.invoker",
    "roles/storage.objectUser",
    "roles/storage.objectViewer",
}
"""Every role that a module grants by name; each is on one resource, never on the project."""
_PRIMITIVE = re.compile(r"roles/(owner|editor|viewer)\b")
_PUBLIC = re.compile(r"\ball(Authenticated)?Users\b")
_DEFAULT_ACCOUNT = re.compile(r"-compute@developer|@appspot\.gserviceaccount|@cloudservices\.gserviceaccount")
_FIXED_PROJECT = re.compile(r"projects/(?!\$\{|-/)[A-Za-z0-9]")


def no_keys(tree: Sequence[Block]) -> Iterator[str]:
    """Identities have no keys that could be lost."""
    for block in tree:
        if block.kind in ("resource", "data") and re.search(r"_(account|hmac|api|apikeys)_key$", block.type):
            yield f"{block.address}: a key can be copied; use federation or an attached account"


def no_primitive_role(tree: Sequence[Block]) -> Iterator[str]:
    """Nobody is owner, editor or viewer."""
    for block in _values(tree):
        if found := _PRIMITIVE.search(block.text):
            yield f"{block.address}: {found[0]}"


def nobody_public(tree: Sequence[Block]) -> Iterator[str]:
    """Nothing is granted to everybody."""
    for block in _values(tree):
        if found := _PUBLIC.search(block.text):
            yield f"{block.address}: {found[0]}"


def buckets_closed(tree: Sequence[Block]) -> Iterator[str]:
    """Buckets have no access lists of objects, and cannot be made public."""
    for block in _of_type(tree, "google_storage_bucket"):
        if block.body.get("uniform_bucket_level_access") is not True:
            yield f"{block.address}: wanted uniform_bucket_level_access = true"
        if block.body.get("public_access_prevention") != "enforced":
            yield f'{block.address}: wanted public_access_prevention = "enforced"'
    for block in tree:
        if block.type.endswith(("_acl", "_access_control")):
            yield f"{block.address}: access lists of objects are off; grant a folder"


def pushes_watched(tree: Sequence[Block]) -> Iterator[str]:
    """A push subscription signs its requests, backs off, keeps what fails, and somebody is told."""
    for block in _of_type(tree, "google_pubsub_subscription"):
        if "push_config" not in block.body:
            continue
        [push, *_] = block.body["push_config"]
        [token, *_] = push.get("oidc_token") or [{}]
        if not {"service_account_email", "audience"} <= token.keys():
            yield f"{block.address}: wanted push_config.oidc_token with an account and an audience"
        for name in ("dead_letter_policy", "retry_policy"):
            if name not in block.body:
                yield f"{block.address}: wanted {name}"
        address = f"google_pubsub_subscription.{block.name}."
        alerts = [_expanded(one, tree) for one in _of_type(tree, "google_monitoring_alert_policy", block.folder)]
        if not any("dead_letter_message_count" in text and address in text for text in alerts):
            yield f"{block.address}: wanted an alert on its dead letters"
        if not any(
            address in one.text for one in _of_type(tree, "google_pubsub_subscription_iam_member", block.folder)
        ):
            yield f"{block.address}: wanted Pub/Sub's agent as subscriber, or no message becomes a dead letter"
        [dead, *_] = block.body.get("dead_letter_policy") or [{}]
        topic = str(dead.get("dead_letter_topic", "${?.}"))[2:].rpartition(".")[0] + "."
        if not any(topic in one.text for one in _of_type(tree, "google_pubsub_topic_iam_member", block.folder)):
            yield f"{block.address}: wanted Pub/Sub's agent as publisher on the dead letters' topic"


def no_default_account(tree: Sequence[Block]) -> Iterator[str]:
    """Nothing runs as an account that Google made and that may do nearly everything."""
    for block in _values(tree):
        if "default_service_account" in block.type or _DEFAULT_ACCOUNT.search(block.text):
            yield f"{block.address}: a default account"
    for block in _of_type(tree, "google_cloud_run_v2_service"):
        if not all(template.get("service_account") for template in block.body.get("template", [{}])):
            yield f"{block.address}: without service_account it runs as the default account"


def no_fixed_project(tree: Sequence[Block]) -> Iterator[str]:
    """Projects are variables."""
    for block in _values(tree):
        project = block.body.get("project", "${var.project}")
        if not str(project).startswith("${") or _FIXED_PROJECT.search(block.text):
            yield f"{block.address}: names a project; take it from a variable"


def grants_narrow(tree: Sequence[Block]) -> Iterator[str]:
    """A grant adds one member to one resource; only the table's roles are granted on a project."""
    for block in tree:
        if block.kind != "resource" or "_iam_" not in block.type or "workload_identity" in block.type:
            continue
        if block.type.endswith(("_iam_policy", "_iam_binding")):
            yield f"{block.address}: takes away what others granted; wanted _iam_member"
        if block.type.startswith(("google_organization_", "google_folder_", "google_billing_")):
            yield f"{block.address}: wider than the project"
        if block.type.startswith("google_project_iam_") and block.folder != "modules/identity":
            yield f"{block.address}: grants on the project are those of permissions.yaml, made by modules/identity"
    for block in _values(tree):
        for role in re.findall(r"roles/[A-Za-z.]+[A-Za-z]", block.text):
            if role not in GRANTED:
                yield f"{block.address}: {role} is not among the roles that modules grant"


def variables_described(tree: Sequence[Block]) -> Iterator[str]:
    """Variables have a type and, as outputs, a description."""
    for block in tree:
        if block.kind in ("variable", "output") and not str(block.body.get("description", "")).endswith("."):
            yield f"{block.address}: wanted a description, a sentence"
        if block.kind == "variable" and "type" not in block.body:
            yield f"{block.address}: wanted a type"
        for validation in block.body.get("validation", ()) if block.kind == "variable" else ():
            if not str(validation["error_message"]).startswith(f"{block.name}: "):
                yield f"{block.address}: its error message does not begin with its name"


RULES: tuple[Rule, ...] = (
    no_keys,
    no_primitive_role,
    nobody_public,
    buckets_closed,
    pushes_watched,
    no_default_account,
    no_fixed_project,
    grants_narrow,
    variables_described,
)


def _values(tree: Sequence[Block]) -> Iterator[Block]:
    """What is created or passed on; not variables, whose validations quote what they refuse."""
    return (block for block in tree if block.kind in ("resource", "data", "locals", "module"))


def _of_type(tree: Sequence[Block], type_: str, folder: str = "") -> list[Block]:
    return [block for block in tree if block.type == type_ and folder in ("", block.folder)]


def _expanded(block: Block, tree: Sequence[Block]) -> str:
    """A block's strings, and those of the locals that it names."""
    local = {
        name: value
        for one in tree
        if one.kind == "locals" and one.folder == block.folder
        for name, value in one.body.items()
    }
    named = [str(local.get(name, "")) for name in re.findall(r"local\.(\w+)", block.text)]
    return "\n".join([block.text, *named])
