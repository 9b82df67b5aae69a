"""The queue: never a row that measures, no near-duplicates, every class early, and fewer labels than random choice."""

from pathlib import Path

import numpy as np
import pytest

from artifacts.labels import writer
from artifacts.labels.errors import EvalRow, OtherProject, UnknownRow
from artifacts.labels.files import folder_of
from core.errors import CorruptArtifact, UsageError
from mlops.actions.labeling.curve import draw, known, measure
from mlops.actions.labeling.matrix import matrix
from mlops.actions.labeling.queue import Queue, QueueOptions, make_queue, open_for
from mlops.actions.labeling.rows import Row, Rows
from mlops.actions.labeling.strategies import SIMILAR, STRATEGIES
from tests.unit.actions.labeled_rows import label, queue, rows, store

WORDS = {"ham": ("noon", "home", "later", "dinner", "love"), "spam": ("prize", "cash", "claim", "urgent", "award")}


def corpus(count: int = 240, spam: float = 0.2, seed: int = 1) -> Rows:
    """Return texts of ten words, most of which say nothing; a fifth are eval rows."""
    random = np.random.default_rng(seed)
    made = []
    for place in range(count):
        value = "spam" if random.random() < spam else "ham"
        words = [f"w{one}" for one in random.integers(0, 120, 8)] + list(random.choice(WORDS[value], 2))
        split = "eval" if place % 5 == 0 else "train"
        made.append(Row(f"k{place}", split, {"text": " ".join(words), "n": float(random.random())}, value))
    return Rows("spam", "label", ("ham", "spam"), tuple(made))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_queue_has_train_rows_only_no_near_duplicates_and_the_same_rows_again(tmp_path: Path, strategy: str) -> None:
    found = corpus()
    doubled = Rows(*list(vars(found).values())[:3], (*found.rows, *(_again(row) for row in found.rows)))
    options = QueueOptions(strategy=strategy, count=60, relabel=True)  # type: ignore[arg-type]
    give(tmp_path, *(label(row.key, row.label or "") for row in found.rows[1:5]))
    made = make_queue(store(tmp_path), doubled, options)
    assert len(made.rows) == 60
    assert made == make_queue(store(tmp_path), doubled, options)
    assert {doubled.by_key[row.key].split for row in made.rows} == {"train"}
    assert not {row.key for row in made.rows} & {row.key for row in found.rows[1:5]}
    places = [doubled.rows.index(doubled.by_key[row.key]) for row in made.rows]
    chosen = matrix(doubled.rows)[places]
    assert np.triu((chosen @ chosen.T).toarray(), 1).max() < SIMILAR


def _again(row: Row) -> Row:
    return Row(f"again-{row.key}", row.split, row.features, row.label)


def test_every_class_is_in_the_first_rows_even_where_it_is_rare(tmp_path: Path) -> None:
    found = corpus(300, spam=0.08)
    made = make_queue(store(tmp_path), found, QueueOptions(count=60, relabel=True))
    assert {found.by_key[row.key].label for row in made.rows} == {"ham", "spam"}
    assert all(row.suggestion == {} for row in made.rows), "nothing is suggested before two classes have a label"


def test_rows_with_a_label_in_the_source_are_not_queued_unless_asked(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--relabel"):
        make_queue(store(tmp_path), corpus(), QueueOptions())
    some = rows("win cash", "noon", "a prize", labels=("spam", "ham", None))
    made = make_queue(store(tmp_path), some, QueueOptions())
    assert [row.key for row in made.rows] == ["k2"]
    assert sum(made.rows[0].suggestion.values()) == pytest.approx(1, abs=1e-3)


def test_a_row_is_queued_until_enough_annotators_have_labeled_it(tmp_path: Path) -> None:
    some = rows("win cash", "see you at noon")
    give(tmp_path, label("k0"))
    assert [row.key for row in make_queue(store(tmp_path), some, QueueOptions()).rows] == ["k1"]
    twice = make_queue(store(tmp_path), some, QueueOptions(overlap=2))
    assert {row.key for row in twice.rows} <= {"k0", "k1"}
    assert [row.key for row in open_for(queue(some, 2), [label("k0")], "ann")] == ["k1"]
    assert [row.key for row in open_for(queue(some, 2), [label("k0")], "bob")] == ["k0", "k1"]
    assert [row.key for row in open_for(queue(some, 2), [label("k0"), label("k0", annotator="eve")], "bob")] == ["k1"]


def test_a_number_has_no_queue(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is a number"):
        make_queue(store(tmp_path), Rows("air_time", "air_time", (), ()), QueueOptions())


def test_a_queue_is_read_as_it_was_written(tmp_path: Path) -> None:
    some = rows("win cash", "noon")
    queue(some).write(store(tmp_path))
    assert Queue.read(store(tmp_path), some) == queue(some)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (('"k1"', '"held"'), EvalRow, "key 'held': wanted a row of the split train, got one of eval"),
        (('"k1"', '"k9"'), UnknownRow, "key 'k9'"),
        (('"usecase": "spam"', '"usecase": "penguins"'), OtherProject, "got one of penguins"),
        (('"version": 1', '"version": 7'), CorruptArtifact, "make it again"),
    ],
)
def test_a_queue_that_cannot_be_used_is_named(
    tmp_path: Path, change: tuple[str, str], kind: type[Exception], message: str
) -> None:
    some = rows("win cash", "noon")
    path = queue(some).write(store(tmp_path))
    path.write_text(path.read_text().replace(*change))
    with pytest.raises(kind, match=message):
        Queue.read(store(tmp_path), some)
    path.unlink()
    with pytest.raises(UsageError, match="first: mlops label queue spam"):
        Queue.read(store(tmp_path), some)


def test_margin_needs_fewer_labels_than_random_choice() -> None:
    curve = measure(known(corpus(700)), "margin", range(15, 181, 15), seeds=2)
    margin, random = (np.mean(curve.accuracy[name]) for name in ("margin", "random"))
    assert margin > random
    assert curve.accuracy["margin"][0] == curve.accuracy["random"][0], "both start with the same rows"
    assert "<svg" in draw(curve, "spam")
    assert curve.labels_to("margin", 2.0) is None


def test_a_curve_without_labels_in_the_source_is_refused() -> None:
    with pytest.raises(UsageError, match="needs labels in the source"):
        known(rows("win cash"))


@pytest.mark.parametrize(
    "features",
    [
        [{"n": 1}, {"n": 2.5}, {}],
        [{"v": [1, 2]}, {"v": [3, 4]}, {"v": [3]}],
        [{"t": "..."}, {"t": "?"}, {}],
        [{}, {}, {}],
        [{"t": ["a", "b"]}, {"t": "a"}, {"n": 4}],
    ],
)
def test_any_features_become_a_matrix(features: list[dict[str, object]]) -> None:
    made = matrix([Row(str(place), "train", one, None) for place, one in enumerate(features)])
    assert made.shape[0] == 3
    assert np.isfinite(made.toarray()).all()


def give(root: Path, *labels: object) -> None:
    writer.append(folder_of(root, "spam") / "a.jsonl", labels)  # type: ignore[arg-type]
