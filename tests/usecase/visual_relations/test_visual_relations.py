"""The label model with the class balance beats majority vote on scenes, and the two known formats are read."""

import json
from pathlib import Path

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow.parquet as pq
import pytest

from core.errors import DataError
from problems.labeling import label_model
from problems.labeling.apply import Applier
from problems.labeling.majority import majority
from problems.labeling.votes import Probabilities
from usecases.visual_relations import labeling
from usecases.visual_relations.annotations import visual_genome, vrd
from usecases.visual_relations.data import PATTERN, SPANS, write_spans
from usecases.visual_relations.scenes import CANVAS, RELATIONS, Box


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scenes")
    write_spans(folder)
    return folder


def test_boxes_lie_in_the_picture(scenes: Path) -> None:
    for span in SPANS:
        table = pq.read_table(scenes / PATTERN.replace("{SPAN}", str(span))).to_pandas()
        for kind in ("subject", "object"):
            assert (table[[f"{kind}_x", f"{kind}_y"]] >= 0).all().all()
            assert (table[f"{kind}_x"] + table[f"{kind}_w"] <= CANVAS).all()
            assert (table[f"{kind}_y"] + table[f"{kind}_h"] <= CANVAS).all()


def test_the_label_model_with_the_balance_of_gold_rows_beats_majority_vote_by_five_points(scenes: Path) -> None:
    applier = Applier(labeling.labeling_functions, RELATIONS)
    votes, truth = [], []
    for span in SPANS:
        table = pq.read_table(scenes / PATTERN.replace("{SPAN}", str(span))).combine_chunks()
        votes.append(applier.votes(table.to_batches()[0]))
        truth.append(np.array([RELATIONS.index(name) for name in table["relation"].to_pylist()]))
    train = np.concatenate(votes[:-1])
    gold = np.random.default_rng(0).choice(np.concatenate(truth[:-1]), 270, replace=False)
    balance = (np.bincount(gold, minlength=3) + 1) / (len(gold) + 3)
    ours = _accuracy(label_model.fit(train, balance).predict(votes[-1]), truth[-1])
    assert ours >= _accuracy(majority(votes[-1], balance), truth[-1]) + 0.05
    assert ours > 0.8


def _accuracy(found: Probabilities, truth: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> float:
    is_highest = np.isclose(found, found.max(axis=1, keepdims=True))
    return float((is_highest[np.arange(len(truth)), truth] / is_highest.sum(axis=1)).mean())


def test_visual_genome_is_read(tmp_path: Path) -> None:
    path = tmp_path / "relationships.json"
    man = {"names": ["man"], "x": 1, "y": 2, "w": 30, "h": 40, "object_id": 5}
    hat = {"name": "hat", "x": 3, "y": 2, "w": 8, "h": 6}
    path.write_text(
        json.dumps([{"image_id": 7, "relationships": [{"predicate": "HAS ", "subject": man, "object": hat}]}])
    )
    (found,) = visual_genome(path)
    assert found == ("7", "has", "man", Box(1, 2, 30, 40), "hat", Box(3, 2, 8, 6))


def test_vrd_is_read(tmp_path: Path) -> None:
    names = {"objects": ["person", "horse"], "predicates": ["next to", "on"]}
    for name, content in names.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    subject, other = {"category": 0, "bbox": [10, 60, 20, 50]}, {"category": 1, "bbox": [50, 90, 5, 80]}
    relation = {"predicate": 1, "subject": subject, "object": other}
    (tmp_path / "train.json").write_text(json.dumps({"a.jpg": [relation]}))
    files = [tmp_path / f"{name}.json" for name in ("train", "objects", "predicates")]
    (found,) = vrd(*files)
    assert found == ("a.jpg", "on", "person", Box(20, 10, 30, 50), "horse", Box(5, 50, 75, 40))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"a": 1}, "wanted a list, got dict"),
        ([{"image_id": 1}], "image 0: wanted relationships .* KeyError"),
        (
            [{"image_id": 1, "relationships": [{"predicate": "on", "subject": {}, "object": {}}]}],
            "image 0: .* KeyError",
        ),
    ],
)
def test_another_file_is_refused_with_its_place(tmp_path: Path, content: object, message: str) -> None:
    path = tmp_path / "relationships.json"
    path.write_text(json.dumps(content))
    with pytest.raises(DataError, match=message):
        list(visual_genome(path))
