"""Outcomes are joined to logged predictions as they were known at an instant, and nothing is lost silently."""

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from artifacts.examples import tfrecord
from artifacts.examples.manifest import ExamplesManifest
from artifacts.feedback import report
from artifacts.feedback.report import Feedback
from artifacts.outcomes.names import outcomes_folder
from artifacts.outcomes.reader import time_us, written
from artifacts.outcomes.writer import append
from artifacts.prediction_log.names import log_folder
from artifacts.prediction_log.reader import LogRow
from artifacts.prediction_log.writer import record, write_rows
from artifacts.snapshot import sources
from artifacts.snapshot.files import snapshot
from components.ingest_examples.config import Config as IngestConfig
from components.ingest_examples.logic import PinnedSource, ingest
from components.join_feedback.config import Config
from components.join_feedback.logic import Inputs, Outputs, join
from core.backends.registry import open_registry
from core.errors import CorruptArtifact, DataError
from core.problem import Metric

SCHEMA = """
feature { name: "late" type: INT presence { min_fraction: 1 } shape { dim { size: 1 } } not_in_environment: "SERVING" }
feature { name: "x" type: FLOAT presence { min_fraction: 0 } value_count { min: 1 max: 1 } }
feature { name: "carrier" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } }
default_environment: "TRAINING"
default_environment: "SERVING"
"""
DAY = 86_400_000_000
START = time_us("2013-09-01T00:00:00Z")
AS_OF = "2013-10-01T00:00:00Z"
MODEL = "flights"


def row(key: str, at: int = START + 10 * DAY, version: int = 1, role: str = "champion", score: float = 0.5) -> LogRow:
    features: dict[str, list[Any]] = {"x": [float(len(key))], "carrier": [b"UA"]}
    return LogRow(key, f"r-{key}-{at}", 0, at, version, role, features, {"prediction": [score]})


