"""Each threshold closes the gate by itself, in either format; what is not known is undecided."""

from typing import Any

import pytest
from pydantic import ValidationError

from artifacts.compression.compression import (
    Compression,
    Control,
    Format,
    Latency,
    Loss,
    Parity,
    Size,
    VariantResult,
)
from artifacts.compression.variant import NAMES, variant
from components.compress_model.config import Config, Evaluation
from components.compress_model.gate import decide
from core.decision import Verdict

METRIC = {"name": "auc", "at_least": 0.6, "why": "measured over nine months"}
EVALUATION = Evaluation(slices=(("origin",),), min_slice_examples=100)


def _config(**changes: Any) -> Config:
    base = {"label": "late", "task": "binary_classification", "metrics": [METRIC], "ship": "qat"}
    return Config.model_validate(base | changes)


def _format(loss: float | None = 0.0, jfk: float | None = 0.0, gzip: int = 100, gap: float | None = 0.1) -> Format:
    return Format(
        size=Size(raw=200, gzip=gzip),
        latency=Latency(row_us=15.0, thousand_rows_us=900.0),
        metrics={"auc": 0.7},
        losses=(
            Loss(slice="", rows=1000, value=0.7, loss=loss),
            Loss(slice="origin=JFK", rows=300, value=0.5, loss=jfk),
        ),
        differences=(1000,),
        gaps={"false_positive_rate between groups of origin": gap},
    )


def _compression(**changes: Any) -> Compression:
    shipped: dict[str, Any] = {
        "name": "qat",
        "epochs": 2,
        "saved_model": _format(),
        "tflite": _format(),
        "parity": Parity(agreement=1.0, max_difference=0.001, mean_difference=0.0),
    }
    control = changes.pop("control", 0.7)
    plain = VariantResult(name="float32", saved_model=_format(), tflite=_format(gzip=300))
    return Compression(
        model="sha256:0",
        metric="auc",
        more_is_better=True,
        rows=1000,
        shipped="qat",
        uncompressed=_format(),
        control=Control(epochs=2, metrics={}, value=control, size=Size(raw=1, gzip=1)),
        variants=(plain, VariantResult(**{**shipped, **changes})),
        edges=(0.1,),
    )


def test_a_variant_that_keeps_every_threshold_passes() -> None:
    decision = decide(_config(), EVALUATION, _compression())
    assert decision.is_open, decision.summary
    assert len([check for check in decision.checks if check.slice == "origin=JFK"]) == 2, "in both formats"
    assert decision.checks[0].observed == "converted"
    assert [check.next_step for check in decision.checks if check.rule.startswith("the loss is checked on slices")] == [
        ""
    ]
    whole = decide(_config(), Evaluation(min_slice_examples=100), _compression())
    assert not [check for check in whole.checks if "is checked on slices" in check.rule]


@pytest.mark.parametrize(
    ("changes", "thresholds", "rule"),
    [
        ({"tflite": _format(loss=0.0011)}, {}, "auc lost by the TFLite file"),
        ({"saved_model": _format(loss=0.0011)}, {}, "auc lost by the SavedModel"),
        ({"tflite": _format(jfk=0.0051)}, {}, "auc lost by the TFLite file"),
        ({"parity": Parity(agreement=0.99, max_difference=0.0, mean_difference=0.0)}, {}, "same class"),
        ({"parity": Parity(agreement=1.0, max_difference=0.06, mean_difference=0.0)}, {}, "largest difference between"),
        ({"tflite": _format(gzip=301)}, {}, "times smaller"),
        ({}, {"smaller_by": 3.1}, "times smaller"),
        ({}, {"row_us": 14.0}, "microseconds"),
        ({"tflite": _format(gap=0.2)}, {"max_gap_growth": 0.05}, "gap in false_positive_rate between groups of origin"),
        ({"control": 0.721}, {}, "lost against 2 more epochs"),
        ({"fault": "the converter died of SIGABRT"}, {}, "is converted"),
    ],
)
def test_each_threshold_closes_the_gate_and_names_itself(
    changes: dict[str, Any], thresholds: dict[str, float], rule: str
) -> None:
    decision = decide(_config(thresholds=thresholds), EVALUATION, _compression(**changes))
    closed = [check for check in decision.checks if check.verdict is not Verdict.PASS]
    assert [check.verdict for check in closed] == [Verdict.FAIL]
    assert rule in closed[0].rule
    assert closed[0].next_step


