"""Secrets of the cluster: the object store's keys, copied to the model server's namespace, and the triggers' own."""

import base64
import secrets
from contextlib import suppress

from mlops.cluster.errors import ClusterError, CommandFailed
from mlops.cluster.programs.kubectl import Kubectl, Object
from mlops.cluster.site import KFP_NAMESPACE, NAMESPACE

SECRET = "mlpipeline-minio-artifact"  # noqa: S105 - a name
ACCESS_KEY, SECRET_KEY = "accesskey", "secretkey"
TRIGGER_SECRET = "mlops-trigger"  # noqa: S105 - a name
TRIGGER_KEY = "secret"


def keys(kubectl: Kubectl) -> dict[str, str]:
    """Return the object store's two keys, by their names in the Secret; ClusterError when one is missing."""
    return {key: base64.b64decode(value).decode() for key, value in _data(kubectl, KFP_NAMESPACE).items()}


def copy(kubectl: Kubectl) -> bool:
    """Copy the keys to the model server's namespace; return whether they were different there.

    They go from kubectl to kubectl through pipes, never through a file. Raises ClusterError when there are none.
    """
    wanted = _data(kubectl, KFP_NAMESPACE)
    with suppress(ClusterError):  # it does not exist yet
        if _data(kubectl, NAMESPACE) == wanted:
            return False
    return kubectl.apply([_secret(SECRET, NAMESPACE, wanted)], seconds=60)


def share_trigger_secret(kubectl: Kubectl) -> bool:
    """Make the secret that senders of facts sign with, where there is none, and give steps of pipelines the same.

    Returns whether anything was changed.
    """
    found = [_found(kubectl, TRIGGER_SECRET, namespace) for namespace in (NAMESPACE, KFP_NAMESPACE)]
    value = found[0].get(TRIGGER_KEY) or base64.b64encode(secrets.token_hex(32).encode()).decode()
    wanted = {TRIGGER_KEY: value}
    if found == [wanted, wanted]:
        return False
    objects = [_secret(TRIGGER_SECRET, namespace, wanted) for namespace in (NAMESPACE, KFP_NAMESPACE)]
    return kubectl.apply(objects, seconds=60)


def _secret(name: str, namespace: str, data: dict[str, str]) -> Object:
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}


def _found(kubectl: Kubectl, name: str, namespace: str) -> dict[str, str]:
    """Return a Secret's data; empty where there is no such Secret."""
    items = kubectl.get("secrets", "--namespace", namespace).get("items", [])
    return next((dict(item.get("data", {})) for item in items if item["metadata"]["name"] == name), {})


def _data(kubectl: Kubectl, namespace: str) -> dict[str, str]:
    try:
        data = kubectl.get("secret", SECRET, "--namespace", namespace).get("data", {})
    except CommandFailed as error:
        raise ClusterError(
            f"the Secret {namespace}/{SECRET} with the object store's keys cannot be read: {error}; "
            "`mlops cluster up` makes it"
        ) from error
    if missing := {ACCESS_KEY, SECRET_KEY} - data.keys():
        raise ClusterError(
            f"the Secret {namespace}/{SECRET} has no {' and no '.join(sorted(missing))}; "
            "delete it and run `mlops cluster up`, which makes it again"
        )
    return {key: data[key] for key in (ACCESS_KEY, SECRET_KEY)}