class World:
    """A store with a log and outcomes, and the component run over them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.schema = root / "schema.pbtxt"
        self.schema.write_text(SCHEMA)
        exported = root / "exported"
        exported.mkdir()
        (exported / "saved_model.pb").write_text("graph")
        open_registry(str(root / "models")).publish(MODEL, exported, {})
        self.runs = 0

    def log(self, rows: Iterable[LogRow]) -> None:
        write_rows(log_folder(self.root, MODEL), rows)

    def outcomes(self, file: str = "a") -> Path:
        return Path(outcomes_folder(self.root, MODEL)) / f"{file}.jsonl"

    def know(self, *outcomes: tuple[str, Any, int], file: str = "a") -> None:
        append(self.outcomes(file), outcomes)

    def forget(self) -> None:
        for path in Path(outcomes_folder(self.root, MODEL)).glob("*"):
            path.unlink()

    def pin(self) -> str:
        days = (time_us(AS_OF) - 70 * DAY, time_us(AS_OF) + 30 * DAY)
        since, until = (written(day)[:10] for day in days)
        from datetime import date

        logged = sources.logged(str(self.root), MODEL, date.fromisoformat(since), date.fromisoformat(until))
        files = [*logged, *sources.outcomes(str(self.root), MODEL)]
        return snapshot(MODEL, files).write(str(self.root / "snapshots"))

    def join(self, as_of: str = AS_OF, reference: str = "", **options: Any) -> Feedback:
        self.runs += 1
        self.out = self.root / f"run-{self.runs}"
        metrics = (Metric(name="auc", at_least=0.6, why="a test of metrics"),)
        config = Config(
            maturity_days=7, label="late", task="binary_classification", metrics=metrics, **{"windows": 2, **options}
        )
        inputs = Inputs(
            MODEL,
            reference or self.pin(),
            as_of,
            "1@sha256:" + "0" * 64,
            str(self.root / "models"),
            f"{self.schema}@{_digest(self.schema)}",
        )
        outputs = Outputs(str(self.out / "examples"), str(self.out / "feedback"), str(self.out / "pictures.html"))
        return join(config, inputs, outputs)

    def problems(self) -> list[Mapping[str, str]]:
        text = (self.out / "feedback" / report.PROBLEMS).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines()]


def _digest(path: Path) -> str:
    from core import digest

    return digest.of_file(path)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


AT = START + 10 * DAY


def test_a_label_counts_from_its_own_time_on(world: World) -> None:
    world.log([row("k")])
    world.know(("k", 1, AT + 3 * DAY))
    early = world.join(written(AT + 2 * DAY))
    assert early.labels == {
        "rows": 1,
        "labeled": 0,
        "waiting": 1,
        "overdue": 0,
        "conflicting": 0,
        "before_prediction": 0,
    }
    assert early.outcomes["not_yet"] == 1
    assert world.join(written(AT + 3 * DAY)).labels["labeled"] == 1
    assert world.join(written(AT + 3 * DAY)).delay.quantiles["1"] == pytest.approx(3)


def test_the_latest_correction_wins_wherever_it_stands(world: World) -> None:
    world.log([row("k")])
    world.know(("k", 0, AT + 5 * DAY), ("k", 1, AT + 2 * DAY))
    joined = world.join()
    assert joined.keys["corrected"] == 1
    assert _labels(world) == {b"UA": [0]}
    assert joined.delay.quantiles["1"] == pytest.approx(2), "the delay is that of the first label"


def test_different_labels_at_one_instant_are_no_label_until_a_later_one_settles_it(world: World) -> None:
    world.log([row("k")])
    world.know(("k", 0, AT + DAY), ("k", 1, AT + DAY))
    joined = world.join()
    assert (joined.labels["conflicting"], joined.keys["conflicting"]) == (1, 1)
    assert [one["kind"] for one in world.problems()] == ["conflicting"]
    assert world.problems()[0]["where"] == "a.jsonl:2"
    world.know(("k", 1, AT + 2 * DAY))
    assert world.join().labels["labeled"] == 1


def test_a_label_that_was_known_before_the_prediction_is_left_out(world: World) -> None:
    world.log([row("k"), row("ok", AT)])
    world.know(("k", 1, AT - 1), ("ok", 1, AT))
    joined = world.join()
    assert (joined.labels["before_prediction"], joined.labels["labeled"]) == (1, 1)
    assert "was known before it was predicted" in world.problems()[0]["reason"]


def test_every_line_and_every_key_has_one_answer(world: World) -> None:
    world.log([row("k")])
    world.know(("k", 1, AT + DAY), ("k", 1, AT + DAY), ("stranger", 1, AT + DAY), ("old", 1, START - 60 * DAY))
    with world.outcomes().open("a") as lines:
        lines.write('{"key": "k"}\nnot json\n{"key": "k", "label": 0.5, "time": "2013-09-12T00:00:00Z"}\n')
        lines.write('{"key": "k", "label": true, "time": "2013-09-12T00:00:00Z"}\n')
        lines.write('{"key": "k", "label": 1, "time": "2013-09-12T00:00:00"}\n\n')
        lines.write('{"key": "k", "label": 1, "time": "2014-01-01T00:00:00Z"}\n{"key": "k", "la')
    joined = world.join()
    assert joined.outcomes == {"lines": 11, "kept": 3, "duplicates": 1, "not_yet": 1, "malformed": 5, "torn": 1}
    assert joined.keys == {"known": 3, "joined": 1, "unknown": 1, "earlier": 1, "corrected": 0, "conflicting": 0}
    places = {one["where"]: one["reason"] for one in world.problems()}
    assert places["a.jsonl:5"] == "label: wanted text or a finite number, got None"
    assert places["a.jsonl:6"].startswith("wanted a JSON object")
    assert "whole number" in places["a.jsonl:7"]
    assert "its zone" in places["a.jsonl:9"]
    assert "a.jsonl:12" in places, "the torn line"
    assert "'stranger': no prediction with this key was logged" in places["a.jsonl:3"]


def test_a_last_line_without_its_end_counts_once_it_is_complete(world: World) -> None:
    world.log([row("k")])
    world.outcomes().parent.mkdir(parents=True)
    line = json.dumps({"key": "k", "label": 1, "time": written(AT + DAY)})
    world.outcomes().write_text(line[:-3])
    assert world.join().outcomes["torn"] == 1
    world.outcomes().write_text(line)
    joined = world.join()
    assert (joined.outcomes["torn"], joined.labels["labeled"]) == (0, 1)


def test_a_run_reads_the_bytes_that_were_pinned(world: World) -> None:
    world.log([row("k"), row("l")])
    world.know(("k", 1, AT + DAY))
    reference = world.pin()
    world.know(("l", 1, AT + DAY))
    assert world.join(reference=reference).labels["labeled"] == 1
    content = world.outcomes().read_text().replace('"label": 1', '"label": 0')
    world.outcomes().write_text(content)
    with pytest.raises(DataError, match=r"a.jsonl: wanted the first .* submit a new run"):
        world.join(reference=reference)


def test_a_row_of_the_log_counts_once_and_a_torn_file_is_counted(world: World) -> None:
    rows = [row("k"), row("k", AT + 1), row("s", role="shadow")]
    world.log(rows)
    world.log(rows[:1])
    torn = log_folder(world.root, MODEL) / "2013-09-11" / "torn.tfrecord"
    torn.write_bytes(tfrecord.frame(record(row("t")))[:-3])
    predictions = world.join().predictions
    assert (predictions["duplicates"], predictions["repeated_keys"], predictions["torn"]) == (1, 1, 1)
    assert predictions["answered_keys"] == 1, "a shadow's answer was returned to nobody"
    torn.write_bytes(b"x" * 100)
    with pytest.raises(CorruptArtifact, match=r"torn\.tfrecord: offset 0"):
        world.join()


@pytest.mark.parametrize("format_", ["parquet", "tfrecord"])
def test_a_labeled_span_is_a_source_of_ingest_examples(world: World, format_: str) -> None:
    rows = [row(f"k{index}", START + day * DAY + 5) for day in (2, 3) for index in range(day * 10, day * 10 + 10)]
    rows[3].features.pop("x")  # type: ignore[attr-defined]
    world.log([*rows, row("k20", START + 4 * DAY)])
    world.know(*((one.key, index % 2, one.time_us + DAY) for index, one in enumerate(rows)))
    joined = world.join(format=format_)
    assert [(one.span, one.rows, one.labeled, bool(one.file)) for one in joined.spans] == [
        ("2013-09-03", 10, 10, True),
        ("2013-09-04", 10, 10, True),
    ]
    pattern = str(world.out / "feedback" / joined.pattern)
    split = {"by": "time", "validation": 10}
    config = IngestConfig(format=format_, window=1, split=split)  # type: ignore[arg-type]
    schema = f"{world.schema}@{_digest(world.schema)}"
    manifest = ingest(config, PinnedSource(pattern, 15_952, ""), schema, world.root / "examples")
    assert sum(shard.records for shard in manifest.shards) == 20


def test_a_span_is_written_when_its_labels_are_due(world: World) -> None:
    world.log([row("young", START + 25 * DAY), row("old", START + 2 * DAY)])
    world.know(("young", 1, START + 26 * DAY), ("old", 1, START + 3 * DAY))
    assert [(one.span, bool(one.file)) for one in world.join().spans] == [("2013-09-03", True), ("2013-09-26", False)]


def test_live_metrics_are_of_the_labels_that_are_due_by_version_with_intervals(world: World) -> None:
    chance = random.Random(1)
    rows, outcomes = [], []
    for index in range(600):
        label = index % 2
        score = min(max(0.35 + 0.3 * label + chance.gauss(0, 0.2), 0), 1)
        at = START + 5 * DAY + index * DAY // 40
        rows.append(row(f"k{index}", at, version=1 if index < 500 else 2, score=score))
        outcomes.append((f"k{index}", label, at + DAY))
    world.log(rows)
    world.know(*outcomes)
    joined = world.join()
    one, two = joined.versions
    assert (one.version, one.window.rows, one.fault) == (1, 500, "")
    auc = one.metrics["auc"]
    assert auc.low is not None
    assert auc.value is not None
    assert auc.high is not None
    assert 0.7 < auc.low < auc.value < auc.high < 1
    assert two.fault.startswith("flights: no version 2"), "a version that the registry lacks is said, not guessed"
    assert joined.deployments == [(1, written(rows[0].time_us)), (2, written(rows[500].time_us))]
    manifest = ExamplesManifest.read(world.out / "examples")
    assert manifest.records("current") == joined.current.rows == 600


def test_the_curve_counts_only_rows_that_are_old_enough(world: World) -> None:
    world.log([row("old", START), row("young", START + 28 * DAY)])
    world.know(("old", 1, START + 5 * DAY))
    curve = {days: (share, rows) for days, share, rows in world.join().delay.curve}
    assert curve[1.0] == (0.0, 2)
    assert curve[5.0] == (1.0, 1), "the young row says nothing about five days"


_KEYS = [f"k{index}" for index in range(6)]
_OUTCOME = st.tuples(st.sampled_from([*_KEYS, "stranger"]), st.integers(0, 1), st.integers(-1, 25))


@settings(
    max_examples=6,
    deadline=None,
    phases=(Phase.explicit, Phase.reuse, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(st.lists(_OUTCOME, min_size=1, max_size=25), st.randoms(use_true_random=False))
def test_order_repetition_and_lateness_of_outcomes_change_nothing(
    tmp_path_factory: pytest.TempPathFactory, given_outcomes: Sequence[tuple[str, int, int]], chance: random.Random
) -> None:
    world = World(tmp_path_factory.mktemp("world"))
    world.log([row(key, START + index * DAY, version=1 + index % 2) for index, key in enumerate(_KEYS)])
    outcomes = [(key, label, START + day * DAY) for key, label, day in given_outcomes]
    world.know(*outcomes)
    wanted, spans = world.join(), _labels(world)
    world.forget()
    delivered = outcomes + chance.choices(outcomes, k=5)
    chance.shuffle(delivered)
    for outcome in delivered:
        world.know(outcome, file=chance.choice("abc"))
    got = world.join()
    of_lines = {"outcomes"}
    assert got.model_dump(exclude=of_lines) == wanted.model_dump(exclude=of_lines)
    assert got.outcomes["kept"] == wanted.outcomes["kept"]
    assert _labels(world) == spans


def _labels(world: World) -> dict[bytes, list[int]]:
    """The labels of the labeled spans, by carrier, in the order of the rows."""
    found: dict[bytes, list[int]] = {}
    for path in sorted((world.out / "feedback").glob("spans/*.parquet")):
        table = pq.read_table(path)
        for carrier, label in zip(table["carrier"].to_pylist(), table["late"].to_pylist(), strict=True):
            found.setdefault(carrier, []).append(label)
    return found
