"""What each of several training processes is given, and what it leaves in the folder that all of them see."""

import json
import time
from dataclasses import dataclass
from typing import NamedTuple

from components.train_model.config import Config
from components.train_model.this_process import Inputs
from core import errors
from core.errors import MlopsError
from core.object_stores import locations
from core.object_stores.locations import Location
from core.worker_jobs.job import WorkerFailed

CHECKPOINT, METRICS, PICTURES = "checkpoint.npz", "metrics.json", "pictures.html"


@dataclass(frozen=True)
class Task:
    """One training."""

    config: Config
    inputs: Inputs
    model: Location
    """Where the first process writes the model."""
    work: Location

    def to_text(self) -> str:
        """Return it as an argument of a command."""
        inputs = {name: str(value) for name, value in self.inputs._asdict().items()}
        content = {"config": self.config.model_dump(mode="json", exclude_none=True), "inputs": inputs}
        return json.dumps({**content, "model": str(self.model), "work": str(self.work)})

    @classmethod
    def of_text(cls, text: str) -> "Task":
        """Read what `to_text` returned."""
        content = json.loads(text)
        config, inputs = Config.model_validate(content["config"]), Inputs(**content["inputs"])
        return cls(config, inputs, locations.located(content["model"]), locations.located(content["work"]))

    def fault_file(self, index: int) -> Location:
        """Return where a process writes why it failed."""
        return locations.join(self.work, f"fault-{index}.json")


class Fault(NamedTuple):
    """Why a process failed."""

    kind: str
    message: str
    at: float
    """When, in seconds since 1970."""

    def error(self) -> MlopsError:
        """Return the project's error that was raised, or WorkerFailed for another."""
        kind = getattr(errors, self.kind, None)
        if isinstance(kind, type) and issubclass(kind, MlopsError):
            return kind(self.message)
        return WorkerFailed(f"{self.kind}: {self.message}")


def fault(task: Task, index: int) -> Fault | None:
    """Return why a process failed; None where it did not say."""
    try:
        return Fault(**json.loads(locations.read(task.fault_file(index))))
    except FileNotFoundError:
        return None


def record_fault(task: Task, index: int, error: Exception) -> None:
    """Write why a process failed."""
    found = Fault(type(error).__name__, str(error), time.time())
    locations.write(task.fault_file(index), json.dumps(found._asdict()).encode())
