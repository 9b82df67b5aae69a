"""The whole stage on a small world: one good model, and planted faults, each closed by the check named for it."""

import dataclasses
import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tensorflow_model_analysis as tfma
from kfp import dsl

sys.path.insert(0, str(Path(__file__).parent))

from world import SCHEMA, Model, Planted, Rows, read, rows, write_examples

from components.evaluate_model.component import evaluate_model
from components.evaluate_model.config import Config
from components.evaluate_model.logic import Inputs, Outputs, evaluate
from core.backends.registry import open_registry
from core.decision import Decision, Verdict

CONFIG: dict[str, Any] = {
    "label": "late",
    "task": "binary_classification",
    "metrics": [
        {"name": "auc", "at_least": 0.7, "why": "measured on these flights"},
        {"name": "calibration_error", "at_most": 0.1, "why": "measured on these flights"},
    ],
    "slices": [["carrier"]],
    "slice_thresholds": [{"metric": "auc", "slices": [["carrier"]], "at_least": 0.6}],
    "min_slice_examples": 100,
    "expected_slices": [{"carrier": "AA"}],
    "change": [
        {"metric": "auc", "at_least_change": -0.01},
        {"metric": "auc", "slices": [["carrier"]], "at_least_change": -0.1},
    ],
    "baselines": [
        {"kind": "majority"},
        {"kind": "rate_table", "keys": ["carrier", "hour"]},
        {"kind": "linear", "must_beat": False},
    ],
    "leak": {"suspicious_above": 0.95, "feature_above": 0.9},
    "batch_size": 700,
}
GOOD = Planted()


@dataclasses.dataclass
class Run:
    folder: Path
    decision: Decision
    logged: dict[str, float]

    def closed(self) -> list[str]:
        return [
            f"{check.rule}{f' on {check.slice}' if check.slice else ''}"
            for check in self.decision.checks
            if check.verdict is not Verdict.PASS
        ]


