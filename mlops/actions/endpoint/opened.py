"""Opens the endpoint and the mirror of a deployment on Vertex AI."""

from core.backends.registry import open_registry
from core.images import image
from mlops.actions.endpoint.target import Target
from mlops.actions.model_mirror import Mirror
from mlops.worlds.vertex.models_api import ModelsApi
from mlops.worlds.vertex.operations import Progress
from mlops.worlds.vertex.world import Vertex


def open_mirror(world: Vertex, progress: Progress, root: str = "") -> Mirror:
    """Return the mirror of the deployment's registry, or of another one; uploads take the pushed serving image."""
    registry = open_registry(root or world.store.registry)
    return Mirror(ModelsApi(world.deployment), registry, lambda: world.references[image("serving")], progress)


def open_target(world: Vertex, name: str, progress: Progress, root: str = "") -> Target:
    """Return a model and its endpoint, which follows the deployment's registry or another one.

    Raises UsageError when the deployment has no endpoint for it.
    """
    world.deployment.endpoint_of(name)
    mirror = open_mirror(world, progress, root)
    return Target(name, world.deployment, mirror.registry, mirror, progress)
