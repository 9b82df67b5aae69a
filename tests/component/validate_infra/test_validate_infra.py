"""A model that can serve passes; every other one is a `fail` that says why, and never a crash."""

import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.validate_infra.config import Config
from components.validate_infra.logic import validate
from mlops.core.decision import Check, Decision, Verdict

ROWS: list[dict[str, Any]] = [
    {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9},
    {"carrier": "ZZ", "hour": 3, "distance": 500.0},
    {"carrier": "UA", "hour": 9, "distance": 2475.0, "temp": 20.0},
]
CONFIG = Config(startup_seconds=120, request_seconds=2, median_latency_ms=2000)


def probability(row: dict[str, Any], bias: float = -1.0) -> float:
    steps = bias + row["hour"] / 24 + row["distance"] / 5000 + row.get("temp", 0.0) / 100 + (row["carrier"] == "AA")
    return 1 / (1 + math.exp(-steps))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tiny_models

    folder = tmp_path_factory.mktemp("model")
    tiny_models.export_delay(folder / "Format-Serving", bias=-1.0)
    return folder


def evaluation(folder: Path, rows: list[dict[str, Any]], shift: float = 0.0) -> Path:
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({"instance": row, "predictions": [probability(row) + shift]}) for row in rows]
    (folder / "parity.jsonl").write_text("\n".join(lines) + ("\n" if lines else ""))
    return folder


def judge(model: Path, rows: list[dict[str, Any]], tmp_path: Path, config: Config = CONFIG, shift: float = 0.0) -> Decision:
    decision = validate(config, model, evaluation(tmp_path / "evaluation", rows, shift), tmp_path / "decision.json")
    assert Decision.read(tmp_path / "decision.json") == decision
    return decision


def only(decision: Decision, words: str) -> Check:
    [found] = [check for check in decision.checks if words in check.rule]
    return found


def test_a_good_model_opens_the_gate(model: Path, tmp_path: Path) -> None:
    decision = judge(model, ROWS, tmp_path)
    assert decision.is_open, decision
    assert len(decision.checks) == 5
    difference = only(decision, "largest difference")
    assert isinstance(difference.observed, float)
    assert difference.observed < 1e-6


def test_another_number_than_in_the_evaluation_closes_it(model: Path, tmp_path: Path) -> None:
    decision = judge(model, ROWS, tmp_path, shift=1e-3)
    assert only(decision, "largest difference").verdict is Verdict.FAIL
    assert "transform" in decision.next_step
    assert only(decision, "real rows").verdict is Verdict.PASS


def test_a_row_that_the_server_refuses_closes_it(model: Path, tmp_path: Path) -> None:
    bad = ROWS[0] | {"distance": 3e30}
    decision = validate(CONFIG, model, evaluation(tmp_path / "evaluation", [ROWS[0], bad]), tmp_path / "decision.json")
    check = only(decision, "real rows")
    assert check.verdict is Verdict.FAIL
    assert "row 1: status 500: the model's output 'predictions'" in check.next_step


def test_a_slow_model_closes_it(model: Path, tmp_path: Path) -> None:
    decision = judge(model, ROWS, tmp_path, CONFIG.model_copy(update={"median_latency_ms": 1e-6}))
    assert decision.verdict is Verdict.FAIL
    assert "median_latency_ms" in only(decision, "median latency").next_step


def test_a_model_that_hangs_closes_it(tmp_path: Path) -> None:
    import tiny_models

    tiny_models.export_delay(tmp_path / "model" / "Format-Serving", bias=0.0, hang=True)
    decision = judge(tmp_path / "model", ROWS, tmp_path, CONFIG.model_copy(update={"startup_seconds": 25.0}))
    assert decision.verdict is Verdict.FAIL
    assert "not loaded within" in decision.next_step
    assert not children_left()


def break_graph(folder: Path) -> None:
    (folder / "saved_model.pb").write_bytes(b"half")


def drop_variables(folder: Path) -> None:
    shutil.rmtree(folder / "variables")


def drop_everything(folder: Path) -> None:
    shutil.rmtree(folder)


def break_features(folder: Path) -> None:
    (folder / "assets.extra" / "features.json").write_text('{"features": [{"name": "hour"}]}')


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (break_graph, "TensorFlow cannot load it"),
        (drop_variables, "TensorFlow cannot load it"),
        (drop_everything, "found no saved_model.pb"),
        (break_features, "features.json"),
    ],
)
def test_a_model_that_cannot_be_loaded_closes_it(model: Path, tmp_path: Path, damage: Any, words: str) -> None:
    copy = shutil.copytree(model, tmp_path / "model")
    damage(copy / "Format-Serving")
    decision = judge(copy, ROWS, tmp_path)
    assert decision.verdict is Verdict.FAIL
    assert words in decision.next_step
    assert not children_left()


@pytest.mark.parametrize("content", ["", "not JSON\n", '{"instance": {}}\n', None])
def test_without_evaluated_rows_it_cannot_decide(model: Path, tmp_path: Path, content: str | None) -> None:
    (tmp_path / "evaluation").mkdir()
    if content is not None:
        (tmp_path / "evaluation" / "parity.jsonl").write_text(content)
    decision = validate(CONFIG, model, tmp_path / "evaluation", tmp_path / "decision.json")
    assert decision.verdict is Verdict.UNDECIDED
    assert "evaluate_model" in decision.next_step


def test_a_model_of_a_tfx_module_is_sent_tf_examples(tmp_path: Path) -> None:
    import tiny_models

    tiny_models.export_foreign(tmp_path / "model" / "Format-Serving")
    (tmp_path / "evaluation").mkdir()
    rows = [{"instance": {"x": value}, "predictions": [value * 2]} for value in (1.5, -4.0)]
    (tmp_path / "evaluation" / "parity.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    decision = validate(CONFIG, tmp_path / "model", tmp_path / "evaluation", tmp_path / "decision.json")
    assert decision.is_open, decision


FORKED = """
import sys, time, tensorflow
from components.validate_infra.config import Config
from components.validate_infra.logic import validate
from mlops.serving import candidate
assert candidate._may_fork()
candidate.CandidateServer._spawn = None
decision = validate(Config(startup_seconds=20), *sys.argv[1:])
print(decision.checks[0].observed)
assert decision.is_open, decision
"""


def test_in_a_process_that_only_imported_tensorflow_the_server_is_a_fork(model: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-c", FORKED, str(model), str(evaluation(tmp_path / "evaluation", ROWS)), str(tmp_path / "decision.json")]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert float(ran.stdout) < 5


def children_left() -> list[str]:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    return children.read_text().split() if children.exists() else []
