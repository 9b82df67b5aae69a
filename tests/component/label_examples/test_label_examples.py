"""Labels come from votes, gold labels stay as they are, and labels that are not good enough stop the run."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from artifacts.examples.batches import record_batches
from artifacts.examples.manifest import ExamplesManifest
from artifacts.labels import probabilities
from artifacts.labels.row_key import RowKey
from artifacts.labels.soft_rows import Portion, training_batches, training_rows
from artifacts.schema.schema_file import read_schema
from components.label_examples.config import Config
from components.label_examples.logic import Inputs, Outputs, label
from core.decision import Decision, Verdict
from core.errors import ConfigError, CorruptArtifact, DataError, LabelingError
from tests.written_examples import write_examples

SCHEMA = """
feature { name: "label" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } domain: "label"
  not_in_environment: "SERVING" }
feature { name: "text" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } } natural_language_domain {} }
feature { name: "count" type: INT value_count { max: 1 } }
feature { name: "short" type: BYTES presence { min_fraction: 1 } shape { dim { size: 1 } }
  not_in_environment: "SERVING" }
string_domain { name: "label" value: "ham" value: "spam" }
default_environment: "TRAINING"
default_environment: "SERVING"
"""
FUNCTIONS = """
from problems.labeling import augmentation as tf
from problems.labeling import functions as lf

