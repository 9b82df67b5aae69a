"""A model that can serve passes; every other one is a `fail` that says why, and never a crash."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from artifacts.predictions.parity import ParityRow
from components.validate_infra.config import Config
from components.validate_infra.logic import Seen, checks_of, validate
from components.validate_infra.requests import Reply
from components.validate_infra.sent_rows import SentRows
from core.decision import Check, Decision, Verdict

ROWS: list[dict[str, Any]] = [
    {"carrier": "AA", "hour": 17, "distance": 1089.0, "temp": 55.9},
    {"carrier": "ZZ", "hour": 3, "distance": 500.0},
    {"carrier": "UA", "hour": 9, "distance": 2475.0, "temp": 20.0},
]
CONFIG = Config(startup_seconds=180, request_seconds=30, median_latency_ms=20_000)


def probability(row: dict[str, Any], bias: float = -1.0) -> float:
    steps = bias + row["hour"] / 24 + row["distance"] / 5000 + row.get("temp", 0.0) / 100 + (row["carrier"] == "AA")
    return 1 / (1 + math.exp(-steps))


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    import tiny_models

    folder = tmp_path_factory.mktemp("model")
    tiny_models.export_delay(folder / "Format-Serving", bias=-1.0)
    return folder


def evaluation(folder: Path, rows: list[dict[str, Any]]) -> Path:
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({"instance": row, "predictions": [probability(row)]}) for row in rows]
    (folder / "parity.jsonl").write_text("\n".join(lines) + ("\n" if lines else ""))
    return folder


def evaluate(model: Path, rows: list[dict[str, Any]], tmp_path: Path) -> Decision:
    decision = validate(CONFIG, model, evaluation(tmp_path / "evaluation", rows), tmp_path / "decision.json")
    assert Decision.read(tmp_path / "decision.json") == decision
    return decision


def only(decision: Decision, message: str) -> Check:
    [found] = [check for check in decision.checks if message in check.rule]
    return found


def test_a_good_model_opens_the_gate(model: Path, tmp_path: Path) -> None:
    decision = evaluate(model, ROWS, tmp_path)
    assert decision.is_open, decision
    assert len(decision.checks) == 5
    difference = only(decision, "largest difference")
    assert isinstance(difference.observed, float)
    assert difference.observed < 16


def good() -> Seen:
    answers = tuple([[probability(row)]] for row in ROWS)
    return Seen(
        sent=SentRows(None, takes_examples=False),
        startup_seconds=1.0,
        singles=answers,
        batch=[answer[0] for answer in answers],
        bare=[[0.5]],
        latencies_ms=(1.0, 2.0, 900.0),
    )


def explanation(attribution: float) -> Reply:
    return Reply([{"prediction": 0.7, "base": 0.5, "attributions": {"hour": attribution, "carrier": -0.1}}], 20.0)


@pytest.mark.parametrize(
    ("replies", "at_most", "verdict", "says"),
    [
        ((explanation(0.3),) * 2, 25.0, Verdict.PASS, ""),
        ((explanation(0.3),) * 2, 10.0, Verdict.FAIL, "explain_latency_ms"),
        ((explanation(0.3), explanation(0.29)), 25.0, Verdict.FAIL, "row 1: base and attributions are 0.01 away"),
        ((Reply("status 501: no background rows", 2.0),), 25.0, Verdict.FAIL, "row 0: status 501"),
        ((Reply([{"attributions": {}}], 2.0),), 25.0, Verdict.FAIL, "KeyError"),
    ],
)
def test_explanations_have_a_budget_and_add_up(
    replies: tuple[Reply, ...], at_most: float, verdict: Verdict, says: str
) -> None:
    config = CONFIG.model_copy(update={"explain_latency_ms": at_most})
    rows = [ParityRow(row, [probability(row)]) for row in ROWS]
    decision = Decision.of("validate_infra", checks_of(config, rows, replace(good(), explanations=replies)))
    assert decision.verdict is verdict
    assert len(decision.checks) == 7
    assert says in decision.next_step


ODD: list[tuple[str, dict[str, Any], str, Verdict, str]] = [
    ("late start", {"startup_seconds": 181.0}, "start-up", Verdict.FAIL, "vocabularies"),
    ("slow", {"latencies_ms": (20_001.0, 20_002.0, 1.0)}, "median latency", Verdict.FAIL, "median_latency_ms"),
    (
        "another number",
        {"singles": (good().singles[0], [[0.5]], good().singles[2])},
        "largest difference",
        Verdict.FAIL,
        'the row was sent as the features {"carrier": "ZZ"',
    ),
    (
        "another number in a batch",
        {"batch": [*good().batch[:2], [0.5]]},
        "largest difference",
        Verdict.FAIL,
        "Row 2 of parity.jsonl, served with all others in one request",
    ),
    (
        "a row refused",
        {"singles": ("status 400: instances[0].hour: ..", *good().singles[1:])},
        "real rows",
        Verdict.FAIL,
        "row 0: status 400: instances[0].hour",
    ),
    ("batch refused", {"batch": "status 500: .."}, "real rows", Verdict.FAIL, "all rows in one request: status 500"),
    ("batch too short", {"batch": good().batch[:1]}, "largest difference", Verdict.UNDECIDED, ""),
    ("no number", {"singles": ([[math.nan]], *good().singles[1:])}, "real rows", Verdict.FAIL, "row 0"),
    ("true is no number", {"singles": ([[True]], *good().singles[1:])}, "real rows", Verdict.FAIL, "row 0"),
    (
        "two numbers for one",
        {"singles": ([[0.1, 0.2, 0.7]], *good().singles[1:])},
        "largest difference",
        Verdict.UNDECIDED,
        "",
    ),
    (
        "missing features refused",
        {"bare": "status 400: instances[0]: missing feature 'temp'"},
        "without its optional",
        Verdict.FAIL,
        "filled in by its graph",
    ),
]


@pytest.mark.parametrize(
    "answer", [[[0.25, 0.75]], [0.75], [{"scores": [0.25, 0.75], "classes": ["0", "1"]}], [{"p": [0.75], "name": "x"}]]
)
def test_the_prediction_is_found_among_what_a_model_made_elsewhere_answers(answer: Any) -> None:
    seen = Seen(SentRows(None, takes_examples=False), 1.0, (answer,), answer, None, (1.0,))
    assert Decision.of("validate_infra", checks_of(CONFIG, [ParityRow({"x": 1.0}, [0.75])], seen)).is_open


@pytest.mark.parametrize(
    ("change", "message", "verdict", "next_step"), [row[1:] for row in ODD], ids=[row[0] for row in ODD]
)
def test_each_shortcoming_closes_it_by_its_own_check(
    change: dict[str, Any], message: str, verdict: Verdict, next_step: str
) -> None:
    rows = [ParityRow(row, [probability(row)]) for row in ROWS]
    assert Decision.of("validate_infra", checks_of(CONFIG, rows, good())).is_open
    decision = Decision.of("validate_infra", checks_of(CONFIG, rows, replace(good(), **change)))
    assert not decision.is_open
    assert only(decision, message).verdict is verdict
    assert next_step in only(decision, message).next_step


@pytest.mark.parametrize(
    ("wanted", "got", "holds"),
    [
        (437_218.25, 437_218.31, True),
        (437_218.25, 437_228.0, False),
        (0.5, 0.500002, True),
        (0.5, 0.50001, False),
        (0.0, 9e-7, True),
        (-1e-30, 1e-6, True),
        (3e38, 3.0001e38, False),
    ],
)
def test_differences_are_counted_in_steps_of_float32_at_the_size_of_the_prediction(
    wanted: float, got: float, holds: bool
) -> None:
    seen = Seen(SentRows(None, takes_examples=False), 1.0, ([[got]],), [[got]], None, (1.0,))
    decision = Decision.of("validate_infra", checks_of(CONFIG, [ParityRow({"x": 1.0}, [wanted])], seen))
    assert decision.is_open is holds, decision


def test_a_sum_that_ends_near_zero_may_differ_as_the_others_do() -> None:
    rows = [ParityRow({"x": 1.0}, [value]) for value in (0.01, 500_000.0, -400_000.0)]
    answers = tuple([[row.predictions[0] + 0.5]] for row in rows)  # type: ignore[operator]
    seen = Seen(SentRows(None, takes_examples=False), 1.0, answers, [a[0] for a in answers], None, (1.0,))
    assert Decision.of("validate_infra", checks_of(CONFIG, rows, seen)).is_open


def break_graph(folder: Path) -> None:
    (folder / "saved_model.pb").write_bytes(b"half")


def drop_variables(folder: Path) -> None:
    shutil.rmtree(folder / "variables")


def drop_everything(folder: Path) -> None:
    shutil.rmtree(folder)


def break_features(folder: Path) -> None:
    (folder / "assets.extra" / "features.json").write_text('{"features": [{"name": "hour"}]}')


@pytest.mark.usefixtures("leaves_no_child")
@pytest.mark.parametrize(
    ("damage", "message"), [(drop_everything, "found no saved_model.pb"), (break_features, "features.json")]
)
def test_a_model_that_is_not_there_closes_it(model: Path, tmp_path: Path, damage: Any, message: str) -> None:
    copy = shutil.copytree(model, tmp_path / "model")
    damage(copy / "Format-Serving")
    decision = evaluate(copy, ROWS, tmp_path)
    assert decision.verdict is Verdict.FAIL
    assert message in decision.next_step


@pytest.mark.parametrize("content", ["", "not JSON\n", '{"instance": {}}\n', None])
def test_without_evaluated_rows_it_cannot_decide(model: Path, tmp_path: Path, content: str | None) -> None:
    (tmp_path / "evaluation").mkdir()
    if content is not None:
        (tmp_path / "evaluation" / "parity.jsonl").write_text(content)
    decision = validate(CONFIG, model, tmp_path / "evaluation", tmp_path / "decision.json")
    assert decision.verdict is Verdict.UNDECIDED
    assert "evaluate_model" in decision.next_step


STAND_IN = Path(__file__).parents[2] / "unit" / "serving" / "stand_in_model_server.py"


@pytest.mark.usefixtures("leaves_no_child")
def test_the_binary_that_production_runs_is_tried(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in takes its place: it answers every row with the number of the version, 1."""
    binary = tmp_path / "bin" / "tensorflow_model_server"
    binary.parent.mkdir()
    binary.write_text(f"#!{sys.executable}\nimport runpy\nrunpy.run_path({str(STAND_IN)!r}, run_name='__main__')\n")
    binary.chmod(0o755)
    monkeypatch.setenv("PATH", f"{binary.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("STAND_IN_RECORD", str(tmp_path / "record"))
    lines = [json.dumps({"instance": row, "predictions": [1.0]}) for row in ROWS]
    evaluation(tmp_path / "evaluation", []).joinpath("parity.jsonl").write_text("\n".join(lines) + "\n")
    config = CONFIG.model_copy(update={"engine": "tensorflow_serving"})
    decision = validate(config, model, tmp_path / "evaluation", tmp_path / "decision.json")
    assert decision.is_open, decision
    arguments = json.loads((tmp_path / "record" / "arguments.json").read_text())
    assert "--model_name=candidate" in arguments
    [bare] = json.loads((tmp_path / "record" / "last_request.json").read_text())["instances"]
    assert math.isnan(bare["temp"]), "the binary refuses a row that lacks an input"


def test_without_the_binary_it_cannot_decide(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    config = CONFIG.model_copy(update={"engine": "tensorflow_serving"})
    decision = validate(config, model, evaluation(tmp_path / "evaluation", ROWS), tmp_path / "decision.json")
    assert decision.verdict is Verdict.UNDECIDED
    assert "tensorflow_model_server" in decision.next_step


FORKED = """
import json, sys, time, tensorflow
from pathlib import Path
from components.validate_infra.config import Config
from components.validate_infra.logic import validate
from serving import candidate

assert candidate._may_fork()
candidate.CandidateServer._spawn = None
for case, seconds in json.loads(sys.argv[1]).items():
    started = time.monotonic()
    config = Config(startup_seconds=seconds, request_seconds=600, median_latency_ms=20_000)
    validate(config, case, case, Path(case, "decision.json"))
    print("seconds", time.monotonic() - started)
    assert not Path("/proc/self/task", str(candidate.os.getpid()), "children").read_text()
"""
"""As in a warm task: TensorFlow is imported and was never used, so the server is a fork."""


@pytest.fixture(scope="module")
def forked(model: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Decision], dict[str, float]]:
    """Decisions and seconds by case, all from one process."""
    import tiny_models

    folder = tmp_path_factory.mktemp("forked")
    for case, damage in {"good": None, "graph": break_graph, "variables": drop_variables}.items():
        shutil.copytree(model, folder / case)
        if damage:
            damage(folder / case / "Format-Serving")
    tiny_models.export_delay(folder / "hangs" / "Format-Serving", bias=0.0, hang=True)
    for case in ("good", "graph", "variables", "hangs"):
        evaluation(folder / case, ROWS)
    tiny_models.export_foreign(folder / "tfx" / "Format-Serving")
    rows = [{"instance": {"x": value}, "predictions": [value * 2]} for value in (1.5, -4.0)]
    (folder / "tfx" / "parity.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    cases = ("good", "graph", "variables", "tfx", "hangs")
    limits = {str(folder / case): 2 if case == "hangs" else 180 for case in cases}
    ran = subprocess.run(
        [sys.executable, "-c", FORKED, json.dumps(limits)], capture_output=True, text=True, timeout=500, check=False
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    seconds = dict(zip(cases, map(float, re.findall(r"(?m)^seconds (.*)$", ran.stdout)), strict=True))
    return {case: Decision.read(folder / case / "decision.json") for case in cases}, seconds


def test_a_warm_process_serves_in_a_fork(forked: tuple[dict[str, Decision], dict[str, float]]) -> None:
    decisions, seconds = forked
    assert decisions["good"].is_open, decisions["good"]
    started = decisions["good"].checks[0].observed
    assert isinstance(started, float)
    assert 0.05 < started < seconds["good"]


def test_a_model_of_a_tfx_module_is_sent_tf_examples(forked: tuple[dict[str, Decision], dict[str, float]]) -> None:
    assert forked[0]["tfx"].is_open, forked[0]["tfx"]


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("graph", "TensorFlow cannot load it"),
        ("variables", "TensorFlow cannot load it"),
        ("hangs", "the model was not loaded within 2 s; the server's log ends with"),
    ],
)
def test_a_model_that_cannot_answer_closes_it(
    forked: tuple[dict[str, Decision], dict[str, float]], case: str, message: str
) -> None:
    decision = forked[0][case]
    assert decision.verdict is Verdict.FAIL
    assert message in decision.next_step


@pytest.fixture
def leaves_no_child() -> Iterator[None]:
    before = _children()
    yield
    assert not _children() - before


def _children() -> set[str]:
    children = Path(f"/proc/self/task/{os.getpid()}/children")
    return set(children.read_text().split()) if children.exists() else set()
