"""What every kind of problem promises: scores of any honest output, faults by name, and weights that count rows."""

import functools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, r2_score, roc_auc_score

from core.errors import MlopsError, TrainingError
from problems import kind
from problems.labels import TrainedLabel, value_name
from problems.scores import OutputFacts

TASKS = ("binary_classification", "multiclass_classification", "regression")


def _rows(task: str, count: int, seed: int) -> tuple[Any, Any, Any]:
    random = np.random.default_rng(seed)
    if task == "multiclass_classification":
        return random.integers(0, 3, count).astype(float), *random.dirichlet((1, 1, 1), (2, count))
    labels = random.normal(size=count) if task == "regression" else np.arange(count) % 2.0
    return labels, *random.random((2, count))


@pytest.mark.parametrize("task", TASKS)
@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(10, 60))
def test_a_weight_of_two_is_a_row_twice_and_of_zero_none(task: str, seed: int, count: int) -> None:
    problem = kind(task)
    labels, ours, theirs = _rows(task, count, seed)
    weights = np.random.default_rng(seed).integers(0, 3, count)
    weights[:6] = 1
    repeated = np.repeat(np.arange(count), weights)
    plain = problem.skill(labels[repeated], ours[repeated])
    assert problem.skill(labels, ours, weights.astype(float)) == pytest.approx(plain, nan_ok=True)
    gain = problem.gain(labels, ours, theirs, 0.95, weights.astype(float)).value
    assert gain == pytest.approx(problem.gain(labels[repeated], ours[repeated], theirs[repeated], 0.95).value)
    metrics = problem.row_metrics(labels, ours, weights.astype(float))
    for name, value in problem.row_metrics(labels[repeated], ours[repeated]).items():
        if name not in {"balanced_accuracy", "macro_f1"}:
            assert metrics[name] == pytest.approx(value), name


@pytest.mark.parametrize("task", TASKS)
def test_weighted_skill_is_that_of_scikit_learn(task: str) -> None:
    labels, ours, _ = _rows(task, 200, 1)
    weights = np.random.default_rng(2).random(200)
    wanted = {
        "binary_classification": lambda: roc_auc_score(labels, ours, sample_weight=weights),
        "multiclass_classification": lambda: accuracy_score(labels, ours.argmax(axis=1), sample_weight=weights),
        "regression": lambda: r2_score(labels, ours, sample_weight=weights),
    }
    assert kind(task).skill(labels, ours, weights) == pytest.approx(wanted[task]())


def test_logits_become_probabilities_without_another_order() -> None:
    random = np.random.default_rng(0)
    logits = random.normal(0, 3, (200, 3)).astype(np.float32)
    scores, form = kind("multiclass_classification").scores(logits, "auto")
    assert form == "logits"
    assert scores.sum(axis=1) == pytest.approx(np.ones(200), abs=1e-5)
    assert (scores.argmax(axis=1) == logits.argmax(axis=1)).all()
    one, form = kind("binary_classification").scores(logits[:, 0], "auto")
    assert form == "logits"
    assert (np.argsort(one, kind="stable") == np.argsort(logits[:, 0], kind="stable")).all()
    pair, _ = kind("binary_classification").scores(logits[:, :2], "auto")
    assert pair == pytest.approx(1 / (1 + np.exp(logits[:, 0] - logits[:, 1])), abs=1e-5)
    kept, form = kind("binary_classification").scores(logits[:, 0], "probabilities")
    assert form == "probabilities"
    assert next(kind("binary_classification").faults(np.arange(200) % 2, kept)).endswith("wanted probabilities")


def test_probabilities_stay_as_they_are_and_independent_ones_are_scaled() -> None:
    exact = np.random.default_rng(0).dirichlet((1, 1, 1), 50).astype(np.float32)
    scores, form = kind("multiclass_classification").scores(exact, "auto")
    assert form == "probabilities"
    assert (scores == exact).all()
    scaled, _ = kind("multiclass_classification").scores(np.full((4, 2), 0.9, np.float32), "auto")
    assert scaled == pytest.approx(np.full((4, 2), 0.5))


