"""The simplest family within the noise of the best goes on; all are compared on a span that none has seen."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from pydantic import ValidationError

from artifacts.league.league import League
from artifacts.model.features import read_features
from components.search_model import logic
from components.search_model.config import Config
from components.search_model.logic import Inputs, Outputs, search
from components.train_model.config import Config as TrainConfig
from components.train_model.logic import Inputs as TrainInputs
from components.train_model.logic import Outputs as TrainOutputs
from components.train_model.logic import train
from core.decision import Decision
from core.errors import ConfigError, DataError, TrainingError
from tests.component.three_spans import TRAINING, World, write_world


@pytest.fixture(scope="module")
def crossed(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Only families with crosses can learn it; the module's own model cannot."""
    return write_world(tmp_path_factory.mktemp("crossed"), "crossed")


@pytest.fixture(scope="module")
def linear(tmp_path_factory: pytest.TempPathFactory) -> World:
    return write_world(tmp_path_factory.mktemp("linear"), "linear", (600, 600, 600))


def _search(world: World, name: str, trained: Path | str = "", **settings: Any) -> tuple[League, Path]:
    inputs = Inputs(world.module, world.schema, world.examples, world.transform_graph, trained)
    out = world.folder / name
    search(Config(**settings), TRAINING, inputs, Outputs(out / "model", out / "league", out / "decision", out / "html"))
    return League.read(out / "league"), out


@pytest.fixture(scope="module")
def trained(crossed: World) -> Path:
    """The module's own model."""
    folder = crossed.folder / "own"
    inputs = TrainInputs(crossed.module, crossed.schema, crossed.examples, crossed.transform_graph)
    train(TrainConfig(**TRAINING), inputs, TrainOutputs(folder, lambda *_: None, crossed.folder / "own.html"))
    return folder


@pytest.fixture(scope="module")
def found(crossed: World, trained: Path) -> tuple[League, Path]:
    return _search(crossed, "every", trained, families="every")


@pytest.mark.nightly("trains and exports every family")
def test_every_family_that_fits_is_in_the_table_with_its_costs(found: tuple[League, Path]) -> None:
    league, _ = found
    assert {entry.name for entry in league.entries} == {
        "build_model", "linear", "wide", "deep", "wide_and_deep", "trees",
    }  # fmt: skip
    assert "no picture" in league.left_out["convolutional"]
    assert "no text" in league.left_out["embedding"]
    assert (league.held_out_span, league.held_out_rows, league.trained_rows) == (3, 1500, 3000)
    for entry in league.entries:
        assert entry.max_difference < 1e-5, entry.name
        assert min(entry.footprint.model_dump().values()) > 0, entry.name
    assert league.of("linear").footprint.parameters < league.of("wide").footprint.parameters


@pytest.mark.nightly("trains and exports every family")
def test_what_the_truth_needs_wins_and_the_smallest_of_it_goes_on(found: tuple[League, Path]) -> None:
    league, _ = found
    assert not league.of("linear").is_within_noise
    assert not league.of("build_model").is_within_noise
    assert league.of(league.chosen).is_within_noise
    within = [entry for entry in league.entries if entry.is_within_noise]
    assert league.chosen == min(within, key=lambda one: one.footprint.parameters).name, "the own model is far behind"
    assert league.of(league.chosen).skill > 0.85


@pytest.fixture(scope="module")
def small(linear: World) -> tuple[League, Path]:
    return _search(linear, "small", module=False, families=["linear", "trees"])


def test_the_smallest_of_the_best_is_trained_on_all_spans_and_served_like_any_other(small: tuple[League, Path]) -> None:
    league, out = small
    assert (league.held_out_span, league.held_out_rows, league.trained_rows) == (3, 600, 1200)
    assert league.chosen == "linear", "the truth is linear, and trees are larger"
    assert league.of("linear").is_within_noise
    assert league.of("linear").footprint.parameters < league.of("trees").footprint.parameters
    assert max(entry.max_difference for entry in league.entries) < 1e-5
    training = json.loads((out / "model" / "training.json").read_text())
    assert (training["rows"], training["family"], training["hyperparameters"]) == (1800, "linear", {})
    features = read_features(out / "model" / "Format-Serving")
    assert features is not None
    assert [one.name for one in features.features] == ["city", "gate", "load", "wind"]
    signatures = tf.saved_model.load(str(out / "model" / "Format-Serving")).signatures
    assert sorted(signatures) == ["classify", "regress", "serving_default", "transform_features"]


