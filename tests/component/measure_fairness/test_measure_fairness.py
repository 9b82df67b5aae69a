"""A fair model passes; a biased one fails; a gate that has too little to decide by says so and is closed."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

sys.path.insert(0, str(Path(__file__).parent))

from fair_world import Favour, Model, applicants, write

from artifacts.evaluation.columns import MISSING
from artifacts.evaluation.slices import Column
from artifacts.fairness.grouped_rows import GroupedRows
from artifacts.fairness.measured import Spec, measure_rows
from artifacts.fairness.measurement import Measurement
from artifacts.fairness.rates import Rows
from components.measure_fairness.config import Config
from components.measure_fairness.gate import decide
from components.measure_fairness.logic import Inputs, Outputs, measure
from core.decision import Decision, Verdict
from core.errors import ConfigError, CorruptArtifact

FPR = "false_positive_rate"
CONFIG: dict[str, Any] = {
    "label": "granted",
    "task": "binary_classification",
    "groups": [["sex"], ["race"], ["sex", "race"]],
    "gaps": [{"rate": FPR, "groups": [["sex"]], "at_most": 0.1, "why": "planted in this test"}],
    "swaps": {"features": ["sex"], "rows": 200},
}


@dataclass
class Run:
    """One measurement and its decision."""

    folder: Path
    decision: Decision
    logged: dict[str, float]

    @property
    def measured(self) -> Measurement:
        return Measurement.read(self.folder)


@pytest.fixture(scope="module")
def examples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("fair") / "examples", applicants(3000, 5))


def run(folder: Path, examples: Path, favour: Favour, config: dict[str, Any] | None = None) -> Run:
    logged: dict[str, float] = {}
    inputs = Inputs(str(examples / "schema.pbtxt"), examples, Model(favour).save(folder / "model"))
    outputs = Outputs(folder, folder / "decision.json", folder / "pictures.html", logged.__setitem__)
    measure(Config.model_validate(CONFIG | (config or {})), inputs, outputs)
    return Run(folder, Decision.read(folder / "decision.json"), logged)


@pytest.fixture(scope="module")
def fair(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return run(tmp_path_factory.mktemp("plain"), examples, Favour())


@pytest.fixture(scope="module")
def biased(examples: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The planted biased model: men get 1.5 more on the logit."""
    return run(tmp_path_factory.mktemp("biased"), examples, Favour(by=1.5))


def closed(decision: Decision) -> list[tuple[str, str, Verdict]]:
    return [(one.rule, one.slice, one.verdict) for one in decision.checks if one.verdict is not Verdict.PASS]


def decided(measured: Measurement, **rule: Any) -> Decision:
    """Decide about one rule alone."""
    gaps = [CONFIG["gaps"][0] | rule]
    return decide(Config.model_validate(CONFIG | {"gaps": gaps}), measured.model_copy(update={"swapped": ()}))


def test_a_fair_model_passes_and_its_numbers_are_kept(fair: Run) -> None:
    assert fair.decision.is_open, closed(fair.decision)
    assert fair.decision.subject.startswith("sha256:")
    measured = fair.measured
    assert [one.name for one in measured.groupings] == ["sex", "race", "sex x race"]
    assert sum(group.rows for group in measured.groupings[0].groups) == 3000
    found = measured.gap(("sex",), FPR, 0.5)
    assert found is not None
    assert found.high is not None
    name = f"{FPR}_gap_by_sex"
    assert fair.logged[name] == pytest.approx(found.value, abs=1e-6)
    assert fair.logged[f"{name}_at_most"] == pytest.approx(found.high, abs=1e-6)
    assert found.high <= 0.1
    assert measured.gap(("sex", "race"), "calibration", None) is not None
    (swapped,) = measured.swapped
    assert (swapped.is_input, swapped.changed.value, swapped.largest_change) == (False, 0.0, 0.0)


def test_rates_agree_with_rows_counted_by_hand(fair: Run) -> None:
    columns = applicants(3000, 5)
    above = 1 / (1 + np.exp(-2 * columns["worth"])) > 0.5
    (grouping, *_) = fair.measured.groupings
    for group in grouping.groups:
        mine = columns["sex"] == group.values[0]
        (at,) = (one for one in group.rates if one.threshold == 0.5)
        assert group.positives == columns["granted"][mine].sum()
        assert at.selection_rate.value == pytest.approx(above[mine].mean())
        assert at.false_positive_rate.value == pytest.approx(above[mine & (columns["granted"] == 0)].mean())
        assert at.precision.value == pytest.approx(columns["granted"][mine & above].mean())