@pytest.mark.parametrize("values", ["probabilities", "logits", "independent", "negative", "missing"])
@pytest.mark.parametrize("task", ["binary_classification", "multiclass_classification"])
def test_parts_are_read_as_the_whole_is(task: str, values: str) -> None:
    """What one row alone says of the output decides for rows elsewhere."""
    output = np.random.default_rng(0).dirichlet((1, 1, 1), 40).astype(np.float32)
    odd = {"logits": [2, -1, 0], "independent": [0.9, 0.9, 0], "negative": [-0.1, 0.9, 0.9], "missing": [np.nan, 1, 1]}
    output[:-1] *= 1.0005  # within the tolerance of a sum
    output[-1] = odd.get(values, output[-1])
    output = output[:, 0] if task == "binary_classification" else output
    parts = np.split(output, [1, 20])
    facts = functools.reduce(OutputFacts.plus, map(OutputFacts.of, parts))
    assert facts == OutputFacts.of(output)
    whole = kind(task).scores(output, "auto")
    found = [kind(task).scores(part, "auto", facts) for part in parts]
    assert {one.form for one in found} == {whole.form}
    np.testing.assert_array_equal(np.concatenate([one.values for one in found]), whole.values)


@pytest.mark.parametrize(
    ("task", "labels", "width", "named"),
    [
        ("binary_classification", {0: 3, 2: 4}, 1, "wanted the labels 0 and 1"),
        ("binary_classification", {1: 3}, 1, "at least two classes"),
        ("binary_classification", {0: 3, 1: 3}, 2, "one output"),
        ("multiclass_classification", {0: 3, 3: 1}, 3, "from 0 to 2, as the model has 3 outputs, got 3 (1 rows)"),
        ("multiclass_classification", {-1: 3, 1: 1}, 3, "got -1"),
        ("multiclass_classification", {0: 3, 0.5: 1}, None, "got 0.5"),
        ("regression", {2.5: 9}, 1, "labels that differ"),
        ("regression", {2.5: 9, 1: 1}, 2, "one output"),
    ],
)
def test_labels_that_cannot_be_trained_on_are_named(
    task: str, labels: dict[float, int], width: int | None, named: str
) -> None:
    assert named in kind(task).label_fault(labels, width)


def test_an_output_of_another_shape_is_named_with_its_model() -> None:
    for task, shape in zip(TASKS, [(5, 3), (5, 1), (5, 2)], strict=True):
        with pytest.raises(MlopsError, match=r"here: wanted predictions of the shape .* got \[5, "):
            kind(task).shaped(np.zeros(shape), "here")


@given(st.dictionaries(st.text(), st.integers(0, 5), max_size=4))
def test_a_labels_facts_survive_the_file(values: dict[str, int]) -> None:
    label = TrainedLabel("y", "multiclass_classification", classes=tuple(values), values=values)
    assert TrainedLabel.from_json(label.to_json()) == label


def test_a_value_is_named_alike_however_it_is_stored() -> None:
    assert {value_name(1), value_name(1.0), value_name("1"), value_name(b"1")} == {"1"}
    assert value_name(0.5) == "0.5"


def test_the_positive_class_is_the_last_of_two() -> None:
    binary, several = kind("binary_classification"), kind("multiclass_classification")
    assert binary.class_order(("no", "yes"), "no") == ("yes", "no")
    assert several.class_order(("a", "b", "c"), None) == ("a", "b", "c")
    with pytest.raises(TrainingError, match=r"problem\.label: wanted two values .* got 3: 'a', 'b', 'c'"):
        binary.class_order(("a", "b", "c"), "a")
    with pytest.raises(TrainingError, match=r"wanted the positive class, 'no' or 'yes', got 'yess'; did you mean"):
        binary.class_order(("no", "yes"), "yess")
    assert "wanted '0' to be class 1" in binary.positive_fault(("0", "1"), "0")
    assert binary.positive_fault(("0", "1"), "1") == several.positive_fault(("a", "b"), "a") == ""
