"""A student goes on only if it surely gains over the same model from scratch; what cannot be distilled is named."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from artifacts.distillation.distillation import Distillation
from artifacts.model.footprint import Footprint
from components.distill_model import logic
from components.distill_model.config import Config
from components.distill_model.logic import Inputs, Outputs, distill
from components.distill_model.teaching import teach
from core.decision import Decision
from core.errors import ConfigError, DataError
from tests.component.three_spans import TRAINING, World, write_world
from training.families.contender import contender
from training.families.contest import Contest
from training.families.footprint import Measured
from training.record import OF_TRAIN_MODEL
from training.session import Session, Sources, opened
from training.settings import TrainingSettings

LONG = TRAINING | {"epochs": 30, "batch_size": 16, "hyperparameters": {"learning_rate": 0.05}}
SMALL = {"student": {"hyperparameters": {"units": 2}}, "seeds": (0, 1)}


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("linear"), "linear", (800, 800, 800))


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Few rows to train on, which say little of the truth, and many to compare on."""
    return write_world(tmp_path_factory.mktemp("few"), "linear", (30, 30, 4000))


@pytest.fixture(scope="module")
def plain(linear: World) -> Path:
    folder = linear.folder / "plain"
    (folder / "Format-Serving").mkdir(parents=True)
    (folder / "Format-Serving" / "saved_model.pb").write_bytes(b"the plain model")
    return folder


def _distill(
    world: World, plain: Path, name: str, training: Any = TRAINING, **settings: Any
) -> tuple[Distillation, Path]:
    inputs = Inputs(world.module, world.schema, world.examples, world.transform_graph, plain)
    out = world.folder / name
    outputs = Outputs(out / "model", out / "distillation", out / "decision", out / "html")
    distill(Config.model_validate(SMALL | settings), training, inputs, outputs)
    return Distillation.read(out / "distillation"), out


@pytest.fixture(scope="module")
def found(linear: World, plain: Path) -> tuple[Distillation, Path]:
    return _distill(linear, plain, "found", teacher={"members": 2, "hyperparameters": {"units": 16}})


@pytest.mark.nightly("trains and exports a dozen models")
def test_teacher_student_and_scratch_stand_beside_each_other(found: tuple[Distillation, Path]) -> None:
    distillation, out = found
    assert [(one.name, len(one.skills)) for one in distillation.learners] == [
        ("teacher", 1), ("student", 2), ("scratch", 2),
    ]  # fmt: skip
    assert distillation.of("student").footprint.parameters == distillation.of("scratch").footprint.parameters == 9
    assert distillation.of("teacher").footprint.parameters * distillation.members == 2 * 65
    assert (distillation.trained_rows, distillation.held_out_rows) == (1600, 800)
    assert "The student gains" in (out / "html").read_text(encoding="utf-8")


@pytest.mark.nightly("trains and exports a dozen models")
def test_what_goes_on_is_what_the_rule_says_and_is_trained_on_all_spans(found: tuple[Distillation, Path]) -> None:
    distillation, out = found
    assert distillation.passed == ("student" if distillation.gain_at_least > 0 else "scratch")
    assert json.loads((out / "model" / "training.json").read_text())["rows"] == 2400
    assert (out / "model" / "Format-Serving" / "saved_model.pb").is_file()
    decision = Decision.read(out / "decision")
    assert decision.is_open
    assert "minus the same model from scratch on span 3, lower end of the 95% interval" in decision.checks[0].rule


@pytest.mark.nightly("trains and exports a dozen models")
def test_a_student_that_must_gain_the_impossible_gives_way_to_what_is_configured(linear: World, plain: Path) -> None:
    distillation, out = _distill(linear, plain, "impossible", min_gain=0.9, otherwise="plain", teacher={"members": 1})
    assert distillation.passed == "plain"
    assert (out / "model" / "Format-Serving" / "saved_model.pb").read_bytes() == b"the plain model"
    assert "the model of train_model" in str(Decision.read(out / "decision").checks[1].observed)


@pytest.mark.nightly("trains and exports a dozen models")
def test_a_teacher_that_knows_more_than_the_labels_say_sends_its_student_on(few: World, plain: Path) -> None:
    distillation, out = _distill(
        few, plain, "knowing", LONG, alpha=0.0, teacher={"family": "build_knowing", "members": 1}
    )
    assert distillation.gain_at_least > 0
    assert distillation.passed == "student"
    assert distillation.of("student").skill > distillation.of("scratch").skill
    assert "the student, trained with its teacher" in str(Decision.read(out / "decision").checks[1].observed)
    assert (out / "model" / "Format-Serving" / "saved_model.pb").is_file()


