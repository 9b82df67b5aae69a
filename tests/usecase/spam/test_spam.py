"""A text is there once, and what labeling.py says of texts is right."""

import csv
from collections import Counter
from typing import NamedTuple

import pyarrow_hotfix  # noqa: F401
import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from problems.auc import auc
from problems.labeling import label_model
from problems.labeling.apply import Applier
from problems.labeling.majority import majority
from problems.labeling.slicing import slices
from problems.labeling.votes import Votes
from usecases.spam import labeling
from usecases.spam.data import CLASSES, PATTERN, SPANS, write_spans


class Voted(NamedTuple):
    """The votes on all messages, and their classes."""

    votes: Votes
    truth: NDArray[np.int64]


@pytest.fixture(scope="module")
def messages(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    folder = tmp_path_factory.mktemp("spam")
    write_spans(folder)
    rows = []
    for span in SPANS:
        with (folder / PATTERN.replace("{SPAN}", str(span))).open(encoding="utf-8", newline="") as stream:
            rows += list(csv.DictReader(stream))
    return rows


def test_every_text_is_there_once(messages: list[dict[str, str]]) -> None:
    texts = Counter(" ".join(row["text"].lower().split()) for row in messages)
    assert texts.most_common(1)[0][1] == 1
    assert Counter(row["label"] for row in messages) == {"ham": 3972, "spam": 561}


def _batch(texts: list[str]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(texts)], ["text"])


def test_slices_follow_from_the_text(messages: list[dict[str, str]]) -> None:
    linked = next(row["text"] for row in messages if "dbuk.net" in row["text"])
    batch = _batch([linked, "I HAVE A DATE ON SUNDAY WITH WILL!!"])
    found = {one.name: one.flags(batch).to_pylist() for one in slices(labeling.slicing_functions)}
    assert found == {"has_link": ["yes", "no"], "short": ["no", "yes"]}


@pytest.fixture(scope="module")
def voted(messages: list[dict[str, str]]) -> Voted:
    applier = Applier(labeling.labeling_functions, CLASSES)
    truth = np.array([CLASSES.index(row["label"]) for row in messages])
    return Voted(applier.votes(_batch([row["text"] for row in messages])), truth)


def test_the_label_model_is_better_than_majority_vote_under_a_planted_random_function(voted: Voted) -> None:
    random = np.random.default_rng(0).integers(0, 2, (len(voted.truth), 1)).astype(np.int16)
    votes = np.hstack([voted.votes, random])
    balance = np.array([0.88, 0.12])
    ours = label_model.fit(votes, balance).predict(votes)
    theirs = majority(votes, balance)
    right = [np.where(found[:, 1] == 0.5, 0.5, (found[:, 1] > 0.5) == voted.truth).mean() for found in (ours, theirs)]
    assert right[0] >= right[1] + 0.03
    assert right[0] > 0.97


def test_a_classifier_on_weak_labels_is_within_a_point_of_one_on_all_gold_labels(
    messages: list[dict[str, str]], voted: Voted
) -> None:
    newest = np.arange(len(messages)) >= 3 * -(-len(messages) // 4)
    words = TfidfVectorizer(sublinear_tf=True).fit_transform([row["text"] for row in messages])
    votes = voted.votes[~newest]
    rows = np.flatnonzero((votes >= 0).any(axis=1))
    spam = label_model.fit(votes, np.array([0.88, 0.12])).predict(votes)[rows, 1]
    weights = np.concatenate([spam, 1 - spam])
    both = words[~newest][np.concatenate([rows, rows])]
    weak = LogisticRegression(C=10).fit(both, np.repeat([1, 0], len(rows)), sample_weight=weights)
    gold = LogisticRegression(C=10).fit(words[~newest], voted.truth[~newest])
    reached = [auc(voted.truth[newest], model.predict_proba(words[newest])[:, 1]) for model in (weak, gold)]
    assert reached[0] >= reached[1] - 0.01
