"""Imported labels: what becomes of them in each split, what the gate stops, and that a fault is named."""

import json
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import pyarrow as pa
import pytest

from artifacts.examples.encoder import encode
from artifacts.examples.manifest import ExamplesManifest, Shard
from artifacts.examples.plain import plain_batches
from artifacts.examples.writer import Block, SpanWriter
from artifacts.labels import writer
from artifacts.labels.errors import LabelAfterCutoff, LabelOutsideDomain, MalformedLabel, RepeatedAnnotator, UnknownRow
from artifacts.labels.reader import Label
from artifacts.outcomes.reader import time_us
from artifacts.snapshot import sources
from artifacts.snapshot.files import snapshot
from components.import_labels.config import Config
from components.import_labels.logic import Inputs, Outputs, import_
from core.decision import Decision
from core.errors import ConfigError, DataError, EmptyDataset

NOON, DAY = time_us("2026-11-01T12:00:00Z"), 86_400_000_000
SCHEMA = """
feature { name: "id" type: BYTES not_in_environment: "SERVING" }
feature { name: "text" type: BYTES }
feature { name: "label" type: BYTES not_in_environment: "SERVING" string_domain { value: "ham" value: "spam" } }
"""
PROBLEM = {"label": "label", "task": "binary_classification", "key": ["id"], "aggregation": "majority"}