class World:
    """Keeps examples, exported models and a registry for all tests of this file."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.examples: dict[str, Path] = {}
        self.models: dict[Planted, Path] = {}
        self.runs = 0

    def example_folder(self, name: str) -> Path:
        if name not in self.examples:
            train, evaluated, schema = _data(name)
            self.examples[name] = write_examples(self.root / "examples" / name, train, evaluated, schema)
        return self.examples[name]

    def model(self, planted: Planted) -> Path:
        if planted not in self.models:
            self.models[planted] = Model(planted).save(self.root / "models" / str(len(self.models)))
        return self.models[planted]

    def champion(self, planted: Planted) -> str:
        version = open_registry(str(self.root / "registry")).publish(
            "world", self.model(planted) / "Format-Serving", {}
        )
        return version.reference

    def run(self, config: dict[str, Any], model: Planted, champion: Planted | None = None, data: str = "plain") -> Run:
        self.runs += 1
        folder, examples = self.root / "runs" / str(self.runs), self.example_folder(data)
        reference = self.champion(champion) if champion else ""
        inputs = Inputs(
            str(examples / "schema.pbtxt"), examples, self.model(model), reference, str(self.root / "registry")
        )
        logged: dict[str, float] = {}
        outputs = Outputs(folder, folder / "decision.json", folder / "pictures.html", logged.__setitem__)
        evaluate(Config.model_validate(CONFIG | config), inputs, outputs)
        return Run(folder, Decision.read(folder / "decision.json"), logged)


def _data(name: str) -> tuple[Rows, Rows, str]:
    train, evaluated = rows(3000, 1), rows(2000, 2)
    schema = SCHEMA
    random = np.random.default_rng(3)
    if name == "shuffled":
        evaluated.late = random.permutation(evaluated.late)
    if name == "one class":
        evaluated.late = np.zeros_like(evaluated.late)
    if name == "leaked":
        schema += 'feature { name: "delay" type: FLOAT }'
        for part in (train, evaluated):
            part.extra["delay"] = part.late + random.normal(0, 0.1, len(part.late))
    return train, evaluated, schema


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@dataclasses.dataclass(frozen=True)
class Fault:
    """What is planted, and the start of the rule that must close the gate."""

    name: str
    closes: str
    verdict: Verdict
    config: dict[str, Any] = dataclasses.field(default_factory=dict)
    model: Planted = GOOD
    champion: Planted | None = None
    data: str = "plain"
    observed: str = ""
    """Part of what the closing check says it saw."""


FAULTS = [
    Fault(
        "a worse model than the champion",
        "change of auc >= -0.01",
        Verdict.FAIL,
        model=Planted(load=0.6, wind=1.5),
        champion=GOOD,
    ),
    Fault(
        "a bad slice under a good average", "auc >= 0.6 on carrier=B6", Verdict.FAIL, model=Planted(bad_carrier="B6")
    ),
    Fault(
        "a slice that the champion did well",
        "change of auc >= -0.1 on carrier=B6",
        Verdict.FAIL,
        {"slice_thresholds": []},
        Planted(bad_carrier="B6"),
        GOOD,
    ),
    Fault(
        "weights that are not numbers",
        "the eval split and the predictions",
        Verdict.UNDECIDED,
        model=Planted(nan=True),
        observed="2000 of 2000 predictions are not finite",
    ),
    Fault("shuffled labels", "auc >= 0.7", Verdict.FAIL, data="shuffled"),
    Fault(
        "shuffled labels, no threshold that sees it",
        "gain in AUC over majority",
        Verdict.FAIL,
        {"metrics": [CONFIG["metrics"][1] | {"at_most": 1.0}]},
        data="shuffled",
    ),
    Fault(
        "a leaked label in the model",
        "AUC of the model, leak guard",
        Verdict.FAIL,
        {"leak": {"suspicious_above": 0.95}},
        Planted(leak="delay"),
        data="leaked",
    ),
    Fault("a leaked label in one feature", "AUC of the feature delay alone", Verdict.FAIL, data="leaked"),
    Fault(
        "labels of one class",
        "the eval split and the predictions",
        Verdict.UNDECIDED,
        data="one class",
        observed="all 2000 labels",
    ),
    Fault(
        "one answer for every row",
        "the model does not predict the same for all rows",
        Verdict.FAIL,
        model=Planted(load=0, wind=0, constant=True),
    ),
    Fault(
        "no thresholds (tensorflow/tfx#5148)",
        "at least one threshold is configured",
        Verdict.UNDECIDED,
        {"metrics": []},
    ),
    Fault(
        "a metric that does not exist",
        "aucc >= 0.7",
        Verdict.UNDECIDED,
        {"metrics": [CONFIG["metrics"][0] | {"name": "aucc"}]},
    ),
    Fault(
        "an absent slice",
        "expected slice has 100 rows or more on carrier=ZZ",
        Verdict.FAIL,
        {"expected_slices": [{"carrier": "ZZ"}]},
    ),
    Fault(
        "an absent slice, left to a person",
        "expected slice",
        Verdict.UNDECIDED,
        {"expected_slices": [{"carrier": "ZZ"}], "absent_slice": "undecided"},
    ),
    Fault(
        "slices that are all too small",
        "auc of [carrier] is checked",
        Verdict.UNDECIDED,
        {"min_slice_examples": 1999, "expected_slices": []},
        observed="4 too small",
    ),
    Fault("a first model, left to a person", "first model", Verdict.UNDECIDED, {"first_model": "undecided"}),
    Fault(
        "no rule against the champion", "at least one rule compares", Verdict.UNDECIDED, {"change": []}, champion=GOOD
    ),
    Fault(
        "a champion that answers NaN",
        "the champion ",
        Verdict.UNDECIDED,
        champion=Planted(nan=True),
        observed="not finite",
    ),
    Fault(
        "a simpler method is as good",
        "gain in AUC over linear",
        Verdict.FAIL,
        {"baselines": [{"kind": "linear"}]},
        model=Planted(load=0.9, wind=0.9),
    ),
    Fault(
        "too few rows",
        "the eval split and the predictions",
        Verdict.UNDECIDED,
        {"min_examples": 2001},
        observed="2000 rows",
    ),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_a_planted_fault_closes_the_gate(world: World, fault: Fault) -> None:
    run = world.run(fault.config, fault.model, fault.champion, fault.data)
    assert run.decision.verdict is fault.verdict, run.decision.summary
    assert not run.decision.is_open
    assert any(name.startswith(fault.closes) for name in run.closed()), run.closed()
    found = next(
        check
        for check in run.decision.checks
        if f"{check.rule}{f' on {check.slice}' if check.slice else ''}".startswith(fault.closes)
        and check.verdict is not Verdict.PASS
    )
    assert found.next_step, "a closed gate says what to do"
    assert fault.observed in str(found.observed)
    assert run.logged["blessed"] == 0
    assert read(run.folder / "metrics.json")["version"] == 1
    assert (run.folder / "pictures.html").read_text().startswith("<section")


def test_a_bad_slice_closes_the_gate_while_the_average_rises(world: World) -> None:
    run = world.run({}, Planted(bad_carrier="B6"), champion=Planted(load=0.4, wind=1.5))
    assert run.logged["auc"] > run.logged["champion_auc"] + 0.01
    assert run.decision.verdict is Verdict.FAIL
    assert run.closed() == ["auc >= 0.6 on carrier=B6", "change of auc >= -0.1 on carrier=B6"]


def test_a_good_first_model_is_blessed_and_everything_is_written(world: World) -> None:
    run = world.run({"slices": [["carrier"], ["carrier", "hour"]]}, GOOD)
    assert run.decision.is_open, run.closed()
    assert any(
        check.rule.startswith("first model: without a champion all other rules decide") for check in run.decision.checks
    )
    numbers = read(run.folder / "metrics.json")
    assert numbers["overall"]["candidate"]["auc"] == pytest.approx(numbers["skill"]["candidate"], abs=1e-3)
    assert {one["name"] for one in numbers["comparisons"]} == {"majority", "rate_table[carrier, hour]", "linear"}
    assert {item["slice"]["carrier"] for item in numbers["slices"] if len(item["slice"]) == 1} == {
        "AA",
        "DL",
        "UA",
        "B6",
    }
    assert sum(item["examples"] for item in numbers["slices"] if len(item["slice"]) == 1) == numbers["examples"] == 2000
    assert run.logged["auc"] == pytest.approx(numbers["overall"]["candidate"]["auc"], abs=1e-5)


def test_parity_rows_are_raw_rows_with_the_models_own_answers(world: World) -> None:
    lines = [json.loads(line) for line in (world.run({}, GOOD).folder / "parity.jsonl").read_text().splitlines()]
    assert len(lines) == 32
    assert {"wind" in line["instance"] for line in lines} == {True, False}, "rows with and without the optional feature"
    for line in lines:
        instance = line["instance"]
        assert "late" not in instance
        logit = 1.4 * instance["load"] + 0.5 * instance.get("wind", 0) + 0.05 * (instance["hour"] - 14) - 0.5
        assert line["predictions"] == [pytest.approx(1 / (1 + np.exp(-logit)), abs=1e-5)]


def test_tfma_reads_the_output_as_its_own(world: World) -> None:
    run = world.run({}, GOOD, champion=Planted(load=1.0))
    assert run.decision.is_open, run.closed()
    result = tfma.load_eval_result(str(run.folder / "tfma"), model_name="candidate")
    overall = dict(result.slicing_metrics)[()][""][""]
    assert overall["auc"]["doubleValue"] == pytest.approx(run.logged["auc"], abs=1e-6)
    assert (("carrier", "AA"),) in dict(result.slicing_metrics)
    assert len(result.plots) == 1
    champion = tfma.load_eval_result(str(run.folder / "tfma"), model_name="baseline")
    assert dict(champion.slicing_metrics)[()][""][""]["auc"]["doubleValue"] == pytest.approx(
        run.logged["champion_auc"], abs=1e-6
    )


def test_the_component_returns_the_verdict_and_logs_the_numbers(world: World, tmp_path: Path) -> None:
    examples = world.example_folder("plain")
    artifacts = {name: SimpleNamespace(path=str(tmp_path / name)) for name in ("evaluation", "decision", "pictures")}
    metrics = dsl.Metrics(uri=str(tmp_path / "metrics"))
    blessed = evaluate_model.python_func(
        config=CONFIG | {"batch_size": 700.0},  # kfp hands integers over as floats
        schema=str(examples / "schema.pbtxt"),
        examples=SimpleNamespace(path=str(examples)),
        model=SimpleNamespace(path=str(world.model(GOOD))),
        champion="",
        registry=str(world.root / "registry"),
        metrics=metrics,
        **artifacts,
    )
    assert blessed is True
    assert metrics.metadata["blessed"] == 1.0
    assert metrics.metadata["auc"] > 0.7
    assert Decision.read(tmp_path / "decision").is_open
