"""A model whose errors fall on one group is trained until they do not; what goes on needs no group."""

from pathlib import Path
from typing import Any, NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest

from artifacts.fairness.constraint import Constraint
from artifacts.fairness.measurement import Interval
from artifacts.model.features import read_features
from artifacts.model.names import SERVING
from components.constrain_model.config import Config
from components.constrain_model.gate import decide
from components.constrain_model.lagrangian import Lagrangian
from components.constrain_model.logic import Inputs, Outputs, constrain
from components.train_model.config import Config as TrainConfig
from components.train_model.logic import Inputs as TrainInputs
from components.train_model.logic import Outputs as TrainOutputs
from components.train_model.logic import train
from components.transform_features.config import Config as TransformConfig
from components.transform_features.logic import Inputs as TransformInputs
from components.transform_features.logic import transform
from core import digest
from core.decision import Decision
from core.errors import ConfigError, CorruptArtifact, DataError, TrainingError
from tests.written_examples import write_examples

ONE_VALUE = "presence { min_fraction: 1.0 } shape { dim { size: 1 } }"
GROUPS = ("sex", "only", "rare")
SCHEMA = "\n".join(
    (
        f'feature {{ name: "paid" type: INT {ONE_VALUE} }}',
        *(f'feature {{ name: "{name}" type: FLOAT {ONE_VALUE} }}' for name in ("skill", "proxy")),
        *(f'feature {{ name: "{name}" type: BYTES {ONE_VALUE} not_in_environment: "SERVING" }}' for name in GROUPS),
        'default_environment: "TRAINING"',
        'default_environment: "SERVING"',
    )
)
MODULE = """
import keras

def preprocessing_fn(inputs):
    return {name: inputs[name] for name in ("skill", "proxy", "paid")}

def build_model(transform_output, hyperparameters):
    inputs = {name: keras.Input((1,), name=name) for name in ("skill", "proxy")}
    joined = keras.layers.Concatenate()(list(inputs.values()))
    units = hyperparameters.get("units", 0)
    joined = keras.layers.Dense(units, activation="tanh")(joined) if units else joined
    model = keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid", name="paid")(joined))
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=[keras.metrics.AUC(name="auc")])
    return model
"""
PROBLEM: dict[str, Any] = {"label": "paid", "task": "binary_classification"}
TRAINING: dict[str, Any] = PROBLEM | {"epochs": 6, "batch_size": 64}
CONFIG: dict[str, Any] = PROBLEM | {
    "rate": "false_positive_rate",
    "groups": ["sex"],
    "max_gap": 0.05,
    "step": 2.0,
    "epochs": 12,
    "max_cost": 0.1,
}


def people(count: int, seed: int) -> pa.Table:
    """Return rows whose `proxy` says the sex, and whose label follows both `skill` and the sex."""
    random = np.random.default_rng(seed)
    is_m = random.random(count) < 0.5
    skill = random.normal(size=count)
    logit = 2 * skill + np.where(is_m, 1.2, -1.2)
    return pa.table(
        {
            "paid": (random.random(count) < 1 / (1 + np.exp(-logit))).astype(np.int64),
            "skill": skill.astype(np.float32),
            "proxy": (is_m + random.normal(0, 0.3, count)).astype(np.float32),
            "sex": np.where(is_m, "m", "f"),
            "only": np.full(count, "one"),
            "rare": np.where(np.arange(count) % 200 == 0, "rare", "common"),
        }
    )


class World(NamedTuple):
    """References, folders, and the plain model."""

    inputs: Inputs
    root: Path

    def outputs(self, name: str) -> Outputs:
        folder = self.root / name
        return Outputs(folder / "model", folder, folder / "decision.json", folder / "pictures.html")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("constrained")
    (root / "module.py").write_text(MODULE)
    (root / "schema.pbtxt").write_text(SCHEMA)
    write_examples(root / "examples", {"train": people(3000, 1), "validation": people(2000, 2)})
    module, schema = str(root / "module.py"), str(root / "schema.pbtxt")
    transform(TransformConfig(), TransformInputs(module, schema, root / "examples"), root / "graph")
    outputs = TrainOutputs(root / "plain", lambda *_: None, root / "plain.html")
    train(TrainConfig.model_validate(TRAINING), TrainInputs(module, schema, root / "examples", root / "graph"), outputs)
    return World(Inputs(module, schema, root / "examples", root / "graph", root / "plain"), root)


@pytest.fixture(scope="module")
def constrained(world: World) -> tuple[Constraint, World]:
    outputs = world.outputs("constrained")
    constrain(Config.model_validate(CONFIG), TRAINING, world.inputs, outputs)
    return Constraint.read(outputs.constraint), world


def test_the_gap_falls_and_the_model_needs_no_group(constrained: tuple[Constraint, World]) -> None:
    found, world = constrained
    assert found.passed == "constrained", found.why
    (change,) = (one for one in found.changes if one.constrained)
    assert change.after < change.before / 2
    assert set(found.multipliers["false_positive_rate"]) == {"f", "m"}
    saved_model = world.root / "constrained" / "model" / SERVING
    features = read_features(saved_model)
    assert features is not None
    assert sorted(features.by_name) == ["proxy", "skill"]
    assert digest.of_folder(saved_model) != digest.of_folder(world.root / "plain" / SERVING)