def test_the_decision_says_the_rule_and_the_picture_the_table(small: tuple[League, Path]) -> None:
    _, out = small
    decision = Decision.read(out / "decision")
    assert decision.is_open
    assert "lower end of the 68% interval <= 0" in decision.checks[0].rule
    picture = (out / "html").read_text(encoding="utf-8")
    assert "<b>linear</b>" in picture
    assert "<svg" in picture


@pytest.mark.nightly("trains and exports every family")
def test_the_modules_own_model_goes_on_unchanged_where_nothing_beats_it(linear: World) -> None:
    given = linear.folder / "given"
    (given / "Format-Serving").mkdir(parents=True)
    (given / "Format-Serving" / "saved_model.pb").write_bytes(b"the module's own model")
    league, out = _search(linear, "own-stays", given, families={"linear": {"learning_rate": 1e-6}})
    assert league.chosen == "build_model"
    assert (out / "model" / "Format-Serving" / "saved_model.pb").read_bytes() == b"the module's own model"
    assert "the module's own model stays" in str(Decision.read(out / "decision").checks[2].observed)


@pytest.mark.nightly("trains and exports every family")
def test_equal_seeds_give_equal_weights_and_variants_have_names(linear: World) -> None:
    families = {"linear": ({}, {"learning_rate": 0.02})}
    first, again = (_search(linear, name, module=False, families=families, seeds=(0, 1)) for name in ("one", "two"))
    assert {entry.name for entry in first[0].entries} == {"linear", "linear-2"}
    assert first[0].of("linear").skill == again[0].of("linear").skill
    assert all(entry.spread >= 0 for entry in first[0].entries)
    left, right = ((out / "model/Format-Serving/assets.extra/weights.npz").read_bytes() for _, out in (first, again))
    assert left == right


@pytest.mark.nightly("trains and exports every family")
def test_a_family_whose_export_is_broken_does_not_go_on(linear: World, monkeypatch: pytest.MonkeyPatch) -> None:
    measure = logic.measure

    def broken(session: Any, model: Any, folder: Path, parameters: int) -> Any:
        measured = measure(session, model, folder, parameters)
        return measured._replace(max_difference=0.2) if model.name == "linear" else measured

    monkeypatch.setattr(logic, "measure", broken)
    league, _ = _search(linear, "broken", module=False, families=["linear", "wide"])
    assert league.chosen == "wide"
    assert "its SavedModel differs from the trained model by 0.2" in league.left_out["linear"]


def test_what_cannot_be_searched_is_named_before_anything_is_trained(
    linear: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logic.Contest, "train", None)
    with pytest.raises(TrainingError, match=r"family 'build_pickle': wanted a compiled keras.Model.* leaves none"):
        _search(linear, "pickle", families=["linear", "build_pickle"])
    with pytest.raises(ConfigError, match=r"families: wanted a family .* got 'wide_and_dep'; did you mean 'wide_and_d"):
        _search(linear, "family", families=["wide_and_dep"])
    with pytest.raises(ConfigError, match=r"deep has no hyperparameter 'hidden_unit'; did you mean 'hidden_units'"):
        _search(linear, "hyperparameter", families={"deep": {"hidden_unit": [8]}})
    with pytest.raises(ConfigError, match=r"families: deep.hidden_units: wanted a list of numbers, got 8"):
        _search(linear, "number", families={"deep": {"hidden_units": 8}})
    with pytest.raises(ConfigError, match=r"families: trees.leaves: wanted a number, got 'many'"):
        _search(linear, "type", families={"trees": {"leaves": "many"}})
    with pytest.raises(ConfigError, match="convolutional cannot be built: there is no picture"):
        _search(linear, "picture", families=["convolutional"])


def test_one_span_alone_is_refused(tmp_path: Path) -> None:
    world = write_world(tmp_path, "linear", (50,))
    with pytest.raises(DataError, match=r"wanted two spans .* got 1: 1; raise ingest_examples.window"):
        _search(world, "span", families="every")


@pytest.mark.parametrize(
    ("backend", "why"),
    [
        ("autokeras", "fails on the pinned Keras"),
        ("vertex", "neither serialized tf.Examples nor"),
        ("flaml", "leaves a pickle"),
        ("familes", "did you mean 'families'"),
    ],
)
def test_a_backend_that_does_not_work_is_refused_with_the_reason(backend: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Config(backend=backend, families="every")


@pytest.mark.nightly("trains and exports every family")
def test_no_model_is_left_by_a_search_that_fails(linear: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(logic, "Record", die)
    shutil.rmtree(linear.folder / "dead", ignore_errors=True)
    with pytest.raises(KeyboardInterrupt):
        _search(linear, "dead", module=False, families=["linear"])
    assert not (linear.folder / "dead" / "model").exists()
