"""A text is there once, and its slices follow from it."""

import csv
from collections import Counter

import pytest

from usecases.spam.data import PATTERN, SPANS, write_spans


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


def test_slices_follow_from_the_text(messages: list[dict[str, str]]) -> None:
    by_text = {row["text"][:40]: row for row in messages}
    linked = next(row for start, row in by_text.items() if "dbuk.net" in row["text"])
    assert (linked["has_link"], linked["length"]) == ("yes", "long")
    short = by_text["I HAVE A DATE ON SUNDAY WITH WILL!!"]
    assert (short["has_link"], short["length"]) == ("no", "short")
