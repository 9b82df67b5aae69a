"""Starts the workers of a step that runs on Beam, without importing Beam for one that does not."""

import importlib
from contextlib import AbstractContextManager, nullcontext

from core.beam.settings import Runner


def workers_of(runner: Runner | None, module: str) -> AbstractContextManager[None]:
    """Within the block, workers of this machine are forks of one process that has imported `module`.

    A step enters it before it computes with TensorFlow, whose threads cannot be forked; None is this process alone.
    """
    if runner is None:
        return nullcontext()
    importlib.import_module(module)
    from adapters.beam_workers import forked_workers  # noqa: PLC0415 - Beam takes seconds to import

    return forked_workers(runner)
