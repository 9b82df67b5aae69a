"""The object store's keys: copied from Kubeflow Pipelines' namespace to the model server's."""

import base64
from contextlib import suppress

from mlops.cluster.errors import ClusterError, CommandFailed
from mlops.cluster.programs.kubectl import Kubectl
from mlops.cluster.site import KFP_NAMESPACE, NAMESPACE

SECRET = "mlpipeline-minio-artifact"  # noqa: S105 - a name
ACCESS_KEY, SECRET_KEY = "accesskey", "secretkey"


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
    metadata = {"name": SECRET, "namespace": NAMESPACE}
    return kubectl.apply(
        [{"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": wanted}], seconds=60
    )


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
