"""Checks before a submission that the local cluster's node has the images of a pipeline."""

from pathlib import Path

from core.errors import MlopsError
from mlops.cluster.access import reach
from mlops.worlds.kfp_connection import Connection
from mlops.worlds.kfp_platform import containers


def check_images(connection: Connection, compiled: Path) -> None:
    """Raise MlopsError for images that the local cluster's node lacks: their pods would wait forever."""
    if not connection.local:
        return
    images = {container["image"] for container in containers(compiled)}
    lacking = reach.lacking_images(sorted(images))
    if lacking:
        raise MlopsError(
            f"the cluster's node lacks {', '.join(lacking)}: the sources have changed since its images were built; "
            "`mlops cluster up` (make deploy-local) builds and loads them, then submit again"
        )
