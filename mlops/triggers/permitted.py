"""Which facts may start what: the closed list that a handler was started with, and each use case's configuration."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from core.errors import UsageError, did_you_mean
from mlops.triggers.fact import Fact
from pipelines.compiled import spec_of
from pipelines.config import USECASES, UseCase, find, load
from pipelines.triggers import Trigger


class NotPermitted(UsageError):
    """A fact that may start nothing; the message says what would have to be configured."""


class Permitted(Protocol):
    """Tells what a fact may start."""

    def trigger(self, fact: Fact) -> Trigger:
        """Return what a fact starts; NotPermitted for one that may start nothing."""


class Configured:
    """What the `triggers` and `schedules` of some use cases permit, read anew for each fact."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        """Permit the use cases whose folders are given by name, and no other."""
        self._folders = folders

    def trigger(self, fact: Fact) -> Trigger:
        """Read the use case's configuration."""
        if fact.usecase not in self._folders:
            known = did_you_mean(fact.usecase, self._folders)
            raise NotPermitted(f"subject: use case {fact.usecase!r} is not one that this handler may run{known}")
        usecase = load(self._folders[fact.usecase])
        trigger: Trigger | None = (
            _scheduled(usecase, fact) if fact.cause == "schedule" else getattr(usecase.triggers, fact.cause)
        )
        if trigger is None:
            where = usecase.folder / "config.yaml"
            raise NotPermitted(f"{where}: triggers.{fact.cause} is not there: unset means not allowed")
        spec_of(trigger.pipeline)
        return trigger


def permitted_folders(usecases: Iterable[str] = ()) -> dict[str, Path]:
    """Return the folders of use cases by name; with none given, of all below `usecases/` with triggers or schedules.

    Raises UsageError for one that is not there, and for two of one name.
    """
    given = [find(usecase) for usecase in usecases]
    found: dict[str, Path] = {}
    for folder in given or sorted(path.parent for path in USECASES.glob("*/config.yaml")):
        usecase = load(folder)
        if not given and not usecase.triggers.model_fields_set and not usecase.schedules:
            continue
        if found.get(usecase.name, folder) != folder:
            raise UsageError(f"{folder}: use case {usecase.name} is also in {found[usecase.name]}; rename one of them")
        found[usecase.name] = folder
    return found


def _scheduled(usecase: UseCase, fact: Fact) -> Trigger:
    """What a slot of a schedule starts."""
    if fact.schedule not in usecase.schedules:
        known = did_you_mean(fact.schedule, usecase.schedules)
        raise NotPermitted(f"{usecase.folder / 'config.yaml'}: schedules.{fact.schedule} is not there{known}")
    schedule = usecase.schedules[fact.schedule]
    return Trigger(pipeline=schedule.pipeline, span=schedule.span)
