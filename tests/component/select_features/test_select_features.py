"""The selection on rows with a known truth: what says something stays, planted noise, constants and twins go."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pytest

from artifacts.schema.reference import left_out_by
from artifacts.selection.selection import Selection
from components.select_features.config import Config
from components.select_features.logic import Inputs, Outputs, select
from components.transform_features.config import Config as TransformConfig
from components.transform_features.logic import Inputs as TransformInputs
from components.transform_features.logic import transform
from core import user_code
from core.decision import Decision
from core.errors import ConfigError, DataError, TrainingError
from tests.written_examples import write_examples

ROWS = 1500
NOISE = tuple(f"noise_{index}" for index in range(6))
MODULE = """
import tensorflow as tf
import tensorflow_transform as tft

def preprocessing_fn(inputs):
    city = tft.compute_and_apply_vocabulary(inputs["city"], vocab_filename="city")
    return {"city": city, "load": tft.scale_to_z_score(inputs["load"]) + 0.0 * inputs["noise_0"]}
"""


def _feature(name: str, kind: str) -> str:
    required = "presence { min_fraction: 1 } shape { dim { size: 1 } }"
    return f'feature {{ name: "{name}" type: {kind} {required} }}\n'


SCHEMA = "".join(
    [
        "# Curated by hand.\n",
        _feature("late", "INT"),
        _feature("load", "FLOAT"),
        _feature("wind", "FLOAT"),
        _feature("city", "BYTES"),
        *(_feature(name, "FLOAT") for name in NOISE),
        _feature("code", "BYTES"),
        _feature("year", "INT"),
        _feature("town", "BYTES"),
    ]
)


def _rows(count: int = ROWS, seed: int = 1) -> dict[str, Any]:
    """`load` is linear, `wind` matters far from its mean, `city` by its value."""
    random = np.random.default_rng(seed)
    load, wind = random.normal(size=count), random.normal(size=count)
    city = random.choice(["ant", "bee", "cow"], count)
    logit = 1.2 * load + 1.2 * (wind**2 - 1) + 1.5 * (city == "ant") - 0.5
    columns: dict[str, Any] = {
        "late": (random.random(count) < 1 / (1 + np.exp(-logit))).astype(np.int64),
        "load": load.astype(np.float32),
        "wind": wind.astype(np.float32),
        "city": city,
    }
    columns |= {name: random.normal(size=count).astype(np.float32) for name in NOISE}
    columns |= {"code": random.choice([f"c{index}" for index in range(30)], count), "year": np.full(count, 2013)}
    return columns | {"town": np.char.add(city, "ville")}


class World(NamedTuple):
    folder: Path
    schema: str
    module: str
    transform_graph: Path

    def select(self, columns: dict[str, Any], name: str, **settings: Any) -> tuple[Selection, str]:
        config = Config(label="late", task="binary_classification", max_loss=0.03, folds=3, seeds=(0, 1))
        config = Config.model_validate({**config.model_dump(), **settings})
        out = self.folder / name
        examples = write_examples(out / "examples", {"train": pa.table(columns)})
        inputs = Inputs(self.module, self.schema, examples, self.transform_graph)
        reference = select(config, inputs, Outputs(out / "selection", out / "decision", out / "pictures.html"))
        return Selection.read(out / "selection"), reference


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    folder = tmp_path_factory.mktemp("select")
    (folder / "schema.pbtxt").write_text(SCHEMA, encoding="utf-8")
    (folder / "module.py").write_text(MODULE, encoding="utf-8")
    examples = write_examples(folder / "examples", {"train": pa.table(_rows())})
    schema, module = user_code.reference(folder / "schema.pbtxt"), str(folder / "module.py")
    transform(TransformConfig(), TransformInputs(module, schema, examples), folder / "graph")
    return World(folder, schema, module, folder / "graph")


@pytest.fixture(scope="module")
def selected(world: World) -> tuple[Selection, str]:
    return world.select(_rows(), "selected", apply="within_loss")


def test_planted_noise_constants_and_twins_are_left_out_and_named(selected: tuple[Selection, str]) -> None:
    selection, _ = selected
    assert set(selection.left_out) == {*NOISE, "code", "year", "town"}
    verdicts = {one.name: (one.verdict, one.why) for one in selection.features}
    assert verdicts["year"] == ("constant", "always 2013")
    assert verdicts["town"] == ("twin", "city")
    assert {name for name, (verdict, _) in verdicts.items() if verdict == "selected"} == {"load", "wind", "city"}
    for method in selection.methods[1:]:
        assert not {*NOISE, "code"} & set(method.features), method.name


def test_the_table_has_every_method_with_its_metrics_loss_and_stability(selected: tuple[Selection, str]) -> None:
    selection, _ = selected
    assert [one.name for one in selection.methods] == [
        "all", "correlation", "k_best", "rfe", "importance", "l1", "union",
    ]  # fmt: skip
    for one in selection.methods:
        assert set(one.metrics) == {"accuracy", "auc", "precision", "recall", "f1"}
        assert 0 <= one.stability <= 1
        assert one.loss <= one.loss_at_most
    chosen = next(one for one in selection.methods if one.name == selection.chosen)
    assert chosen.loss_at_most <= selection.max_loss
    assert chosen.metrics["auc"] > 0.75


def test_the_run_goes_on_without_what_the_module_does_not_read(selected: tuple[Selection, str]) -> None:
    selection, reference = selected
    left_out = left_out_by(reference)
    assert set(left_out) == set(selection.left_out) - {"noise_0"}, "module.py reads noise_0 by its name"
    assert next(one for one in selection.features if one.name == "noise_0").read_by_module


def test_a_feature_costs_its_operations_and_its_vocabulary(selected: tuple[Selection, str]) -> None:
    costs = {one.name: one for one in selected[0].features}
    assert costs["city"].vocabulary_bytes == len(b"ant\nbee\ncow\n")
    assert costs["load"].vocabulary_bytes == 0
    assert costs["city"].nanoseconds is not None
    assert costs["load"].nanoseconds is not None
    assert min(costs["city"].nanoseconds, costs["load"].nanoseconds) > 0
    assert not costs["wind"].read_by_module


def test_the_decision_and_the_pictures_say_what_was_found(world: World, selected: tuple[Selection, str]) -> None:
    decision = Decision.read(world.folder / "selected" / "decision")
    assert decision.is_open
    observed = {check.rule: check.observed for check in decision.checks}
    assert observed["constants are left out"] == "year (always 2013)"
    assert observed["twins are left out"] == "town (city)"
    assert "module.py needs noise_0" in str(observed["what the selection changes"])
    pictures = (world.folder / "selected" / "pictures.html").read_text(encoding="utf-8")
    assert "twin (city)" in pictures
    proposed = (world.folder / "selected" / "selection" / "schema.pbtxt").read_text(encoding="utf-8")
    assert proposed.startswith("# Curated by hand.\n")
    assert 'name: "year" lifecycle_stage: DISABLED' in proposed


def test_equal_seeds_select_alike_and_a_proposal_changes_nothing(world: World, selected: tuple[Selection, str]) -> None:
    again, reference = world.select(_rows(), "again")
    assert reference == world.schema

    def plain(selection: Selection) -> dict[str, Any]:
        methods = tuple(one.model_copy(update={"seconds": 0}) for one in selection.methods)
        features = tuple(one.model_copy(update={"nanoseconds": 0}) for one in selection.features)
        return selection.model_copy(update={"methods": methods, "features": features, "applied": False}).model_dump()

    assert plain(again) == plain(selected[0])


def test_noise_alone_is_an_error_and_not_a_model(world: World) -> None:
    columns = _rows()
    columns["late"] = np.random.default_rng(9).permutation(columns["late"])
    with pytest.raises(DataError, match="all 12 features are left out: none says more about 'late' than chance"):
        world.select(columns, "noise", methods=("k_best", "l1"))


def test_a_number_is_predicted_from_the_features_that_say_something(world: World) -> None:
    columns = _rows(400)
    random = np.random.default_rng(3).normal(size=400)
    columns["late"] = (100 * (2 * columns["load"] + columns["wind"] ** 2) + 30 * random).astype(np.int64)
    settings = {"task": "regression", "methods": ("correlation", "importance", "l1"), "max_loss": 0.2}
    selection, _ = world.select(columns, "number", **settings)
    assert {"load", "wind"} <= {one.name for one in selection.features if one.verdict == "selected"}
    assert not set(NOISE) - set(selection.left_out)
    assert set(selection.methods[0].metrics) == {"r2", "root_mean_squared_error"}


def test_several_classes_are_predicted_from_the_features_that_say_something(world: World) -> None:
    columns = _rows(400)
    columns["late"] = np.digitize(columns["load"], [-0.5, 0.5]).astype(np.int64)
    settings = {"task": "multiclass_classification", "methods": ("l1",), "max_loss": 0.2}
    selection, _ = world.select(columns, "classes", **settings)
    assert "load" not in selection.left_out
    assert not set(NOISE) - set(selection.left_out)


def test_what_cannot_be_selected_is_named(world: World) -> None:
    with pytest.raises(ConfigError, match=r"select_features.keep: wanted a feature of the schema, got 'wnd'; did you"):
        world.select(_rows(50), "keep", keep=("wnd",))
    with pytest.raises(TrainingError, match=r"'late': wanted at least two classes .* got '1' in all 50 rows"):
        world.select(_rows(50) | {"late": np.ones(50, np.int64)}, "one-class")
    with pytest.raises(DataError, match=r"wanted at least 5 rows of every class .* got 2; lower folds"):
        world.select(_rows(50) | {"late": np.arange(50) // 48}, "rows", folds=5)
    constant = {name: np.full_like(values, values[0]) for name, values in _rows(50).items()}
    with pytest.raises(DataError, match=r"wanted a feature that changes .* load \(always"):
        world.select(constant | {"late": _rows(50)["late"]}, "constant")