class Case:
    """A folder with examples, labels and outputs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "schema.pbtxt").write_text(SCHEMA)
        self.labels: list[Label] = []
        shards: list[Shard] = []
        rows = {"train": range(8), "validation": range(8, 10), "eval": range(10, 13)}
        for split, places in rows.items():
            shards += self._split(split, places)
        ExamplesManifest(
            source="s", data="d", spans=(1,), wanted_spans=1, split_by="hash", rejected=0, shards=tuple(shards)
        ).write(folder / "examples")

    def _split(self, split: str, places: range) -> list[Shard]:
        columns = {
            "id": [f"r{place}".encode() for place in places],
            "text": [f"text {place}".encode() for place in places],
            # Of train and eval, all rows but the first have a label.
            "label": [None if place in (0, 10) else b"ham" for place in places],
        }
        batch = pa.RecordBatch.from_pydict(columns, pa.schema([(name, pa.binary()) for name in columns]))
        with SpanWriter(self.folder / "examples", 1, ((split, 100.0),)) as made:
            made.write(Block(encode(batch), batch))
            return made.finish()

    def give(self, key: str, label: Any = "spam", annotator: str = "ann", time: int = NOON) -> None:
        self.labels.append(Label(key, label, annotator, time, "serve"))

    def give_all(self, annotator: str, labels: str, start: int = 0) -> None:
        for place, one in enumerate(labels, start):
            self.give(f"r{place}", "spam" if one == "s" else "ham", annotator, NOON + place * DAY)

    def run(self, **settings: Any) -> Decision:
        writer.append(self.folder / "labels" / "x" / "a.jsonl", self.labels)
        return self.imported(**settings)

    def imported(self, **settings: Any) -> Decision:
        reference = snapshot("x", sources.labels(str(self.folder), "x")).write(str(self.folder / "snapshots"))
        inputs = Inputs(reference, str(self.folder / "schema.pbtxt"), str(self.folder / "examples"))
        names = ("labeled", "agreement", "decision.json", "pictures.html")
        return import_(
            Config.model_validate(PROBLEM | settings), inputs, Outputs(*(str(self.folder / n) for n in names))
        )

    def result(self, split: str) -> dict[str, str]:
        manifest = ExamplesManifest.read(self.folder / "labeled")
        found = {}
        for shard in manifest.of_split(split):
            for batch in plain_batches(self.folder / "labeled", shard, 100):
                values = (batch.column(batch.schema.get_field_index(name)).to_pylist() for name in ("id", "label"))
                found |= {key.decode(): label.decode() for key, label in zip(*values, strict=True)}
        return found

    @property
    def agreement(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "agreement" / "agreement.json").read_text())
        return found


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path)


def test_labels_replace_those_of_training_and_never_those_of_eval(case: Case) -> None:
    case.give("r1")
    case.give("r10")
    case.give("r11")
    assert case.run().is_open
    assert case.result("train") == {"r1": "spam"} | {f"r{place}": "ham" for place in range(2, 8)}, "r0 has no label"
    assert case.result("validation") == {"r8": "ham", "r9": "ham"}
    assert case.result("eval") == {"r10": "spam", "r11": "ham", "r12": "ham"}, "gold labels are not overwritten"
    assert (case.agreement["labeled_rows"], case.agreement["not_overwritten"]) == (3, 1)
    assert ExamplesManifest.read(case.folder / "labeled").data == "d"


def test_agreement_gold_questions_confusions_and_delays_are_reported_and_drawn(case: Case) -> None:
    case.give_all("ann", "shshshsh")
    case.give_all("bob", "shshshss")
    case.give_all("gold", "shsh")
    assert case.run(
        aggregation="dawid_skene", min_alpha=0.5, min_kappa=0.5, min_shared=4, min_gold_accuracy=0.9
    ).is_open
    found = case.agreement
    assert found["alpha"] == pytest.approx(0.7619, abs=1e-3)
    assert [(one["first"], one["second"], one["rows"]) for one in found["pairs"]] == [("ann", "bob", 8)]
    assert [(one["name"], one["labels"], one["gold_accuracy"]) for one in found["annotators"]] == [
        ("ann", 8, 1.0),
        ("bob", 8, 1.0),
    ]
    assert found["delays"]["days_of_nine_in_ten"] == pytest.approx(7)
    drawn = (case.folder / "pictures.html").read_text()
    for title in ("Agreement of each pair", "Confusions of each annotator", "Delay of labels"):
        assert title in drawn
    assert drawn.count("<svg") == 4


SABOTAGE: dict[str, tuple[dict[str, Any], str]] = {
    "too few labels": ({"splits": ["train"], "min_labeled": 0.99}, "share of rows with a label >= 0.99, got 0.875"),
    "a class without a label": ({"min_per_class": 3}, "class spam: labeled rows >= 3, got 0.0"),
    "annotators who disagree": ({"min_alpha": 0.5}, "Krippendorff's alpha >= 0.5"),
    "a pair that disagrees": ({"min_kappa": 0.5, "min_shared": 4}, "ann and bob: Cohen's kappa >= 0.5"),
    "a pair that shares too little": ({"min_kappa": 0.5}, "label until two annotators share 20 rows"),
    "wrong answers to gold questions": (
        {"min_gold_accuracy": 0.9, "min_shared": 2},
        "annotator bob: accuracy on gold questions >= 0.9, got 0.0",
    ),
    "no gold questions": ({"min_gold_accuracy": 0.9}, "label until an annotator answered 20 gold questions"),
    "late labels": ({"max_delay_days": 2}, "days after which 9 in 10 labels are known <= 2"),
}


@pytest.mark.parametrize("fault", SABOTAGE)
def test_the_gate_stops_the_run_and_says_why(case: Case, fault: str) -> None:
    settings, message = SABOTAGE[fault]
    case.give_all("ann", "hhhs", 1)
    case.give_all("bob", "sshh", 1)
    case.give_all("gold", "hh", 1)
    with pytest.raises(DataError, match=message):
        case.run(**settings)
    assert not (case.folder / "labeled").exists()
    assert not Decision.read(case.folder / "decision.json").is_open


def test_rows_with_equal_features_and_other_labels_are_a_conflict(case: Case) -> None:
    examples = case.folder / "examples"
    batch = pa.RecordBatch.from_pydict(
        {"id": [b"a", b"b", b"c"], "text": [b"same", b"same", b"other"]},
        pa.schema([("id", pa.binary()), ("text", pa.binary())]),
    )
    with SpanWriter(examples, 1, (("train", 100.0),)) as made:
        made.write(Block(encode(batch), batch))
        shards = made.finish()
    manifest = ExamplesManifest.read(examples)
    manifest.model_copy(update={"shards": (*shards, *manifest.shards[1:])}).write(examples)
    for key, label in (("a", "ham"), ("b", "spam"), ("c", "ham")):
        case.give(key, label)
    with pytest.raises(DataError, match=r"share of labeled rows in conflict <= 0, got 0\.66.*a and b"):
        case.run()
    assert case.imported(max_conflicts=0.7).is_open


def test_a_row_with_too_few_annotators_keeps_its_label_unless_it_is_gold(case: Case) -> None:
    case.give("r1")
    case.give("r2")
    case.give("r2", "spam", "bob")
    case.give("r3", "spam", "gold")
    case.run(min_annotators=2)
    assert [key for key, label in case.result("train").items() if label == "spam"] == ["r2", "r3"]


BAD: dict[str, tuple[list[Label], dict[str, Any], type[Exception], str]] = {
    "unknown row": ([Label("r99", "ham", "ann", NOON, "")], {}, UnknownRow, r"a.jsonl:2: key 'r99'"),
    "outside the domain": ([Label("r1", "eggs", "ann", NOON, "")], {}, LabelOutsideDomain, r"a.jsonl:2: .*'eggs'"),
    "newer than the cutoff": (
        [Label("r1", "ham", "ann", NOON + 1, "")],
        {"until": "2026-11-01T12:00:00Z"},
        LabelAfterCutoff,
        r"a.jsonl:2: time of 'r1'",
    ),
    "same annotator twice": (
        [Label("r2", "ham", "ann", NOON, ""), Label("r2", "spam", "ann", NOON, "")],
        {},
        RepeatedAnnotator,
        r"'ann' labels 'r2'",
    ),
    "no annotator": ([Label("r1", "ham", "", NOON, "")], {}, MalformedLabel, r"a.jsonl:2: annotator: wanted text"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_label_that_cannot_be_used_stops_the_run_and_nothing_is_written(case: Case, fault: str) -> None:
    labels, settings, kind, message = BAD[fault]
    case.give("r3")
    case.labels += labels
    with pytest.raises(kind, match=message):
        case.run(**settings)
    assert not (case.folder / "labeled").exists()


def test_labels_of_rows_that_left_the_window_can_be_left_out(case: Case) -> None:
    case.give("r3")
    case.give("r99")
    assert case.run(unknown_rows="leave_out").is_open
    assert case.agreement["unknown_rows"] == 1


def test_a_run_reads_what_was_pinned_not_what_came_later(case: Case) -> None:
    case.give("r1")
    case.run()
    before = case.result("train")
    reference = snapshot("x", sources.labels(str(case.folder), "x")).write(str(case.folder / "snapshots"))
    writer.append(case.folder / "labels" / "x" / "a.jsonl", [Label("r2", "spam", "ann", NOON, "")])
    names = ("labeled", "agreement", "decision.json", "pictures.html")
    outputs = Outputs(*(str(case.folder / name) for name in names))
    inputs = Inputs(reference, str(case.folder / "schema.pbtxt"), str(case.folder / "examples"))
    import_(Config.model_validate(PROBLEM), inputs, outputs)
    assert case.result("train") == before
    path = case.folder / "labels" / "x" / "a.jsonl"
    path.write_text(path.read_text().replace("spam", "ham "))
    with pytest.raises(DataError, match="files of the log and of outcomes only grow"):
        import_(Config.model_validate(PROBLEM), inputs, outputs)


def test_no_label_at_all_is_a_decision_or_an_error_of_its_split(case: Case) -> None:
    case.run(min_per_class=0)
    assert case.agreement["alpha"] is None
    (case.folder / "labels").rename(case.folder / "gone")
    with pytest.raises(
        ConfigError, match=r"import_labels\.splits: wanted some of train, validation, eval, got further"
    ):
        case.imported(splits=["further"])


def test_a_split_without_a_labeled_row_is_named(case: Case) -> None:
    with SpanWriter(case.folder / "examples", 1, (("validation", 100.0),)) as made:
        batch = pa.RecordBatch.from_pydict(
            {"id": [b"z"], "text": [b"z"]}, pa.schema([("id", pa.binary()), ("text", pa.binary())])
        )
        made.write(Block(encode(batch), batch))
        shards = made.finish()
    manifest = ExamplesManifest.read(case.folder / "examples")
    others = [one for one in manifest.shards if one.split != "validation"]
    manifest.model_copy(update={"shards": (*others, *shards)}).write(case.folder / "examples")
    case.give("r1")
    with pytest.raises(EmptyDataset, match="none in validation"):
        case.run()


def test_numbers_are_averaged(tmp_path: Path) -> None:
    case = Case(tmp_path)
    (tmp_path / "schema.pbtxt").write_text(
        SCHEMA.replace(
            'type: BYTES not_in_environment: "SERVING" string_domain { value: "ham" value: "spam" }',
            'type: FLOAT not_in_environment: "SERVING"',
        )
    )
    shards = []
    for split, keys in (("train", [b"a", b"b"]), ("validation", [b"c"]), ("eval", [b"d"])):
        batch = pa.RecordBatch.from_pydict(
            {"id": keys, "text": keys, "label": pa.array([1.0] * len(keys), pa.float32())},
            pa.schema([("id", pa.binary()), ("text", pa.binary()), ("label", pa.float32())]),
        )
        with SpanWriter(tmp_path / "examples", 1, ((split, 100.0),)) as made:
            made.write(Block(encode(batch), batch))
            shards += made.finish()
    manifest = ExamplesManifest.read(tmp_path / "examples")
    manifest.model_copy(update={"shards": tuple(shards)}).write(tmp_path / "examples")
    for annotator, value in (("ann", 2.0), ("bob", 4.0)):
        case.give("a", value, annotator)
        case.give("b", value * 10, annotator)
    assert case.run(task="regression", min_alpha=0.5).is_open
    (shard,) = ExamplesManifest.read(tmp_path / "labeled").of_split("train")
    (batch,) = plain_batches(tmp_path / "labeled", shard, 10)
    assert batch.column(batch.schema.get_field_index("label")).to_pylist() == [3.0, 30.0]
