"""One of several training processes: `python -m components.train_model.worker TASK`, with TF_CONFIG."""

import json
import logging
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from components.train_model.task import CHECKPOINT, METRICS, PICTURES, Task, record_fault
from components.train_model.this_process import Inputs, Outputs, runs_by_itself, train_here
from core.errors import MlopsError
from core.object_stores import locations
from core.object_stores.locations import Location
from training.distributed.members import Member, member_of


def main() -> None:
    """Train; the exit code is 1 for an error of the project, which is one line, and for any other error."""
    task = Task.of_text(sys.argv[1])
    member = member_of(os.environ) or Member(0, 1)
    logging.basicConfig(
        level=logging.INFO, format=f"process {member.index} of {member.count}: %(message)s", stream=sys.stderr
    )
    locations.remove_file(task.fault_file(member.index))
    try:
        work(task, member)
    except MlopsError as error:
        record_fault(task, member.index, error)
        sys.exit(f"process {member.index} of {member.count}: {type(error).__name__}: {error}")
    except Exception as error:
        record_fault(task, member.index, error)
        raise


def work(task: Task, member: Member) -> None:
    """Train as one process of a task; the first writes the outputs."""
    with tempfile.TemporaryDirectory(prefix="mlops-train-") as name:
        folder = Path(name)
        inputs = _readable(task.inputs, folder)
        is_here = isinstance(task.model, Path)
        model = task.model if isinstance(task.model, Path) and member.is_chief else folder / "model"
        metrics: dict[str, float] = {}
        outputs = Outputs(model, metrics.__setitem__, folder / PICTURES)
        kept = None if is_here else locations.join(task.work, CHECKPOINT)
        train_here(task.config, inputs, outputs, member, kept)
        if not member.is_chief:
            return
        if isinstance(task.model, str):
            _upload(model, task.model)
        locations.write(locations.join(task.work, PICTURES), (folder / PICTURES).read_bytes())
        locations.write(locations.join(task.work, METRICS), json.dumps(metrics).encode())


def _readable(inputs: Inputs, folder: Path) -> Inputs:
    """Copy here what TensorFlow reads itself; examples are read shard by shard, but for a `run_fn`."""
    names = ("transform_graph", "examples") if runs_by_itself(inputs.module) else ("transform_graph",)
    copied: dict[str, Any] = {}
    for name in names:
        place = locations.located(getattr(inputs, name))
        if isinstance(place, str):
            locations.copy_here(place, folder / name)
            copied[name] = folder / name
    return inputs._replace(**copied)


def _upload(folder: Path, target: Location) -> None:
    for name in locations.files(folder):
        locations.publish(folder / name, locations.join(target, name))


if __name__ == "__main__":
    main()
