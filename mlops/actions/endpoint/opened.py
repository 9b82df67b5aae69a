"""Opens the endpoint and the mirror of a deployment on Vertex AI."""

from core.backends.registry import open_registry
from core.images import image
from mlops.actions.endpoint.target import Target
from mlops.actions.model_mirror import Mirror
from mlops.worlds.vertex.models_api import ModelsApi
from mlops.worlds.vertex.operations import Progress
from mlops.worlds.vertex.world import Vertex


def open_mirror(world: Vertex, progress: Progress) -> Mirror:
    """Return the mirror of the deployment's registry; uploads take the serving image that was pushed."""
    registry = open_registry(world.store.registry)
    return Mirror(ModelsApi(world.deployment), registry, lambda: world.references[image("serving")], progress)


def open_target(world: Vertex, name: str, progress: Progress) -> Target:
    """Return a model and its endpoint; UsageError when the deployment has none for it."""
    world.deployment.endpoint_of(name)
    mirror = open_mirror(world, progress)
    return Target(name, world.deployment, mirror.registry, mirror, progress)
