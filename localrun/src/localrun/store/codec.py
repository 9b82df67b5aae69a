"""Turns records into JSON and back; paths inside the store are kept relative, so that a store can be moved."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from localrun.records import Artifact, Run, State, TaskRun, Values


class Codec:
    """Knows the store that relative paths are relative to."""

    def __init__(self, store: Path) -> None:
        self.store = store

    def shorten(self, path: str) -> str:
        """Make a path inside the store relative, as `store:...`."""
        prefix = f"{self.store}/"
        return f"store:{path[len(prefix) :]}" if path.startswith(prefix) else path

    def lengthen(self, path: str) -> str:
        """Undo `shorten`."""
        return f"{self.store}/{path[6:]}" if path.startswith("store:") else path

    def values(self, values: Values) -> dict[str, Any]:
        """Return parameters and artifacts as JSON data."""
        data = {
            "parameters": dict(values.parameters),
            "artifacts": {name: self._artifact(a) for name, a in values.artifacts.items()},
        }
        lists = {name: [self._artifact(a) for a in listed] for name, listed in values.lists.items()}
        return {**data, "lists": lists} if lists else data

    def read_values(self, data: Mapping[str, Any]) -> Values:
        """Undo `values`."""
        artifacts = {name: self._read_artifact(a) for name, a in data["artifacts"].items()}
        lists = {name: tuple(self._read_artifact(a) for a in listed) for name, listed in data.get("lists", {}).items()}
        return Values(data["parameters"], artifacts, lists)

    def _artifact(self, artifact: Artifact) -> dict[str, Any]:
        return {**artifact.__dict__, "uri": self.shorten(artifact.uri), "metadata": dict(artifact.metadata)}

    def _read_artifact(self, data: Mapping[str, Any]) -> Artifact:
        return Artifact(**{**data, "uri": self.lengthen(data["uri"])})

    def task(self, task: TaskRun) -> dict[str, Any]:
        """Return a task's record as JSON data."""
        return {
            **task.__dict__,
            "state": str(task.state),
            "started": _time(task.started),
            "finished": _time(task.finished),
            "log": self._path(task.log),
            "failed_outputs": self._path(task.failed_outputs),
            "inputs": self.values(task.inputs),
            "outputs": self.values(task.outputs),
        }

    def read_task(self, data: Mapping[str, Any]) -> TaskRun:
        """Undo `task`."""
        return TaskRun(
            **{
                **data,
                "state": State(data["state"]),
                "started": _read_time(data["started"]),
                "finished": _read_time(data["finished"]),
                "log": self._read_path(data["log"]),
                "failed_outputs": self._read_path(data["failed_outputs"]),
                "inputs": self.read_values(data["inputs"]),
                "outputs": self.read_values(data["outputs"]),
            }
        )

    def run(self, run: Run) -> dict[str, Any]:
        """Return a run with its tasks as JSON data."""
        return {
            **run.__dict__,
            "state": str(run.state),
            "started": _time(run.started),
            "parameters": dict(run.parameters),
            "folder": self._path(run.folder),
            "tasks": [self.task(task) for task in run.tasks],
            "outputs": self.values(run.outputs),
        }

    def _path(self, path: Path | None) -> str | None:
        return None if path is None else self.shorten(str(path))

    def _read_path(self, text: str | None) -> Path | None:
        return None if text is None else Path(self.lengthen(text))


def text(data: Any) -> str:
    """Write JSON in one canonical way: equal data, equal text."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()


def _read_time(moment: str | None) -> datetime | None:
    return None if moment is None else datetime.fromisoformat(moment)
