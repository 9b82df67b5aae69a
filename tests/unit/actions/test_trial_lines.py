"""Each trial is shown once as it ends, whether it ran in the tuning's own step or as a task beside it."""

from pathlib import Path

from mlops.actions.experiments.tuned import TrialLines
from mlops.runs.events import Event, Noted, TaskChanged
from mlops.runs.record import State, Task


def test_lines_of_all_trials_are_shown_once_and_nothing_else(tmp_path: Path) -> None:
    shown: list[Event] = []
    logs = {name: tmp_path / f"{name}.log" for name in ("tuning", "first", "second", "training")}
    with TrialLines(shown.append) as lines:
        for name, stage in (("first", "train_trial"), ("second", "train_trial"), ("training", "train_model")):
            lines(TaskChanged(Task(name, stage, State.RUNNING, log=logs[name])))
            logs[name].write_text(f"importing\ntrial {name}: AUC 0.7\ntrial that is being writ", encoding="utf-8")
            lines(TaskChanged(Task(name, stage, State.SUCCEEDED, log=logs[name])))
        lines(TaskChanged(Task("tuning", "tune_model", State.RUNNING, log=logs["tuning"])))
        for count in (1, 2):
            logs["tuning"].write_text("".join(f"trial {one} of 2: AUC 0.6\n" for one in range(count)), encoding="utf-8")
            lines(TaskChanged(Task("tuning", "tune_model", State.SUCCEEDED, log=logs["tuning"])))
    noted = [event.text for event in shown if isinstance(event, Noted)]
    assert noted == ["trial first: AUC 0.7", "trial second: AUC 0.7", "trial 0 of 2: AUC 0.6", "trial 1 of 2: AUC 0.6"]
    assert len(shown) == len(noted) + 9