def test_every_other_rate_is_shown(constrained: tuple[Constraint, World]) -> None:
    found, world = constrained
    assert [one.rate for one in found.changes] == [
        "selection_rate",
        "true_positive_rate",
        "false_positive_rate",
        "false_negative_rate",
        "precision",
        "calibration",
    ]
    text = (world.root / "constrained" / "pictures.html").read_text(encoding="utf-8")
    assert all(word in text for word in ("<svg", "true positive rate", "constrained", "AUC"))
    for one in found.widened:
        assert one.rate in found.why
    decision = Decision.read(world.root / "constrained" / "decision.json")
    assert decision.is_open
    assert str(decision.checks[0].observed).startswith("the constrained model: ")


def test_the_same_training_is_the_same_and_the_bytes_of_the_plain_model_go_on_where_it_costs_too_much(
    constrained: tuple[Constraint, World],
) -> None:
    first, world = constrained
    outputs = world.outputs("again")
    constrain(Config.model_validate(CONFIG | {"max_cost": 0.0}), TRAINING, world.inputs, outputs)
    found = Constraint.read(outputs.constraint)
    assert found.epochs == first.epochs
    assert found.after == first.after
    assert found.passed == "plain"
    assert digest.of_folder(Path(outputs.model) / SERVING) == digest.of_folder(world.root / "plain" / SERVING)


def test_the_plain_model_goes_on_when_the_constraint_costs_too_much(constrained: tuple[Constraint, World]) -> None:
    found, _ = constrained
    costly = Interval(value=-0.2, low=-0.21, high=-0.19)
    decision, result = decide(Config.model_validate(CONFIG), found.model_copy(update={"auc_change": costly}))
    assert decision.is_open
    assert result.passed == "plain"
    assert "costs too much: the AUC changes by -0.200" in str(decision.checks[0].observed)


def test_the_plain_model_goes_on_when_the_gap_need_not_fall_on_other_rows(
    constrained: tuple[Constraint, World],
) -> None:
    found, _ = constrained
    unsure = Interval(value=-0.1, low=-0.3, high=0.1)
    _, result = decide(Config.model_validate(CONFIG), found.model_copy(update={"gap_change": unsure}))
    assert (result.passed, "need not be smaller" in result.why) == ("plain", True)


@pytest.mark.parametrize(
    ("config", "error", "says"),
    [
        ({"groups": ["sexx"]}, ConfigError, "got 'sexx'; did you mean 'sex'"),
        ({"groups": ["only"]}, DataError, "wanted two groups of only"),
        ({"groups": ["rare"]}, DataError, "wanted 100 training rows of every group"),
    ],
)
def test_groups_that_cannot_be_constrained_are_named(
    world: World, config: dict[str, Any], error: type[Exception], says: str
) -> None:
    with pytest.raises(error, match=says):
        constrain(Config.model_validate(CONFIG | config), TRAINING, world.inputs, world.outputs("never"))


def test_a_model_of_other_hyperparameters_is_not_trained_further(world: World) -> None:
    other = TRAINING | {"hyperparameters": {"units": 3}}
    with pytest.raises(TrainingError, match="same module and hyperparameters"):
        constrain(Config.model_validate(CONFIG), other, world.inputs, world.outputs("never"))


def test_without_a_violation_rows_keep_labels_and_weights() -> None:
    random = np.random.default_rng(0)
    labels, weights = random.integers(0, 2, 100) * 1.0, random.random(100)
    one = Lagrangian(
        ("false_positive_rate",), labels, np.arange(100) % 2, np.ones(100), weights, max_gap=1.0, step=1, threshold=0.5
    )
    found = one.update(random.random(100))
    assert found.targets == pytest.approx(labels)
    assert found.weights == pytest.approx(weights)


def test_the_rate_of_the_higher_group_is_pushed_down_and_of_the_lower_up() -> None:
    labels, groups = np.zeros(200), np.repeat([0, 1], 100)
    scores = np.concatenate([np.full(100, 0.45), np.full(100, 0.55)])
    one = Lagrangian(
        ("false_positive_rate",), labels, groups, np.ones(200), np.ones(200), max_gap=0.02, step=1, threshold=0.5
    )
    found = one.update(scores)
    assert (found.targets[:100] > 0).all()
    assert (found.targets[100:] == 0).all()
    assert (found.weights[100:] > 1).all()


def test_only_the_rows_that_a_rate_counts_are_pushed() -> None:
    labels, groups = np.tile([0.0, 1.0], 100), np.repeat([0, 1], 100)
    one = Lagrangian(
        ("true_positive_rate",), labels, groups, np.ones(200), np.ones(200), max_gap=0.02, step=1, threshold=0.5
    )
    found = one.update(np.repeat([0.4, 0.6], 100))
    negative = labels == 0
    assert (found.weights[negative] == 1).all()
    assert (found.targets[negative] == 0).all()
    assert (found.weights[~negative] > 1).any()


def test_a_file_of_other_content_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorruptArtifact, match="run constrain_model again"):
        Constraint.read(tmp_path)
