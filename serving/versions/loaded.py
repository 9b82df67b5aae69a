"""The state of each version: loaded, failed or in use; and the function that loads one."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from serving.errors import ModelError
from serving.versions.shelf import Verified

if TYPE_CHECKING:
    from serving.models.savedmodel import SavedModel


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
    """A version that could not be loaded, the time, and the stamp of its folder then."""

    stamp: Hashable
    at: float
    message: str


@dataclass
class ServedModel:
    """The state of one model; changed only by its manager, with its lock held."""

    champion: int | None = None
    loaded: dict[int, LoadedVersion] = field(default_factory=dict)
    failed: dict[int, FailedVersion] = field(default_factory=dict)
    trouble: str = ""

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
    return model
