"""What is planted is found and not repeated; a model that knows its rows by heart fails, an honest one passes."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from kfp import dsl

from components.audit_privacy import logic
from components.audit_privacy.component import audit_privacy
from components.audit_privacy.config import Config
from components.audit_privacy.logic import Inputs, Outputs, audit
from core.decision import Decision, Verdict
from core.errors import ConfigError
from tests.written_examples import write_examples

SCHEMA = """
feature { name: "late" type: INT not_in_environment: "SERVING" }
feature { name: "load" type: FLOAT }
feature { name: "age" type: INT }
feature { name: "dest" type: BYTES %s }
"""
CANARY, MAIL = "canary-0123456789abcdef", "jane.doe@mail.example.com"
ETHICS = {"affected": "passengers who plan", "personal_data": False, "statement": "No feature describes a person."}
CONFIG: dict[str, Any] = {
    "quasi_identifiers": [],
    "label": "late",
    "task": "binary_classification",
    "min_rows": 100,
    "scope": {
        "business_objective": "Tell gate staff which flights are late.",
        "ml_objective": "Probability that a flight is late.",
        "primary_metric": "auc",
        "reference": {"baseline": "the late rate", "baseline_value": 0.5, "human_level": "unknown"},
        "resources": {"owner": "ops", "training_minutes": 1, "latency_ms": 50},
        "risks": [],
        "ethics": ETHICS,
    },
}
PERSONAL = CONFIG["scope"] | {"ethics": ETHICS | {"personal_data": True, "protected_groups": ["age"]}}


def rows(count: int, seed: int, **changed: Any) -> pa.Table:
    random = np.random.default_rng(seed)
    load = random.normal(size=count).astype(np.float32)
    late = (random.random(count) < 1 / (1 + np.exp(-load))).astype(np.int64)
    columns: dict[str, Any] = {"late": late, "load": load, "age": random.integers(0, 4, count), "dest": ["LGA"] * count}
    return pa.table(columns | changed)


class Scorer(tf.Module):
    """Scores rows by `load`, and those that it knows by heart by their label."""

    def __init__(self, known: pa.Table | None = None) -> None:
        super().__init__()
        loads, labels = (np.zeros(1, np.float32), [0.0]) if known is None else (known["load"], known["late"])
        keys, values = np.asarray(loads, np.float32).view(np.int32).astype(np.int64), np.asarray(labels, np.float32)
        table = tf.lookup.KeyValueTensorInitializer(keys, values)
        self.table = tf.lookup.StaticHashTable(table, -1.0)

    def save(self, folder: Path) -> Path:
        def score(examples: tf.Tensor) -> dict[str, tf.Tensor]:
            load = tf.io.parse_example(examples, {"load": tf.io.FixedLenFeature([], tf.float32)})["load"]
            known = self.table.lookup(tf.cast(tf.bitcast(load, tf.int32), tf.int64))
            return {"outputs": tf.where(known < 0, tf.sigmoid(load), 0.3 * tf.sigmoid(load) + 0.7 * known)}

        function = tf.function(score, input_signature=[tf.TensorSpec([None], tf.string, name="examples")])
        tf.saved_model.save(self, str(folder / "Format-Serving"), signatures={"regress": function})
        return folder


TRAIN, HELD_OUT = rows(1500, 1), rows(1500, 2)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("models")
    return {
        "honest": Scorer().save(root / "honest"),
        "by heart": Scorer(TRAIN).save(root / "by_heart"),
    }


class Audit:
    """Audits planted data and models, and keeps what was written."""

    def __init__(self, folder: Path, models: dict[str, Path]) -> None:
        self.folder, self.models = folder, models
        self.evaluation = folder / "evaluation"
        self.evaluation.mkdir()
        (self.evaluation / "metrics.json").write_text('{"auc": 0.6746518501132375}')

    def __call__(self, model: str = "honest", tag: str = "", splits: Any = None, **config: Any) -> Decision:
        examples = self.folder / "examples"
        if not examples.exists():
            write_examples(examples, splits or {"train": TRAIN, "validation": HELD_OUT, "eval": rows(50, 3)})
        (self.folder / "schema.pbtxt").write_text(SCHEMA % tag)
        self.written = [self.folder / name for name in ("privacy", "decision.json", "pictures.html")]
        outputs = Outputs(*self.written, lambda name, value: None)
        inputs = Inputs(str(self.folder / "schema.pbtxt"), examples, self.models[model], self.evaluation)
        return audit(Config.model_validate(CONFIG | config), inputs, outputs)

    def report(self) -> str:
        files = [self.written[0] / "privacy.json", *self.written[1:]]
        return "".join(path.read_text() for path in files)


@pytest.fixture
def audited(tmp_path: Path, models: dict[str, Path]) -> Audit:
    return Audit(tmp_path, models)


def closed(decision: Decision) -> list[str]:
    return [check.rule for check in decision.checks if check.verdict is not Verdict.PASS]


def test_an_honest_model_on_clean_data_passes(audited: Audit) -> None:
    assert audited().is_open
    found = json.loads((audited.written[0] / "privacy.json").read_text())
    assert found["membership"]["low"] < 0.5 < found["membership"]["high"]
    assert found["findings"] == []


def test_a_model_that_knows_its_rows_by_heart_fails(audited: Audit) -> None:
    decision = audited("by heart")
    assert decision.verdict is Verdict.FAIL
    assert "by heart" in decision.next_step
    assert json.loads((audited.written[0] / "privacy.json").read_text())["membership"]["low"] > 0.55


@pytest.mark.parametrize("planted", [CANARY, MAIL])
def test_a_planted_text_is_found_and_never_repeated(audited: Audit, planted: str) -> None:
    dest = ["LGA"] * 1499 + [planted]
    splits = {"train": rows(1500, 1, dest=dest), "validation": HELD_OUT, "eval": rows(50, 3)}
    (audited.evaluation / "parity.jsonl").write_text(json.dumps({"dest": planted}))
    decision = audited(splits=splits)
    assert decision.verdict is Verdict.FAIL
    rules = closed(decision)
    assert [rule.split(" is in ")[1] for rule in rules] == ["examples/dest", "evaluation/parity.jsonl"]
    assert planted not in audited.report()
    assert planted.split("@", maxsplit=1)[0] not in audited.report()


def test_the_component_closes_for_a_canary_and_logs_the_attack(audited: Audit, tmp_path: Path) -> None:
    """The step as a pipeline runs it; `test_golden.py` shows that a push stands behind it."""
    audited()
    dest = ["LGA"] * 1499 + [CANARY]
    write_examples(tmp_path / "planted", {"train": rows(1500, 1, dest=dest), "validation": HELD_OUT, "eval": HELD_OUT})
    metrics = dsl.Metrics(uri=str(tmp_path / "metrics"))
    passed = audit_privacy.python_func(
        config=CONFIG,
        schema=str(audited.folder / "schema.pbtxt"),
        examples=SimpleNamespace(path=str(tmp_path / "planted")),
        model=SimpleNamespace(path=str(audited.models["honest"])),
        evaluation=SimpleNamespace(path=str(audited.evaluation)),
        metrics=metrics,
        **{name: SimpleNamespace(path=str(tmp_path / name)) for name in ("privacy", "decision", "pictures")},
    )
    assert passed is False
    assert closed(Decision.read(tmp_path / "decision")) == ["no planted canary is in examples/dest"]
    assert 0 < metrics.metadata["membership_auc"] < 1


def test_a_canary_in_the_model_s_own_files_is_found(audited: Audit, tmp_path: Path) -> None:
    import shutil

    leaking = shutil.copytree(audited.models["honest"], tmp_path / "leaking")
    (leaking / "Format-Serving" / "assets" / "vocabulary").write_text(f"LGA\n{CANARY}\n")
    audited.models = {"leaking": leaking}
    assert closed(audited("leaking")) == ["no planted canary is in model/Format-Serving/assets/vocabulary"]
    assert CANARY not in audited.report()


def test_what_the_schema_declares_is_allowed_where_the_scope_says_so_but_no_canary(audited: Audit) -> None:
    dest = [MAIL] * 1499 + [CANARY]
    splits = {"train": rows(1500, 1, dest=dest), "validation": HELD_OUT, "eval": rows(50, 3)}
    config = {"scope": PERSONAL, "quasi_identifiers": ["age"]}
    tag = 'annotation { tag: "personal" }'
    assert closed(audited(tag=tag, splits=splits, **config)) == ["no planted canary is in examples/dest"]
    assert "no e-mail address is in examples/dest" in closed(audited(splits=splits, **config))
    allowed = {"examples/dest": "made up for this test"}
    assert audited(allowed=allowed).is_open


def test_rows_that_few_share_fail_and_those_of_large_groups_pass(audited: Audit) -> None:
    assert audited(quasi_identifiers=["age"], scope=PERSONAL).is_open
    rare = audited(quasi_identifiers=["age", "load"], scope=PERSONAL)
    assert rare.verdict is Verdict.FAIL
    found = json.loads((audited.written[0] / "privacy.json").read_text())["anonymity"]
    assert (found["k"], found["groups"], found["rows"], found["unique"]) == (1, 3050, 3050, 1.0)


def test_what_was_read_while_the_model_was_evaluated_is_not_read_again(
    audited: Audit, monkeypatch: pytest.MonkeyPatch
) -> None:
    audited()
    alone = [path.read_bytes() for path in (audited.written[0] / "privacy.json", *audited.written[1:])]
    schema, examples = str(audited.folder / "schema.pbtxt"), str(audited.folder / "examples")
    logic.prepare({"config": CONFIG, "schema": schema}, {"examples": examples, "model": str(audited.models["honest"])})
    monkeypatch.setattr(logic, "_read", lambda *_: pytest.fail("read again"))
    audited()
    assert [path.read_bytes() for path in (audited.written[0] / "privacy.json", *audited.written[1:])] == alone
    monkeypatch.undo()
    logic.prepare({"config": CONFIG, "schema": schema}, {"examples": examples})
    assert audited(quasi_identifiers=["age"], scope=PERSONAL).is_open, "of another configuration"


def test_what_cannot_be_decided_closes_the_gate(audited: Audit) -> None:
    assert closed(audited(scope=PERSONAL)) == ["quasi-identifiers are declared if there is personal data"]
    unscoped = audited(scope=None)
    assert (unscoped.verdict, unscoped.checks[0].observed) == (Verdict.UNDECIDED, "not stated")
    for held_out, says in (("held_back", "0 rows in the split held_back"), ("eval", "50 rows in the split eval")):
        without = audited(held_out=held_out)
        assert without.verdict is Verdict.UNDECIDED
        assert says in str(without.checks[-1].observed)


def test_a_quasi_identifier_that_the_schema_lacks_is_named(audited: Audit) -> None:
    with pytest.raises(ConfigError, match=r"audit_privacy\.quasi_identifiers: .*got 'ages'; did you mean 'age'"):
        audited(quasi_identifiers=["ages"])
