"""The worlds by name; a further one is a module and a line here."""

import importlib
from dataclasses import replace

from core import objects
from core.errors import UsageError, did_you_mean
from mlops.worlds.world import World, WorldContext

WORLDS = {"laptop": "mlops.worlds.laptop:Laptop", "kfp": "mlops.worlds.kfp:Kubeflow"}
"""Name -> module:class, called with a `WorldContext`; imported on use."""
DEFAULT = "laptop"


def open_world(at: str, context: WorldContext) -> World:
    """Return the world that a name stands for; an address such as `s3://bucket/folder` is the laptop with data there.

    Raises UsageError for what is neither.
    """
    if "://" in at:
        at, context = DEFAULT, with_objects(context, at)
    if at not in WORLDS:
        raise UsageError(f"--at {at}: wanted {', '.join(WORLDS)} or an address{did_you_mean(at, WORLDS)}")
    module, _, name = WORLDS[at].partition(":")
    world: World = getattr(importlib.import_module(module), name)(context)
    return world


def with_objects(context: WorldContext, address: str) -> WorldContext:
    """Return a context whose data and models lie at an address in an object store."""
    return replace(context, store=replace(context.store, objects=objects.checked(address)))
