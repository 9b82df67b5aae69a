"""A fair model passes; a biased one fails; a gate that has too little to decide by says so and is closed."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

sys.path.insert(0, str(Path(__file__).parent))

from fair_world import SCHEMA, Favour, Model, applicants, write

from artifacts.fairness.measurement import Measurement
from components.measure_fairness.config import Config
from components.measure_fairness.logic import Inputs, Outputs, measure
from core.decision import Decision, Verdict
from core.errors import ConfigError, CorruptArtifact, EmptyDataset

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

    def closed(self) -> list[tuple[str, str, Verdict]]:
        return [(one.rule, one.slice, one.verdict) for one in self.decision.checks if one.verdict is not Verdict.PASS]


class World:
    """Keeps examples and models for all tests of this file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.made: dict[Any, Path] = {}
        self.runs = 0

    def run(self, config: dict[str, Any], favour: Favour, change: Callable[[dict[str, Any]], Any] | None = None) -> Run:
        self.runs += 1
        folder = self.root / f"run-{self.runs}"
        if change not in self.made:
            columns = applicants(3000, 5)
            self.made[change] = write(self.root / f"examples-{self.runs}", change(columns) if change else columns)
        if favour not in self.made:
            self.made[favour] = Model(favour).save(self.root / f"model-{self.runs}")
        logged: dict[str, float] = {}
        inputs = Inputs(str(self.made[change] / "schema.pbtxt"), self.made[change], self.made[favour])
        outputs = Outputs(folder, folder / "decision.json", folder / "pictures.html", logged.__setitem__)
        measure(Config.model_validate(CONFIG | config), inputs, outputs)
        return Run(folder, Decision.read(folder / "decision.json"), logged)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("fair"))


@pytest.fixture(scope="module")
def fair(world: World) -> Run:
    return world.run({}, Favour())


@pytest.fixture(scope="module")
def biased(world: World) -> Run:
    """The planted biased model: men get 1.5 more on the logit."""
    return world.run({}, Favour(by=1.5))


def test_a_fair_model_passes_and_its_numbers_are_kept(fair: Run) -> None:
    assert fair.decision.is_open, fair.closed()
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
    assert [(where, verdict) for _, where, verdict in biased.closed()] == [("m - f", Verdict.FAIL), ("", Verdict.FAIL)]
    assert "constrain_model" in biased.decision.next_step
    (swapped,) = biased.measured.swapped
    assert swapped.changed.value is not None
    assert swapped.changed.value > 0.1


def test_the_picture_shows_rules_rates_and_gaps(biased: Run) -> None:
    text = (biased.folder / "pictures.html").read_text(encoding="utf-8")
    for word in ("<svg", "false positive rate", "gap by sex x race", "swapped, nothing else", "Newcombe"):
        assert word in text


@pytest.mark.parametrize(("bound", "verdict"), [(0.5, Verdict.PASS), (0.28, Verdict.UNDECIDED), (0.02, Verdict.FAIL)])
def test_the_upper_end_of_the_gap_is_held(world: World, bound: float, verdict: Verdict) -> None:
    """A bound inside of the interval is undecided: the rows do not say on which side of it the gap is."""
    found = world.run({"gaps": [CONFIG["gaps"][0] | {"at_most": bound}], "swaps": None}, Favour(by=1.5))
    assert found.decision.verdict is verdict, found.closed()


def test_a_group_that_is_too_small_is_undecided(world: World) -> None:
    rule = CONFIG["gaps"][0] | {"groups": [["race"]], "at_most": 1.0}
    found = world.run({"gaps": [rule], "swaps": None}, Favour())
    assert found.closed() == [("a group of race has 100 rows or more", "race=c", Verdict.UNDECIDED)]
    assert "waive measure_fairness" in found.decision.next_step


def one_sex(columns: dict[str, Any]) -> dict[str, Any]:
    return columns | {"sex": np.full(len(columns["sex"]), "f")}


def many_unknown(columns: dict[str, Any]) -> dict[str, Any]:
    sex = columns["sex"].astype(object)
    sex[: len(sex) // 5] = None
    return columns | {"sex": sex}


def test_one_group_only_is_undecided(world: World) -> None:
    found = world.run({"groups": [["sex"]], "swaps": None}, Favour(), one_sex)
    assert [verdict for *_, verdict in found.closed()] == [Verdict.UNDECIDED]
    assert "A gap needs two groups" in found.decision.next_step


def test_rows_without_a_group_are_undecided(world: World) -> None:
    found = world.run({"groups": [["sex"]], "swaps": None}, Favour(), many_unknown)
    assert found.closed() == [("rows without sex <= 5%", "", Verdict.UNDECIDED)]
    assert found.measured.groupings[0].without == 600


def test_a_group_that_the_schema_lacks_is_named(world: World) -> None:
    with pytest.raises(ConfigError, match="got 'sexx'; did you mean 'sex'"):
        world.run({"groups": [["sex"], ["sexx"]]}, Favour())


def test_a_split_without_rows_is_named(world: World, tmp_path: Path) -> None:
    world.run({"swaps": None}, Favour())
    columns = {name: values[:0] for name, values in applicants(10, 1).items()}
    folder = write(tmp_path / "none", columns, SCHEMA)
    outputs = Outputs(tmp_path, tmp_path / "decision.json", tmp_path / "pictures.html", lambda *_: None)
    with pytest.raises(EmptyDataset, match="'eval' has no rows"):
        measure(
            Config.model_validate(CONFIG), Inputs(str(folder / "schema.pbtxt"), folder, world.made[Favour()]), outputs
        )


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