def test_the_student_of_a_misled_teacher_does_not_go_on(
    few: World, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cost = Footprint(parameters=1, bytes=1, row_us=1, thousand_rows_us=1)
    monkeypatch.setattr(logic, "measure", lambda *_: Measured(cost, 0.0))
    monkeypatch.setattr(Session, "export", lambda _, model, folder: folder.mkdir(exist_ok=True))
    distillation, _ = _distill(
        few, plain, "misled", LONG | {"epochs": 10}, teacher={"family": "build_misled", "members": 1}
    )
    assert distillation.gain < 0
    assert distillation.passed == "scratch"


def test_an_overfitted_teacher_predicts_rows_that_it_has_not_seen(linear: World) -> None:
    memory = {"trees": 40, "leaves": 64, "min_rows": 1, "learning_rate": 0.5}
    config = Config.model_validate(
        SMALL | {"teacher": {"family": "trees", "members": 1, "hyperparameters": memory, "overfitted_above": 0.02}}
    )
    sources = Sources(linear.module, linear.schema, linear.examples, linear.transform_graph)
    with opened(TrainingSettings.of(TRAINING), sources, (1, 2)) as session:
        contest = Contest(session, 3)
        teacher = contender("trees", memory)
        taught = teach(config, contest, teacher)
        seen = teach(config, contest, teacher, out_of_fold=False)
        assert taught.is_out_of_fold
        assert taught.on_training - taught.on_validation > 0.02
        labels, _ = session.rows(taught.members[0].model, "train", (1, 2)).labels_and_weights()
    assert np.abs(seen.training - labels).mean() < np.abs(taught.training - labels).mean()
    np.testing.assert_array_equal(seen.validation, taught.validation)


def test_what_cannot_be_distilled_is_named_before_anything_is_trained(
    linear: World, plain: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logic, "teach", None)
    with pytest.raises(ConfigError, match=r"wanted a student of at most 99 parameters, as all members .* got 257"):
        _distill(linear, plain, "large", student={"hyperparameters": {"units": 64}})
    with pytest.raises(ConfigError, match=r"at most 33 parameters, as its teacher, got 257"):
        _distill(linear, plain, "larger", student={"hyperparameters": {"units": 64}}, teacher={"members": 1})
    with pytest.raises(ConfigError, match=r"build_model reads no hyperparameter 'unts'; did you mean 'units'"):
        _distill(linear, plain, "unread", student={"hyperparameters": {"unts": 2}})
    with pytest.raises(ConfigError, match=r"student: trees are not trained on predictions"):
        _distill(linear, plain, "trees", student={"family": "trees"})
    with pytest.raises(ConfigError, match=r"temperature: wanted 1 for a regression"):
        _distill(linear, plain, "number", TRAINING | {"task": "regression"}, temperature=3.0)
    with pytest.raises(ConfigError, match=r"teacher: wanted a family .* got 'build_modl'; did you mean 'build_model'"):
        _distill(linear, plain, "name", teacher={"family": "build_modl"})


def test_tuned_hyperparameters_of_the_plain_model_are_the_teachers_too(
    linear: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logic, "teach", None)
    large = {"student": {"hyperparameters": {"units": 64}}, "teacher": {"members": 1}}
    chosen = {"family": "linear", "hyperparameters": {}, OF_TRAIN_MODEL: {"units": 24}}
    for name, record in (("tuned", {"hyperparameters": {"units": 24}}), ("chosen beside the tuned", chosen)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "training.json").write_text(json.dumps(record), encoding="utf-8")
        with pytest.raises(ConfigError, match=r"at most 97 parameters, as its teacher, got 257"):
            _distill(linear, folder, name, **large)


def test_one_span_alone_is_refused(tmp_path: Path, plain: Path) -> None:
    world = write_world(tmp_path, "linear", (50,))
    with pytest.raises(DataError, match=r"distill_model: wanted two spans"):
        _distill(world, plain, "span")


@pytest.mark.parametrize("alpha", [-0.1, 1.0, 1.5])
def test_alpha_is_a_share(alpha: float) -> None:
    with pytest.raises(ValidationError, match="alpha: wanted"):
        Config.model_validate(SMALL | {"alpha": alpha})
