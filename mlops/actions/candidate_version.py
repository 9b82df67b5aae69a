"""Finds the version that a person means by a number or by a run; a run's model is published where it is not yet."""

from core.backends.registry import ModelVersion, open_registry
from core.errors import UsageError
from core.store import Store
from mlops.actions.release import push_by_hand
from mlops.actions.run_list import find_run
from mlops.runs.history import read_run


def version_of(store: Store, name: str, run_or_version: str, override: str = "") -> ModelVersion:
    """Return a version by number, or the model of a finished run, published but not promoted.

    Raises RegistryError for a number that does not exist, UsageError for the run of another use case, GateClosed when
    the run's evidence is not what a release requires and `override` is empty.
    """
    if run_or_version.isdecimal():
        return open_registry(store.registry).get(name, int(run_or_version))
    run = read_run(store, find_run(store, run_or_version))
    if run.submission.usecase != name:
        raise UsageError(f"wanted a run of {name}, got {run.run_id}, which is one of {run.submission.usecase}")
    return push_by_hand(store, run.run_id, override, promotes=False).version