labeling_functions = [
    lf.keyword("text", ["prize"], "spam", name="prize"),
    lf.keyword("text", ["urgent"], "spam", name="urgent"),
    lf.keyword("text", ["dinner"], "ham", name="dinner"),
    lf.keyword("text", ["love"], "ham", name="love"),
    lf.threshold("count", "spam", above=5, name="count"),
]
"""
SLICES = """
slicing_functions = [lf.length("text", 1, below=4).named("short")]
"""
TRANSFORMATIONS = """
transformation_functions = [
    tf.synonyms("text", {"prize": ["reward", "award"]}, share=1.0), tf.swap_words("text"), tf.drop_word("text")
]
"""
CUES = {"spam": (("prize", 0.7), ("urgent", 0.6)), "ham": (("dinner", 0.6), ("love", 0.7))}
BASE = {"label": "label", "task": "binary_classification", "positive": "spam", "gold_split": "gold"}


def _rows(rows: int, seed: int, *, unlabeled: bool = False) -> pa.Table:
    random = np.random.default_rng(seed)
    texts, labels, counts = [], [], []
    for number in range(rows):
        spam = bool(random.random() < 0.4)
        name, other = ("spam", "ham") if spam else ("ham", "spam")
        words = [f"w{number}x{seed}", "the", *[f"z{one}" for one in range(random.integers(0, 4))]]
        words += [word for word, share in CUES[name] if random.random() < share]
        words += [word for word, _ in CUES[other] if random.random() < 0.05]
        texts.append(" ".join(words))
        labels.append(name)
        counts.append(int(random.integers(4, 10) if spam == (random.random() < 0.85) else random.integers(0, 6)))
    given = [None] * rows if unlabeled else labels
    return pa.table({"label": pa.array(given, pa.string()), "text": texts, "count": pa.array(counts, pa.int64())})


class Stage:
    """Runs the stage on a folder of examples."""

    def __init__(self, folder: Path, functions: str, splits: dict[str, pa.Table]) -> None:
        folder.mkdir(exist_ok=True)
        self.folder = folder
        self.schema = folder / "schema.pbtxt"
        self.schema.write_text(SCHEMA)
        self.module = folder / "labeling.py"
        self.module.write_text(functions)
        self.examples = write_examples(folder / "examples", splits)
        self.metrics: dict[str, float] = {}

    def run(self, name: str = "out", **config: Any) -> Path:
        out = self.folder / name
        outputs = Outputs(out / "labeled", out / "decision.json", out / "pictures.html", self.metrics.__setitem__)
        inputs = Inputs(str(self.module), str(self.schema), self.examples)
        label(Config.model_validate(BASE | config), inputs, outputs)
        return out

    def decision(self, name: str = "out") -> Decision:
        return Decision.read(self.folder / name / "decision.json")


def _splits(*, unlabeled: bool = True) -> dict[str, pa.Table]:
    return {
        "train": _rows(600, 1, unlabeled=unlabeled),
        "validation": _rows(100, 2, unlabeled=unlabeled),
        "gold": _rows(200, 3),
        "eval": _rows(150, 4),
    }


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Stage:
    return Stage(tmp_path_factory.mktemp("stage"), FUNCTIONS + SLICES + TRANSFORMATIONS, _splits())


@pytest.fixture(scope="module")
def labeled(stage: Stage) -> Path:
    return stage.run(copies=2, batch_rows=128) / "labeled"


def _column(folder: Path, split: str, name: str) -> list[Any]:
    batches = record_batches(folder, split, read_schema(str(folder.parent.parent / "schema.pbtxt")))
    return [value[0] for batch in batches for value in batch.column(batch.schema.get_field_index(name)).to_pylist()]


def test_rows_without_a_label_get_the_right_one_mostly(stage: Stage, labeled: Path) -> None:
    truth = dict(zip(_rows(600, 1)["text"].to_pylist(), _rows(600, 1)["label"].to_pylist(), strict=True))
    texts, labels = _column(labeled, "train", "text"), _column(labeled, "train", "label")
    own = [
        (truth[text.decode()], name.decode())
        for text, name in zip(texts, labels, strict=True)
        if text.decode() in truth
    ]
    assert len(own) > 500
    assert np.mean([one == other for one, other in own]) > 0.9
    assert stage.decision().is_open
    assert stage.metrics["label_model_skill"] > 0.9


def test_gold_labels_are_never_overwritten(stage: Stage, labeled: Path) -> None:
    for split in ("eval", "gold"):
        assert _column(labeled, split, "label") == _column_of(stage.examples, split, "label")
        assert _column(labeled, split, "text") == _column_of(stage.examples, split, "text")


def _column_of(examples: Path, split: str, name: str) -> list[Any]:
    return [value[0] for batch in record_batches(examples, split, None) for value in batch.to_pydict()[name]]


def test_splits_that_are_not_labeled_are_copied_byte_for_byte(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage", FUNCTIONS, _splits())
    out = stage.run() / "labeled"
    before, after = ExamplesManifest.read(stage.examples), ExamplesManifest.read(out)
    for split in ("eval", "gold"):
        assert after.of_split(split) == before.of_split(split)
        (shard,) = after.of_split(split)
        assert (out / shard.name).read_bytes() == (stage.examples / shard.name).read_bytes()


def test_slicing_functions_become_a_feature_of_every_split(labeled: Path) -> None:
    for split in ("train", "validation", "gold", "eval"):
        texts, flags = _column(labeled, split, "text"), _column(labeled, split, "short")
        origins = [(text, flag) for text, flag in zip(texts, flags, strict=True)]
        assert {flag for _, flag in origins} == {b"yes", b"no"}
        if split != "train":  # an augmented row has the slice of its origin
            assert all((flag == b"yes") == (len(text.split()) < 4) for text, flag in origins)


def test_only_the_train_split_is_augmented(stage: Stage, labeled: Path) -> None:
    before = {split: ExamplesManifest.read(stage.examples).records(split) for split in ("train", "validation", "eval")}
    after = {split: ExamplesManifest.read(labeled).records(split) for split in before}
    assert after["eval"] == before["eval"]
    assert after["validation"] <= before["validation"]
    assert after["train"] > before["train"] * 2
    _, labels = probabilities.read(labeled, "train") or ((), None)
    assert labels is not None
    keys = set(labels.keys)
    assert len(keys) < before["train"] + 1


@pytest.mark.parametrize("size", [37])
def test_the_size_of_batches_changes_no_row(stage: Stage, labeled: Path, size: int) -> None:
    other = stage.run(f"size-{size}", copies=2, batch_rows=size) / "labeled"
    of_one, of_other = (sorted(map(repr, _examples(folder))) for folder in (labeled, other))
    assert of_one == of_other


def _examples(folder: Path) -> list[tuple[Any, ...]]:
    _, labels = probabilities.read(folder, "train") or ((), None)
    assert labels is not None
    texts = _column(folder, "train", "text")
    return list(zip(labels.keys, texts, labels.probabilities.tolist(), strict=True))


def test_probabilities_have_the_keys_of_rows(labeled: Path) -> None:
    found = probabilities.read(labeled, "validation")
    assert found is not None
    classes, labels = found
    assert classes == ("ham", "spam")
    schema = read_schema(str(labeled.parent.parent / "schema.pbtxt"))
    key = RowKey.of(schema)
    keys = [one for batch in record_batches(labeled, "validation", schema) for one in key.keys(batch)]
    assert keys == list(labels.keys)
    np.testing.assert_allclose(labels.probabilities.sum(axis=1), 1, atol=1e-6)


def test_training_sees_a_row_for_each_class_with_its_probability(labeled: Path) -> None:
    schema = read_schema(str(labeled.parent.parent / "schema.pbtxt"))
    _, labels = probabilities.read(labeled, "train") or ((), None)
    assert labels is not None
    weights, names, texts = [], [], []
    for batch, own in training_batches(labeled, Portion("train"), schema, "label", 100):
        assert own is not None
        weights += own.tolist()
        names += [value[0] for value in batch["label"].to_pylist()]
        texts += [value[0] for value in batch["text"].to_pylist()]
    assert len(weights) == training_rows(labeled, Portion("train"))
    assert np.mean(weights) == pytest.approx(1, abs=1e-4)
    spam = sum(weight for weight, name in zip(weights, names, strict=True) if name == b"spam") / sum(weights)
    assert spam == pytest.approx(float(labels.probabilities[:, 1].mean()), abs=1e-3)
    assert set(texts) == set(_column(labeled, "train", "text"))


def test_plain_labels_have_no_weights(stage: Stage) -> None:
    schema = read_schema(str(stage.schema))
    assert all(weights is None for _, weights in training_batches(stage.examples, Portion("eval"), schema, "label", 64))
    assert training_rows(stage.examples, Portion("eval")) == ExamplesManifest.read(stage.examples).records("eval")


def test_damaged_labels_are_refused(stage: Stage) -> None:
    out = stage.run("damaged") / "labeled"
    path = out / probabilities.FOLDER / "train.arrow"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CorruptArtifact, match=re.escape(str(path))):
        probabilities.read(out, "train")


def test_given_labels_are_kept_if_asked(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "stage", FUNCTIONS, _splits(unlabeled=False))
    out = stage.run(keep_given=True) / "labeled"
    assert _column(out, "train", "label") == _column_of(stage.examples, "train", "label")
    _, labels = probabilities.read(out, "train") or ((), None)
    assert labels is not None
    assert set(labels.probabilities.reshape(-1).tolist()) == {0.0, 1.0}


def test_majority_vote_is_taken_where_it_is_better(stage: Stage) -> None:
    stage.run("auto")
    content = json.loads((stage.folder / "auto" / "labeled" / "labels" / "analysis.json").read_text())
    best = max(content["skills"], key=lambda name: content["skills"][name])
    assert content["skills"][content["method"]] == content["skills"][best]


def test_the_picture_shows_functions_and_methods(labeled: Path) -> None:
    html = (labeled.parent / "pictures.html").read_text()
    for word in ("prize", "dinner", "majority vote", "label model", "chosen", "share of equal votes"):
        assert word in html


def _without_class(functions: str) -> str:
    return functions.replace('"ham"', '"spam"')


def _with(line: str) -> Callable[[str], str]:
    return lambda functions: functions.replace("\n]\n", f"\n    {line}\n]\n", 1)


@pytest.mark.parametrize(
    ("change", "rule", "next_step"),
    [
        (_without_class, "class ham has a labeling function", "class ham has no labeling function"),
        (_with('lf.keyword("text", ["nowhere"], "ham", name="silent"),'), "silent votes on", "abstains on every row"),
        (_with('lf.keyword("text", ["dinner", "love"], "spam", name="wrong"),'), "wrong is not less", "mostly wrong"),
        (_with('lf.keyword("text", ["urgent"], "spam", name="copy"),'), "vote alike", "urgent, copy vote alike"),
    ],
)
def test_the_gate_closes_and_names_the_function(
    tmp_path: Path, change: Callable[[str], str], rule: str, next_step: str
) -> None:
    stage = Stage(tmp_path / "stage", change(FUNCTIONS), _splits())
    with pytest.raises(DataError, match=re.escape(next_step)):
        stage.run()
    decision = stage.decision()
    failed = [check for check in decision.checks if check.verdict is Verdict.FAIL]
    assert any(rule in check.rule for check in failed)
    assert not (stage.folder / "out" / "labeled" / "manifest.json").exists()


def test_merged_twins_count_once(tmp_path: Path) -> None:
    copies = "".join(f'lf.keyword("text", ["urgent"], "spam", name="copy{number}"), ' for number in range(3))
    stage = Stage(tmp_path / "stage", _with(copies)(FUNCTIONS), _splits())
    out = stage.run(twins="merge") / "labeled"
    plain = Stage(tmp_path / "plain", FUNCTIONS, _splits()).run() / "labeled"
    one, other = (probabilities.read(folder, "train") for folder in (out, plain))
    assert one is not None
    assert other is not None
    np.testing.assert_allclose(one[1].probabilities, other[1].probabilities)


def test_coverage_and_gold_rows_have_a_bound(stage: Stage) -> None:
    with pytest.raises(DataError, match=r"coverage >= 1: got 0.9"):
        stage.run("covered", min_coverage=1.0)
    with pytest.raises(DataError, match="at least 201 gold rows: got 200"):
        stage.run("gold", min_gold=201)
    assert stage.decision("gold").verdict is Verdict.UNDECIDED


def test_two_functions_are_too_few(tmp_path: Path) -> None:
    functions = FUNCTIONS[: FUNCTIONS.index('    lf.keyword("text", ["dinner"]')] + "]\n"
    with pytest.raises(LabelingError, match="at least 3 labeling functions, got 2"):
        Stage(tmp_path / "stage", functions, _splits()).run()


def test_a_split_that_is_not_there_is_named(stage: Stage) -> None:
    with pytest.raises(ConfigError, match=r"wanted a split of the data, got 'dev'.*further"):
        stage.run("split", gold_split="dev")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"splits": ["train", "eval"]}, "'eval' keeps its gold labels"),
        ({"splits": ["train", "gold"]}, "'gold' is labeled by functions, too"),
        ({"class_balance": {"ham": 0.5, "spam": 0.2}}, "sum to 1, got a sum of 0.7"),
        ({"task": "regression", "positive": None}, "a regression has none"),
    ],
)
def test_a_configuration_that_cannot_work_is_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(message)):
        Config.model_validate(BASE | config)


def test_a_balance_of_other_classes_is_refused(stage: Stage) -> None:
    with pytest.raises(ConfigError, match="a share for each of ham, spam, got ham, egg"):
        stage.run("balance", class_balance={"ham": 0.5, "egg": 0.5})


def test_a_slice_that_the_schema_lacks_says_what_to_add(tmp_path: Path) -> None:
    functions = FUNCTIONS + SLICES.replace("short", "brief")
    with pytest.raises(LabelingError, match=re.escape('feature { name: "brief" type: BYTES')):
        Stage(tmp_path / "stage", functions, _splits()).run()
