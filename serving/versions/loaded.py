"""The state of each version: loaded, failed or in use; and the function that loads one."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from serving.errors import ModelError, RequestError, bad_request, not_found
from serving.versions.retry import Retry
from serving.versions.shelf import Published, Verified
from serving.versions.split import CANARY, CHAMPION, PINNED, Keyed, Split, Trial

if TYPE_CHECKING:
    from serving.models.savedmodel import SavedModel

LABELS = frozenset({"champion", "stable"})
"""Both name the version in production; `stable` is the label in TensorFlow Serving's own examples."""
NOTHING_YET = "no version is in production yet"


class Status(NamedTuple):
    """One version as TensorFlow Serving's status endpoint describes it."""

    version: int
    state: str
    code: str = "OK"
    message: str = ""


@dataclass
class LoadedVersion:
    """A version that answers, and how many requests use it."""

    model: "SavedModel"
    created: float | None
    users: int = 0
    retired: bool = False


@dataclass(frozen=True)
class FailedVersion:
    """A version that could not be loaded, when, why, and the stamp of its folder then."""

    stamp: Hashable
    at: float
    """As `time.monotonic` counts."""
    message: str
    failures: int = 1
    """In a row."""

    def is_due(self, stamp: Hashable, now: float, retry: Retry) -> bool:
        """Whether to try again: its folder has changed, or enough time has passed."""
        return stamp != self.stamp or now - self.at >= retry.pause(self.failures)


@dataclass
class ServedModel:
    """The state of one model; changed only by its manager, with its lock held."""

    champion: int | None = None
    """The version that answers."""
    proposed: int | None = None
    """The version that the other workers were told this one could answer with."""
    loaded: dict[int, LoadedVersion] = field(default_factory=dict)
    failed: dict[int, FailedVersion] = field(default_factory=dict)
    proposed_stage: int = 0
    """The split that the other workers were told this one could begin."""
    trouble: str = ""
    offered: Split | None = None
    """The split that the registry asks for; it begins when all workers have loaded its version."""
    split: Split | None = None
    """The split that is in force; None while the champion answers all requests."""
    trial: Trial | None = None
    """Counts what comes of the split."""

    def wanted(self, published: Published, agreed: int | None, others: int) -> list[int]:
        """Return the versions to load, in this order; `agreed` is what the other workers answer with."""
        first = [agreed] if agreed in published.versions and self.champion is None else []
        champion = [published.champion] if published.champion else []
        tried = [published.canary.version] if published.canary and published.canary.percent else []
        # A canary that was promoted answers its share until this worker has changed to it.
        tried += [self.split.version] if self.split and self.split.version == published.champion else []
        newest = published.versions[-others:] if others else ()
        # What the others answer with comes first: perhaps nobody can load the champion.
        ordered = (*first, *champion, *tried, *reversed(newest))
        return list(dict.fromkeys(version for version in ordered if version is not None))

    def statuses(self) -> list[Status]:
        """Return the versions as TensorFlow Serving describes them, newest first."""
        loaded = [Status(version, "AVAILABLE") for version in self.loaded]
        failed = [
            Status(version, "END", "DATA_LOSS", failure.message)
            for version, failure in self.failed.items()
            if version not in self.loaded
        ]
        return sorted((*loaded, *failed), reverse=True)


class Lease(NamedTuple):
    """A version that stays loaded while a request uses it."""

    version: int
    model: "SavedModel"
    role: str = CHAMPION
    """`champion`, `canary`, or `pinned`: another version, which the request itself named."""
    trial: Trial | None = None
    """Counts how the request goes; None where no canary runs."""


def lease_of(model: ServedModel, number: int, keyed: Keyed | None) -> Lease:
    """Return version `number`, or instead the canary, if it takes the key and is loaded.

    A split that has ended since the request was read tries nothing any more.
    """
    split = model.split
    if keyed is None or split is None or split.start != keyed.start:
        return Lease(number, model.loaded[number].model, CHAMPION if number == model.champion else PINNED)
    if keyed.is_mixed:
        if model.trial is not None:
            model.trial.unsplit()
        return Lease(number, model.loaded[number].model)
    is_canary = split.takes(keyed.key) and split.version in model.loaded
    chosen = split.version if is_canary else number
    return Lease(chosen, model.loaded[chosen].model, CANARY if is_canary else CHAMPION, model.trial)


def resolve(models: Mapping[str, ServedModel], name: str, version: int | None, label: str | None) -> int:
    """Return the version to answer with: the given one, or the champion; RequestError (400, 404, 503) if none fits."""
    model = models.get(name)
    if model is None:
        raise not_found(
            f"Servable not found for request: {f'Specific({name}, {version})' if version else f'Latest({name})'}"
        )
    if label is not None and label not in LABELS:
        raise bad_request(f"Unrecognized servable version label: {label}; known: {', '.join(sorted(LABELS))}")
    if version is None:
        if model.champion is None:
            raise RequestError(503, "UNAVAILABLE", f"{name}: {model.trouble or NOTHING_YET}")
        return model.champion
    if version not in model.loaded:
        raise not_found(f"Servable not found for request: Specific({name}, {version})")
    return version


def load_version(verified: Verified) -> "SavedModel":
    """Load a version and predict its warm-up rows; ModelError when it fails or an output is not finite."""
    from serving.models.savedmodel import SavedModel  # noqa: PLC0415 - TensorFlow, only in the process that serves
    from serving.models.warm_up import warm_up  # noqa: PLC0415

    model = SavedModel(verified.path)
    try:
        warm_up(model, verified.path)
    except ModelError:
        model.close()
        raise
    for signature in model.signatures.values():
        _ = signature.row_parser  # made here, so that no request waits for it
    return model
