"""The worlds by name; another world is a module and a line here."""

import importlib
from dataclasses import replace

from core import objects
from core.errors import UsageError, did_you_mean
from mlops.worlds.world import World, WorldContext

WORLDS = {
    "laptop": "mlops.worlds.laptop:Laptop",
    "kfp": "mlops.worlds.kfp:Kubeflow",
    "vertex": "mlops.worlds.vertex.world:Vertex",
}
"""Name -> module:class, called with a `WorldContext`; imported on use."""
DEFAULT = "laptop"


def open_world(at: str, context: WorldContext) -> World:
    """Return the world of a name; an address such as `gs://bucket/folder` is the laptop with data and models there.

    Raises UsageError for anything else.
    """
    if "://" in at:
        at, context = DEFAULT, with_objects(context, at)
    if at not in WORLDS:
        raise UsageError(f"--at {at}: wanted {', '.join(WORLDS)} or an address{did_you_mean(at, WORLDS)}")
    module, _, name = WORLDS[at].partition(":")
    world: World = getattr(importlib.import_module(module), name)(context)
    return world


def with_objects(context: WorldContext, address: str) -> WorldContext:
    """Return a context with data and models at an address of an object store; UsageError for what is no address."""
    return replace(context, store=replace(context.store, objects=objects.checked(address)))