def test_a_loss_that_is_not_known_is_undecided() -> None:
    decision = decide(_config(), EVALUATION, _compression(tflite=_format(loss=None)))
    assert decision.verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("changes", "thresholds", "rule"),
    [
        ({"control": None}, {}, "lost against 2 more epochs"),
        ({"tflite": None}, {}, "times smaller"),
        ({"tflite": None}, {"row_us": 20.0}, "microseconds"),
        ({"parity": None}, {}, "same class"),
        ({"parity": None}, {}, "largest difference between"),
        ({"tflite": _format(gap=None)}, {}, "gap in false_positive_rate between groups of origin, TFLite file"),
    ],
)
def test_what_was_not_measured_is_undecided(changes: dict[str, Any], thresholds: dict[str, float], rule: str) -> None:
    decision = decide(_config(thresholds=thresholds), EVALUATION, _compression(**changes))
    (check,) = [check for check in decision.checks if rule in check.rule]
    assert (check.verdict, check.observed) == (Verdict.UNDECIDED, None)


def test_a_gap_that_the_uncompressed_model_lacks_is_undecided() -> None:
    compression = _compression()
    bare = compression.uncompressed.model_copy(update={"gaps": {}})
    decision = decide(_config(), EVALUATION, compression.model_copy(update={"uncompressed": bare}))
    assert [check.verdict for check in decision.checks if "growth of the gap" in check.rule] == [Verdict.UNDECIDED] * 2


def test_without_a_tflite_file_no_slices_of_it_are_counted() -> None:
    decision = decide(_config(), EVALUATION, _compression(tflite=None))
    assert not [check for check in decision.checks if "is checked on slices" in check.rule]


def test_a_variant_without_epochs_of_its_own_is_not_compared_with_the_control() -> None:
    decision = decide(_config(), EVALUATION, _compression(epochs=0, control=0.9))
    assert not [check for check in decision.checks if "lost against" in check.rule]


@pytest.mark.parametrize(("control", "verdict"), [(0.69, Verdict.PASS), (0.679, Verdict.FAIL)])
def test_of_a_metric_where_less_is_better_the_control_loses_by_being_lower(control: float, verdict: Verdict) -> None:
    compression = _compression(control=control).model_copy(update={"more_is_better": False})
    decision = decide(_config(), EVALUATION, compression)
    assert [check.verdict for check in decision.checks if "lost against" in check.rule] == [verdict]


def test_slices_that_are_all_too_small_leave_it_undecided() -> None:
    small = _format().model_copy(update={"losses": _format().losses[:1]})
    decision = decide(_config(), EVALUATION, _compression(tflite=small, saved_model=small))
    assert decision.verdict is Verdict.UNDECIDED
    assert "100 rows or more" in decision.summary
    assert "take more rows" in decision.next_step


def test_a_variant_that_was_not_converted_says_why() -> None:
    decision = decide(_config(), EVALUATION, _compression(fault="the converter died of SIGABRT"))
    assert decision.checks[0].observed == "the converter died of SIGABRT"


@pytest.mark.parametrize("name", NAMES)
def test_a_variant_has_one_name(name: str) -> None:
    assert variant(name).name == name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ship": "dynamic"}, "'dynamic' is no variant; did you mean 'dynamic_range'"),
        ({"also": ["int16"]}, "'int16' is no variant"),
        ({"calibration_rows": 10}, "greater than or equal to 100"),
        ({"pruning": {"initial_sparsity": 0.9, "final_sparsity": 0.5}}, "initial_sparsity <= final_sparsity"),
    ],
)
def test_a_wrong_section_is_refused_before_anything_runs(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        _config(**changes)
