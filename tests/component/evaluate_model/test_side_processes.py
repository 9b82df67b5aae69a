"""What other processes fit and score gives the evaluation that one process gives."""

import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from artifacts.model.label import write as write_label
from artifacts.predictions.split import Splits
from artifacts.schema.reference import read_referenced
from components.evaluate_model import logic, side_processes
from components.evaluate_model.config import Config
from components.evaluate_model.logic import Inputs, Outputs, evaluate, prepare
from components.evaluate_model.models import Models, load_model
from components.evaluate_model.pictures import plots
from components.evaluate_model.scored_parts import ScoredSplit
from components.evaluate_model.scoring import score
from core.backends.registry import open_registry
from problems.labels import TrainedLabel
from tests.component.evaluate_model.world import Model, Planted, rows, write_examples

COMPARES_PICTURES = True


class _Here:
    """Does the work when it is asked for, as a process beside this one did it before."""

    def __init__(self, work: Callable[[Callable[[], Any]], Any], *, gives_way: bool = False) -> None:
        self._work, self._given = work, None

    def give(self, value: Any) -> None:
        self._given = value

    def result(self) -> Any:
        return self._work(lambda: self._given)

    def end(self) -> None:
        pass


def _config() -> Config:
    return Config.model_validate(
        {
            "label": "late",
            "task": "binary_classification",
            "metrics": [{"name": "auc", "at_least": 0.5, "why": "a bound of this test"}],
            "slices": [["carrier"]],
            "baselines": [{"kind": "majority"}, {"kind": "rate_table", "keys": ["carrier"]}, {"kind": "linear"}],
            "leak": {"feature_above": 0.9},
            "batch_size": 200,  # more batches than are scored while the baselines are fitted
        }
    )


@pytest.mark.parametrize("is_other", [False, True], ids=["a champion", "a champion of another label"])
@pytest.mark.parametrize("expected", ["nothing", "the candidate's label", "the champion's label"])
def test_other_processes_give_what_one_process_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, expected: str, *, is_other: bool
) -> None:
    examples = write_examples(tmp_path / "examples", rows(1500, 1), rows(1600, 2))
    splits = Splits(examples, read_referenced(str(examples / "schema.pbtxt")))
    config = _config()
    model, place = (Model(one).save(tmp_path / name) for one, name in ((Planted(), "new"), (Planted(load=1.0), "old")))
    if is_other:
        write_label(place / "Format-Serving", TrainedLabel("early", "binary_classification"))
    candidate, champion = load_model(model, config), load_model(place, config)
    alone = score(config, splits, Models(candidate, champion))
    assert bool(alone.rows.champion_fault) is is_other
    label_of = {"the candidate's label": model, "the champion's label": place}.get(expected)
    monkeypatch.setattr(side_processes, "has_room", lambda: True)
    monkeypatch.setattr(side_processes, "Beside", _Here)
    with side_processes.begin(config, splits, label_of, place) as found:
        assert found.baselines is not None
        assert found.champion is not None
        assert found.plots is not None
        beside = score(config, splits, Models(candidate, None), found)
        _assert_equal(alone, beside)
        found.plots.give(replace(beside.rows, baselines={}, columns={}))
        assert found.plots.result() == plots(config, alone.rows)


@pytest.mark.parametrize("of_champion", [("1", "0"), ("1", "2")], ids=["in another order", "without one of the rows"])
def test_baselines_are_fitted_to_the_candidate_s_label_where_another_was_expected(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, of_champion: tuple[str, str]
) -> None:
    examples = write_examples(tmp_path / "examples", rows(500, 1), rows(1600, 2))
    splits, config = Splits(examples, read_referenced(str(examples / "schema.pbtxt"))), _config()
    model, place = (Model(one).save(tmp_path / name) for one, name in ((Planted(), "new"), (Planted(load=1.0), "old")))
    for folder, (one, other) in ((model, ("0", "1")), (place, of_champion)):
        label = TrainedLabel("late", "binary_classification", classes=(one, other), values={one: 0, other: 1})
        write_label(folder / "Format-Serving", label)
    alone = score(config, splits, Models(load_model(model, config), None))
    monkeypatch.setattr(side_processes, "has_room", lambda: True)
    monkeypatch.setattr(side_processes, "Beside", _Here)
    with side_processes.begin(config, splits, place, None) as found:
        _assert_equal(alone, score(config, splits, Models(load_model(model, config), None), found))


def test_an_evaluation_takes_what_was_begun_for_it_while_the_model_was_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    examples = write_examples(tmp_path / "examples", rows(500, 1), rows(1600, 2))
    model, other = (Model(one).save(tmp_path / name) for one, name in ((Planted(), "new"), (Planted(load=1.0), "old")))
    registry = str(tmp_path / "registry")
    champion = open_registry(registry).publish("world", other / "Format-Serving", {}).reference
    inputs = Inputs(str(examples / "schema.pbtxt"), examples, model, champion, registry)
    evaluate(_config(), inputs, _outputs(tmp_path / "alone"))
    monkeypatch.setattr(side_processes, "has_room", lambda: True)
    monkeypatch.setattr(side_processes, "Beside", _Here)
    seen = tmp_path / "seen"
    shutil.copytree(examples, seen, copy_function=os.link)  # as localrun shows its inputs to a task
    parameters = {"config": _config().model_dump(), "schema": inputs.schema, "champion": champion, "registry": registry}
    prepare(parameters, {"examples": str(examples)})
    monkeypatch.setattr(logic, "begin", lambda *_: pytest.fail("begun again"))
    evaluate(_config(), replace(inputs, examples=seen), _outputs(tmp_path / "begun"))
    for name in ("metrics.json", "parity.jsonl", "decision.json", "pictures.html"):
        assert (tmp_path / "alone" / name).read_bytes() == (tmp_path / "begun" / name).read_bytes(), name


def _outputs(folder: Path) -> Outputs:
    return Outputs(folder, folder / "decision.json", folder / "pictures.html", lambda _name, _value: None)


def _assert_equal(left: ScoredSplit, right: ScoredSplit) -> None:
    assert left.feature_skill == right.feature_skill
    assert left.left_out == right.left_out
    assert left.rows.champion_fault == right.rows.champion_fault
    for ours, theirs in ((left.rows.models, right.rows.models), (left.rows.baselines, right.rows.baselines)):
        assert list(ours) == list(theirs)
        assert all(np.array_equal(values, theirs[name]) for name, values in ours.items())