def test_a_planted_biased_model_fails_by_its_gap_and_by_the_swap(biased: Run) -> None:
    assert biased.decision.verdict is Verdict.FAIL
    assert [(where, verdict) for _, where, verdict in closed(biased.decision)] == [
        ("m - f", Verdict.FAIL),
        ("", Verdict.FAIL),
    ]
    assert "constrain_model" in biased.decision.next_step
    (swapped,) = biased.measured.swapped
    assert swapped.changed.value is not None
    assert swapped.changed.value > 0.1


def test_the_picture_shows_rules_rates_and_gaps(biased: Run) -> None:
    text = (biased.folder / "pictures.html").read_text(encoding="utf-8")
    for word in ("<svg", "false positive rate", "gap by sex x race", "swapped, nothing else", "Newcombe"):
        assert word in text


def test_the_upper_end_of_the_gap_is_held(biased: Run) -> None:
    """A bound inside of the interval is undecided: the rows do not say on which side of it the gap is."""
    found = biased.measured.gap(("sex",), FPR, 0.5)
    assert found is not None
    assert found.low is not None
    assert found.high is not None
    verdicts = {
        bound: decided(biased.measured, at_most=bound).verdict
        for bound in (found.high, (found.low + found.high) / 2, found.low - 0.01)
    }
    assert list(verdicts.values()) == [Verdict.PASS, Verdict.UNDECIDED, Verdict.FAIL]


def test_a_group_that_is_too_small_is_undecided(fair: Run) -> None:
    decision = decided(fair.measured, groups=[["race"]], at_most=1.0)
    assert closed(decision) == [("a group of race has 100 rows or more", "race=c", Verdict.UNDECIDED)]
    assert "waive measure_fairness" in decision.next_step


def measured_of(sex: list[str | None]) -> Measurement:
    """Measure rows of these sexes; every other one is positive."""
    labels, scores = np.arange(len(sex)) % 2 * 1.0, np.linspace(0, 1, len(sex))
    values = sorted({one for one in sex if one is not None})
    codes = np.array([MISSING if one is None else values.index(one) for one in sex], np.int32)
    spec = Spec("granted", "1", "eval", (("sex",),), (0.5,), 0.5, 0.95)
    return measure_rows(spec, GroupedRows(Rows(labels, scores), {"sex": Column(codes, values)}))


def test_one_group_only_is_undecided() -> None:
    decision = decided(measured_of(["f"] * 400))
    assert [verdict for *_, verdict in closed(decision)] == [Verdict.UNDECIDED]
    assert "A gap needs two groups of sex that have a false_positive_rate; the eval split has f." in decision.next_step


def test_rows_without_a_group_are_undecided() -> None:
    decision = decided(measured_of(["f", "m", "f", "m", None] * 200), at_most=1.0)
    assert closed(decision) == [("rows without sex <= 5%", "", Verdict.UNDECIDED)]


def test_a_group_that_the_schema_lacks_is_named(examples: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="got 'sexx'; did you mean 'sex'"):
        run(tmp_path, examples, Favour(), {"groups": [["sex"], ["sexx"]]})


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"decision_threshold": 0.0}, "greater than 0"),
        ({"thresholds": [0.5, 1.0]}, "less than 1"),
        ({"gaps": [CONFIG["gaps"][0] | {"threshold": 1.0}]}, "less than 1"),
        ({"gaps": [CONFIG["gaps"][0] | {"groups": [["age"]]}]}, "not among groups"),
        ({"gaps": []}, "at least 1 item"),
        ({"task": "regression"}, "wanted a binary_classification"),
    ],
)
def test_a_configuration_that_cannot_decide_is_refused(config: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Config.model_validate(CONFIG | config)


def test_a_file_of_other_content_is_named(tmp_path: Path) -> None:
    with pytest.raises(CorruptArtifact, match="run measure_fairness again"):
        Measurement.read(tmp_path)
